# SPDX-License-Identifier: BSD-3-Clause
"""The loops that serve devices."""

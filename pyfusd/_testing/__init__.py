# SPDX-License-Identifier: BSD-3-Clause
"""How the pytest plugin runs drivers."""

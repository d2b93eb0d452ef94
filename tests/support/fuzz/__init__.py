# SPDX-License-Identifier: BSD-3-Clause
"""The random tests' models, and the devices, drivers and clients that they check."""

# SPDX-License-Identifier: BSD-3-Clause
"""The machine that boots kernels, for tests/vm/run and tests/vm/check."""

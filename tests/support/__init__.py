# SPDX-License-Identifier: BSD-3-Clause
"""What the tests share: helpers, and the models and machines they test with."""

from pathlib import Path

TESTS = Path(__file__).parent.parent
TOP = TESTS.parent

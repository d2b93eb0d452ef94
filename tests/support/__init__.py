# SPDX-License-Identifier: BSD-3-Clause
"""What the tests share: helpers, and the models and machines they test with."""

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
TOP = TESTS.parent
#: The project's version, whatever the pyfusd of this environment was built from.
VERSION = re.search(
    r'^version = "(.*)"$', (TOP / "pyproject.toml").read_text(encoding="utf-8"), re.M
)[1]

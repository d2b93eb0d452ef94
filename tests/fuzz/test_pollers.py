# SPDX-License-Identifier: BSD-3-Clause
"""Random pollers, on each transport."""

import subprocess
import sys

from support import TESTS
from support.waiting import DEADLINE

SHORT = 1.5  # seconds


def test_no_wake_up_is_lost_and_none_invented(
    environment, pytestconfig, say_at_the_end
):
    seconds = 60 * pytestconfig.getoption("--fuzz-minutes")
    program = TESTS / "fuzz" / "pollers.py"
    result = subprocess.run(
        [sys.executable, program, f"--seconds={seconds or SHORT}"],
        env={**environment, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds + 10 * DEADLINE,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    say_at_the_end(result.stdout.strip())

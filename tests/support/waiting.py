# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for conditions, with a deadline that only a failure reaches.

FUSD_TEST_PATIENCE stretches it, for machines that are emulated.
"""

import os
import time

PATIENCE = float(os.environ.get("FUSD_TEST_PATIENCE", "1"))
DEADLINE = 20 * PATIENCE
# Between two looks: what is waited for wants the one emulated CPU, too.
INTERVAL = 0.002 * PATIENCE


def wait_until(condition, what, deadline=DEADLINE):
    """Waits until condition() holds; fails the test after the deadline."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(INTERVAL)

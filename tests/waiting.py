# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for conditions, with a deadline that only a failure reaches."""

import time

DEADLINE = 20


def wait_until(condition, what):
    """Waits until condition() holds; fails the test after the deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.002)

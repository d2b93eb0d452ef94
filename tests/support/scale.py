# SPDX-License-Identifier: BSD-3-Clause
"""How much of what is done in great number is done here.

FUSD_TEST_SCALE=0.1, as an emulated machine sets it, makes 1,000 devices 100.
"""

import os

SCALE = float(os.environ.get("FUSD_TEST_SCALE", "1"))


def scaled(count):
    return max(1, round(count * SCALE))

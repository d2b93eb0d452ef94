# SPDX-License-Identifier: BSD-3-Clause
"""python -m pyfusd is the command fusd."""

import sys

from _fusd_command import main

sys.exit(main())

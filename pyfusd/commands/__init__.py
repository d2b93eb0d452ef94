# SPDX-License-Identifier: BSD-3-Clause
"""The commands of `fusd`, one a module."""


class Failure(Exception):
    """Ends the command with exit status 1 and one sentence: what and what next."""

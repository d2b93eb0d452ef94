# SPDX-License-Identifier: BSD-3-Clause
"""Failure, with which a subcommand of `fusd` ends."""


class Failure(Exception):
    """Ends the command with exit status 1 and one sentence: what and what next."""

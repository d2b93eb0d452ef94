# SPDX-License-Identifier: BSD-3-Clause
"""Failure, with which a subcommand of `fusd` ends."""


class Failure(Exception):
    """Ends the command with one sentence, what and what next, and an exit status."""

    def __init__(self, sentence: str, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status

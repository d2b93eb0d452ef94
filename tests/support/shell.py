# SPDX-License-Identifier: BSD-3-Clause
"""Clients of the examples: ordinary programs."""

import os
import subprocess

from support.proc import has_open
from support.waiting import DEADLINE, wait_until


def output(command, **options):
    """What a shell command prints; its failure fails the test."""
    return subprocess.run(
        ["sh", "-ec", command],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=DEADLINE,
        **options,
    ).stdout


def failure(command, **options):
    """The error message of a shell command that must fail."""
    result = subprocess.run(
        ["sh", "-ec", command],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        timeout=DEADLINE,
        env={**os.environ, "LC_ALL": "C"},
        **options,
    )
    assert result.returncode != 0
    return result.stderr


class Reader:
    """A program that reads a device; it has it open when this returns."""

    def __init__(self, path, command="exec cat"):
        self.process = subprocess.Popen(
            ["sh", "-c", f"{command} {path}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: has_open(self.process.pid, path), f"{path} open")

    def line(self):
        return self.process.stdout.readline()

    def rest(self):
        """What it prints until it ends."""
        return self.process.communicate(timeout=DEADLINE)[0]

    def kill(self):
        self.process.kill()
        return self.rest()

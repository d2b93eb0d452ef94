# SPDX-License-Identifier: BSD-3-Clause
"""A user's terminal: a program, or an interactive bash, on a pseudo terminal."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
from contextlib import suppress

import pytest

from support.waiting import DEADLINE, wait_until

# What moves the cursor, colours, and turns bracketed paste on and off.
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def _read_to_end(side):
    """What is written to a terminal until nobody has its other side any more."""
    output = b""
    poller = select.poll()
    poller.register(side, select.POLLIN)
    with suppress(OSError):  # EIO: that is the end.
        while poller.poll(DEADLINE * 1000):
            output += os.read(side, 65536)
        pytest.fail(f"a program waits for a key; on its terminal:\n{output.decode()}")
    return output.decode().replace("\r\n", "\n")


def run_on_terminal(command, environment, columns=80):
    """Runs a program on a terminal of its own to its end; what it wrote there."""
    side, other = os.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=other,
        stdout=other,
        stderr=other,
        env=environment,
        start_new_session=True,
    )
    os.close(other)
    try:
        return _read_to_end(side)
    finally:
        os.close(side)  # which hangs up
        process.wait(DEADLINE)


def _begin_session():
    """The terminal is the session's, whatever nohup(1) may have around the tests."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """Its text so far, without escapes, is in text; Ctrl-C is typed as "\\x03"."""

    def __init__(self, directory, environment):
        self.text = ""
        self.side, other = os.openpty()
        os.set_blocking(self.side, False)
        self.shell = subprocess.Popen(
            ["bash", "--norc", "-i"],
            cwd=directory,
            stdin=other,
            stdout=other,
            stderr=other,
            # TERM: one that has bracketed paste.
            env={**environment, "PS1": "$ ", "TERM": "xterm", "HISTFILE": ""},
            start_new_session=True,
            preexec_fn=_begin_session,
        )
        os.close(other)
        self.wait_for(r"\$ $")

    def type(self, text):
        os.write(self.side, text.encode())

    def paste(self, text):
        """Pastes as the terminal of a desktop does, and presses Return."""
        self.type(f"\x1b[200~{text}\x1b[201~\r")

    def wait_for(self, pattern):
        """Waits for a text, which is at the begin of a line if it says so with ^."""
        self.wait_until(lambda: re.search(pattern, self.text, re.M), pattern)
        return re.search(pattern, self.text, re.M)

    def wait_until(self, has_come, what):
        """Waits until the text is one for which has_come() is true."""

        def reads_it():
            with suppress(BlockingIOError):
                self._raw(os.read(self.side, 65536))
            return has_come()

        try:
            wait_until(reads_it, what)
        except AssertionError:
            pytest.fail(f"no {what!r} in the terminal:\n{self.text}")

    def _raw(self, data):
        self.text += _ESCAPE.sub("", data.decode(errors="replace"))

    def finish(self):
        """Hangs up, waits for the shell's end, and closes the terminal."""
        os.killpg(self.shell.pid, signal.SIGHUP)
        # A shell that saw the end of its input first would leave its jobs alone.
        self.shell.wait(DEADLINE)
        os.close(self.side)

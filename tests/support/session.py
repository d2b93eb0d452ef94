# SPDX-License-Identifier: BSD-3-Clause
"""Makes a page's terminal sessions, and compares them with the page.

"..." in the output that a page shows stands for anything. Devices that the
page has in /dev are in a directory of the test's own.
"""

import os
import queue
import re
import signal
import subprocess
import threading
import time

from support.proc import children, has_open, state_of
from support.waiting import DEADLINE, wait_until

# What is in /dev on its own.
_DEVICES = re.compile(
    r"/dev/(?!(?:null|zero|full|urandom|fuse|cuse|fusd/|std|fd/|tty)\b)(?=[a-z.])"
)
# What the shell says when a job that was killed ends; each shell as it likes.
_JOB_ENDED = re.compile(r"^.*: line \d+: +\d+ (?:Terminated|Killed) .*\n", re.M)


def with_devices_in(root, text):
    """The text with the devices that it has in /dev in another directory."""
    return _DEVICES.sub(f"{root}/", text)


def steps(text):
    """(command, expected output) of each command of a console block."""
    result = []
    for line in text.splitlines():
        if line.startswith("$ "):
            result.append([line[2:], ""])
        elif line.startswith("> "):
            result[-1][0] += "\n" + line[2:]
        else:
            result[-1][1] += line + "\n"
    return result


def matches(expected, output):
    """Whether the output is what a page shows; "..." matches anything."""
    parts = [re.escape(part) for part in expected.rstrip("\n").split("...")]
    return re.fullmatch(".*".join(parts), output.rstrip("\n"), re.S) is not None


def files_below(root):
    """The files where devices are, which are files to those who look."""
    return {
        f"{directory}/{name}" for directory, _, files in os.walk(root) for name in files
    }


def wait_for_client(pid, command, root):
    """A client in the background is given the time that typing takes."""
    path = re.search(rf"{root}/\S+", command)[0]

    def is_waiting():
        """In a call of the device, most likely: what strace looks at is in state t."""
        return any(
            has_open(one, path) and state_of(one) in ("S", "D")
            for one in [pid, *children(pid)]
        )

    wait_until(is_waiting, f"a client's wait for {path}")


# Printed after each command, with the last background job.
_END = "end-of-command"


class Session:
    """A shell that a user types at, without the prompts."""

    def __init__(self, directory, root, environment):
        self.root = root
        self.before = files_below(root)
        self.process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            start_new_session=True,
        )
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def run(self, command, expected):
        """Types a command; asserts that the page shows what comes."""
        typed = with_devices_in(self.root, command)
        self.process.stdin.write(f"{typed}\nprintf '{_END} %s\\n' \"$!\"\n")
        self.process.stdin.flush()
        text = job = ""
        deadline = time.monotonic() + DEADLINE
        # A driver in the background may say something later.
        while not job or not matches(expected, text):
            try:
                line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(
                    f"$ {command}\nshould give:\n{expected}\nbut gives:\n{text}"
                ) from None
            before, end, job_id = line.partition(_END)
            if end:
                job, line = job_id, before
            text = _JOB_ENDED.sub("", text + line.replace(f"{self.root}/", "/dev/"))
        if command.endswith("&") and not expected:
            wait_for_client(int(job), typed, self.root)

    def finish(self):
        """Ends all that was started, as closing the terminal does."""
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(DEADLINE)
        self.process.stdin.close()
        # The end of the output: nobody is left who could write to it.
        self.reader.join(DEADLINE)
        assert not self.reader.is_alive()
        # In /dev there are files of others too.
        wait_until(lambda: files_below(self.root) <= self.before, "devices to go")

# SPDX-License-Identifier: BSD-3-Clause
"""An example as a process."""

import os
import queue
import subprocess
import threading

from support.waiting import DEADLINE


class Example:
    """A running example; its lines come out one by one."""

    def __init__(self, name, command, environment):
        self.name = name
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.lines = queue.Queue()
        self.paths = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self):
        """The next line, or None at the end of the output."""
        return self.lines.get(timeout=DEADLINE)

    def device(self):
        """The path of the next device that the example says it made."""
        line = self.process.stderr.readline()
        assert line.startswith(f"{self.name}: /"), line
        path = line.rstrip("\n").split(": ", 1)[1]
        assert os.path.exists(path)
        self.paths.append(path)
        return path

    def type(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self):
        """Ends it; what its standard error has beside device()s, which should be ""."""
        self.process.terminate()
        self.reader.join(DEADLINE)
        # Not communicate(): it would want to read the output too.
        self.process.stdin.close()
        errors = self.process.stderr.read()
        self.process.stderr.close()
        self.process.wait(DEADLINE)
        self.process.stdout.close()
        return errors

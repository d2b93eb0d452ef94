# SPDX-License-Identifier: BSD-3-Clause
"""Drivers and clients as the contract suite sees them: processes."""

import errno
import json
import os
import queue
import select
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from support import TESTS
from support.waiting import DEADLINE

PROGRAMS = TESTS / "transport"


def start_c_driver(program, kinds, environment):
    return subprocess.Popen(
        [str(program), *kinds],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


class Driver:
    """A driver process, with its events and its commands."""

    def __init__(self, process, kinds):
        self.process = process
        self.events = queue.Queue()
        self.seen = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.paths = [self.expect("ready").split(" ", 1)[1] for _ in kinds]

    def _read(self):
        for line in self.process.stdout:
            self.events.put(line.rstrip("\n"))
        self.events.put(None)

    @property
    def path(self):
        return self.paths[0]

    def expect(self, word):
        """The next event that begins with word; those before are in seen."""
        while True:
            event = self.events.get(timeout=DEADLINE)
            if event is None:
                pytest.fail(f"no {word}: the driver ended: {self.errors()}")
            self.seen.append(event)
            if event.split(" ")[0] == word:
                return event
            if event.startswith("error"):
                pytest.fail(event)

    def command(self, text, answer):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.expect(answer)

    def answer(self, number, data=""):
        """Answers the oldest held request; returns the driver's errno."""
        return int(self.command(f"answer {number} {data}".strip(), "answered")[9:])

    def collect(self, word, count):
        """The first count events that begin with word, since the start."""

        def found():
            return [event for event in self.seen if event.split(" ")[0] == word]

        while len(found()) < count:
            self.expect(word)
        return found()

    def drain(self):
        """Events that came by now."""
        while not self.events.empty():
            event = self.events.get()
            if event is not None:
                self.seen.append(event)
        return self.seen

    def errors(self):
        return self.process.stderr.read()

    def resident_kilobytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        errors = self.errors()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()
        ends = (0, -signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL)
        assert status in ends, errors
        assert "Sanitizer" not in errors, errors
        assert "Traceback" not in errors, errors


class Client:
    """A client process; a call raises the OSError that the process got."""

    def __init__(self, process):
        self.process = process

    def start(self, call, *arguments):
        request = {"call": call, "arguments": arguments}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def result(self):
        answer = json.loads(self.process.stdout.readline())
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        return answer["result"]

    def has_answered(self):
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def __call__(self, call, *arguments):
        self.start(call, *arguments)
        return self.result()

    def fails(self, call, *arguments):
        """The name of the errno that the call fails with."""
        self.start(call, *arguments)
        return self.failure()

    def failure(self):
        with pytest.raises(OSError) as caught:
            self.result()
        return errno.errorcode[caught.value.errno]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

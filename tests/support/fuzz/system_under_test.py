# SPDX-License-Identifier: BSD-3-Clause
"""A real device with a real driver and real clients, which sequences share."""

import os
import socket
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection

from support import TESTS
from support.waiting import DEADLINE, wait_until

PROGRAMS = TESTS / "fuzz"
#: Client processes that the others come from, and how many each may fork.
ROOTS, FORKS = 2, 3


def receive(channel):
    """The next message; a call that does not end fails the test."""
    assert channel.poll(DEADLINE), "a system call or the driver hangs"
    return channel.recv()


class Process:
    """A client process, with the descriptors it has and their open files."""

    def __init__(self, channel, pid, parent, files, spare=None):
        self.channel = channel
        self.pid = pid
        self.parent = parent
        self.files = files  # descriptor: OpenFile
        self.spare = spare  # which channel of which root it took

    def __call__(self, *call):
        self.channel.send(call)
        return receive(self.channel)


def channel_pair():
    ours, theirs = socket.socketpair()
    return Connection(ours.detach()), theirs.detach()


class SystemUnderTest:
    """Made once, and made anew when a sequence left something behind."""

    def __init__(self, transport, name, environment):
        self.transport = transport
        self.name = name
        self.environment = environment
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.is_clean = False
        self.programs = []

    def clean(self):
        """For the next sequence: no open file, no answer left, as at first."""
        if not self.is_clean:
            self.kill()
            self.start()
        self.is_clean = False
        self.command("state", 0)

    def start(self):
        self.driver, theirs = channel_pair()
        self.programs = [self._run("driver.py", self.name, theirs)]
        try:
            self.path = receive(self.driver)
        except EOFError:
            self.check_errors()
            raise
        self.roots, self.channels = [], []
        for _ in range(ROOTS):
            pairs = [channel_pair() for _ in range(1 + FORKS)]
            self.channels.append([ours for ours, _ in pairs])
            self.programs.append(self._run("client.py", *(pair[1] for pair in pairs)))
            pid = self.programs[-1].pid
            self.roots.append(Process(pairs[0][0], pid, None, {}))
        self.opened = self.closed = 0

    def _run(self, program, *arguments):
        channels = [argument for argument in arguments if isinstance(argument, int)]
        process = subprocess.Popen(
            [sys.executable, PROGRAMS / program, *map(str, arguments)],
            pass_fds=channels,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stderr=self.errors,
        )
        for channel in channels:
            os.close(channel)
        return process

    def command(self, command, argument=None):
        """Tells the driver, and gives what it noted since the last command."""
        self.driver.send((command, argument))
        seen = []
        for entry in receive(self.driver):
            if entry[0] == "close":
                # When it comes is the transport's business, that it comes ours.
                self.closed += 1
            else:
                self.opened += entry[0] == "open"
                seen.append(entry)
        return seen

    def wait_for_closes(self):
        """Each successful open has had its close; marks the end of a sequence."""

        def all_closed():
            assert self.command("log") == []
            return self.opened == self.closed

        wait_until(all_closed, "a close for each open")
        self.check_errors()

    def check_errors(self):
        self.errors.seek(0)
        errors = self.errors.read().decode()
        self.errors.truncate(0)
        assert errors == "", errors

    def kill(self):
        for program in self.programs:
            program.kill()
            program.wait()

    def stop(self):
        """The regular end: all processes end by themselves when told."""
        if not self.is_clean:
            self.kill()
            return
        self.driver.close()
        for root in self.roots:
            root.channel.close()
        assert [program.wait(DEADLINE) for program in self.programs] == [0] * (
            1 + ROOTS
        )
        self.check_errors()

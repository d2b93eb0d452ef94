# SPDX-License-Identifier: BSD-3-Clause
"""Python processes forked from one that has imported everything.

The suite needs a new client or driver every moment, and in an emulated machine
Python takes a second to start. A fork server is a process started once; each child
is a fork of it that runs a script as if python had been started for it: it has
a pid, descriptors, signals, an environment and an end of its own.

This file is both sides: the class ForkServer asks, and `python fork_server.py FD WHAT`
serves.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path

PRELOADED = (
    *("collections", "ctypes", "errno", "fcntl", "json", "mmap", "os", "select"),
    *("signal", "sys", "threading", "pyfusd"),
)
MESSAGE_SIZE = 1 << 18
PROGRAMS = Path(__file__).parent.parent / "transport"
SCRIPTS = (PROGRAMS / "client.py", PROGRAMS / "driver.py")


class Child:
    """As much of subprocess.Popen as the suite uses, for a child of a fork server."""

    def __init__(self, server, args, pid, pipes):
        self.server = server
        self.args = args
        self.pid = pid
        self.stdin, self.stdout, self.stderr = pipes
        self.returncode = None
        self.handle = os.pidfd_open(pid)

    def _ended(self, timeout):
        return select.select([self.handle], [], [], timeout)[0] != []

    def _reap(self):
        os.close(self.handle)
        status = self.server.ask({"reap": self.pid})
        self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def poll(self):
        if self.returncode is None and self._ended(0):
            self._reap()
        return self.returncode

    def wait(self, timeout=None):
        if self.returncode is not None:
            return self.returncode
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self._reap()

    def send_signal(self, number):
        # Only _reap gives the pid back, so until then it is this process's.
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """Starts Python scripts by fork; one for a whole run of tests is enough.

    modules are imported, scripts compiled beforehand. With a session of its own,
    Ctrl-C does not reach it and its children.
    """

    def __init__(self, modules=PRELOADED, scripts=SCRIPTS, own_session=False):
        self.lock = threading.Lock()
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        what = json.dumps({"modules": modules, "scripts": [*map(str, scripts)]})
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno()), what],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=own_session,
        )
        theirs.close()

    def ask(self, request, descriptors=()):
        with self.lock:
            message = [json.dumps(request).encode()]
            socket.send_fds(self.socket, message, descriptors)
            answer = self.socket.recv(MESSAGE_SIZE)
        assert answer, "the fork server has ended"
        return json.loads(answer)

    def start(self, script, *arguments, environment=None, stderr=False):
        """Popen([python, script, *arguments]), with pipes as text."""
        args = [sys.executable, str(script), *arguments]
        request = {"args": args[1:], "environment": {**(environment or os.environ)}}
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe() if stderr else (None, os.dup(2))
        theirs = [theirs_in, theirs_out, theirs_err]
        try:
            pid = self.ask(request, theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        pipes = [os.fdopen(ours_in, "w"), os.fdopen(ours_out)]
        pipes.append(os.fdopen(ours_err) if stderr else None)
        return Child(self, args, pid, pipes)

    def stop(self):
        self.socket.close()
        self.process.wait()


def serve(channel):
    """Forks and reaps as asked; returns in each child, with what it is to run."""
    children = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_SIZE, 3)
        if not message:
            for pid in children:  # Who asked for them was killed.
                os.kill(pid, signal.SIGTERM)
            sys.exit()
        request = json.loads(message)
        if "reap" in request:
            children.remove(request["reap"])
            answer = os.waitpid(request["reap"], 0)[1]
        else:
            answer = os.fork()
            if answer == 0:
                break
            children.add(answer)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(json.dumps(answer).encode())
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    channel.close()
    return request


def become(request):
    """Makes this process look as if the script had been started in it."""
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:] = request["args"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    script = types.ModuleType("__main__")
    script.__file__ = sys.argv[0]
    sys.modules["__main__"] = script
    sys.path[0] = os.path.dirname(sys.argv[0])
    return script


def main():
    what = json.loads(sys.argv[2])
    for module in what["modules"]:
        __import__(module)
    sources = {}
    for path in what["scripts"]:
        with open(path, encoding="utf-8") as file:
            sources[path] = compile(file.read(), path, "exec")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its tests
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    script = become(request)
    exec(sources[script.__file__], vars(script))


if __name__ == "__main__":
    main()

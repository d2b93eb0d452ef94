# SPDX-License-Identifier: BSD-3-Clause
"""Client processes, forked, whose calls can be interrupted, stopped and looked at.

A step is a function of the Client that runs it, in the child; what it returns,
or the name of the errno, is what result() gives in the parent.
"""

import ast
import ctypes
import errno
import fcntl
import os
import select
import signal
import threading
import traceback

from support.proc import is_signalled, state_of
from support.raw_driver import libc
from support.waiting import DEADLINE, wait_until

SYS_TGKILL = 234
READ_WRITE = 3
MAP_SHARED = 1

libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]


def process(function, *arguments):
    """A process that makes the call; its exit status is 0 if that returned."""
    child = os.fork()
    if child:
        return child
    try:
        function(*arguments)
        os._exit(0)
    finally:
        os._exit(1)


def check(result):
    """The result of a call of libc's, or its errno as an exception."""
    if result in (-1, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "")
    return result


def outcome(step, *arguments):
    try:
        return step(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]


class Client:
    """A process that makes its steps one after another, then waits to be ended.

    Signals of its own, SIGUSR1, are handled; restart says whether with SA_RESTART.
    """

    def __init__(self, driver, *steps, restart=True, uid=None):
        self.path = driver.path
        self.fd = self.address = None
        self.output, self.results = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(self.results)
            self.lines = os.fdopen(self.output, "rb", 0)
            return
        try:
            os.close(driver.fd)
            os.close(self.output)
            signal.signal(signal.SIGUSR1, lambda *_: None)
            signal.siginterrupt(signal.SIGUSR1, not restart)
            if uid is not None:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            for step in steps:
                self.say(outcome(step, self))
            while True:
                signal.pause()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    def say(self, value):
        os.write(self.results, b"%r\n" % (value,))

    def result(self):
        """What the next step gave."""
        assert select.select([self.output], [], [], DEADLINE)[0], "a call hangs"
        line = self.lines.readline()
        assert line, "the client ended"
        return ast.literal_eval(line.decode())

    def is_silent(self):
        return not select.select([self.output], [], [], 0)[0]

    def wait_for(self, states, tid=None):
        wait_until(lambda: state_of(self.pid, tid) in states, f"state {states}")

    def interrupt(self, tid=None):
        """A signal that has been handled when this returns."""
        self.wait_for("S", tid)
        self.send(tid)
        wait_until(lambda: not is_signalled(self.pid, tid), "the signal's delivery")

    def interrupt_and_wait(self, tid=None):
        """As interrupt, and the restarted call waits again."""
        self.interrupt(tid)
        self.wait_for("S", tid)

    def send(self, tid=None):
        libc.syscall(SYS_TGKILL, self.pid, tid or self.pid, signal.SIGUSR1)

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)
        self.wait_for("T")

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def stop_and_go_on(self):
        self.wait_for("SD")
        self.stop()
        self.go_on()
        self.wait_for("SD")

    def kill(self):
        if self.lines.closed:
            return
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.lines.close()


def opens(flags=os.O_RDWR):
    def step(client):
        client.fd = check(libc.open(client.path.encode(), flags))
        return 0

    return step


def reads(size):
    def step(client):
        data = ctypes.create_string_buffer(size)
        count = check(libc.read(client.fd, data, size))
        return data.raw[:count]

    return step


def reads_in_order(count):
    """As many reads of the position that they begin at, among signals."""

    def step(client):
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.siginterrupt(signal.SIGALRM, False)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        data = ctypes.create_string_buffer(8)
        for number in range(count):
            got = check(libc.read(client.fd, data, 8))
            if (got, data.raw) != (8, (8 * number).to_bytes(8, "little")):
                return f"read {number} gave {data.raw[:got]}"
        signal.setitimer(signal.ITIMER_REAL, 0)
        return "in order"

    return step


def waits_for_edges(events):
    """Registers its open file with a new epoll descriptor."""

    def step(client):
        client.poller = select.epoll()
        client.poller.register(client.fd, events | select.EPOLLET)

    return step


def has_edges(client):
    """What epoll_wait tells, if it tells something before long."""
    return [events for _, events in client.poller.poll(DEADLINE)]


def seeks(position, whence=os.SEEK_SET):
    return lambda client: os.lseek(client.fd, position, whence)


def syncs(client):
    return os.fsync(client.fd)


def ends(client):
    """Without a close of its own."""
    client.say("ends")
    os._exit(0)


def writes(data):
    return lambda client: check(libc.write(client.fd, data, len(data)))


def controls(number, argument=b"argument"):
    def step(client):
        data = ctypes.create_string_buffer(argument, max(len(argument), 8))
        check(libc.ioctl(client.fd, ctypes.c_ulong(number), data))
        return data.raw

    return step


def maps(length=4096, protection=READ_WRITE, flags=MAP_SHARED):
    def step(client):
        client.address = check(libc.mmap(None, length, protection, flags, client.fd, 0))
        return "mapped"

    return step


def looks(size):
    """At the beginning of what it has mapped."""
    return lambda client: ctypes.string_at(client.address, size)


def scribbles(data):
    def step(client):
        ctypes.memmove(client.address, data, len(data))
        return "written"

    return step


def protects(length=4096, protection=READ_WRITE):
    return lambda client: check(
        libc.mprotect(
            ctypes.c_void_p(client.address),
            ctypes.c_size_t(length),
            protection,
        )
    )


def closes(client):
    return check(libc.close(client.fd))


def stops(client):
    os.kill(os.getpid(), signal.SIGSTOP)


def may_block(wanted):
    """Sets or clears O_NONBLOCK of its open file."""

    def step(client):
        flags = fcntl.fcntl(client.fd, fcntl.F_GETFL)
        flags = flags & ~os.O_NONBLOCK if wanted else flags | os.O_NONBLOCK
        return fcntl.fcntl(client.fd, fcntl.F_SETFL, flags)

    return step


def run_in_threads(client, count, step, say):
    """The results of threads that are gone when this returns; says their ids first."""
    results = []
    started = threading.Event()

    def body():
        started.wait()
        results.append(outcome(step, client))

    threads = [threading.Thread(target=body) for _ in range(count)]
    for thread in threads:
        thread.start()
    ids = [thread.native_id for thread in threads]
    say(ids)
    started.set()
    for thread in threads:
        thread.join()
    # join() returns a little before the kernel has forgotten a thread.
    wait_until(lambda: not any(state_of(os.getpid(), id) for id in ids), "their end")
    return results


def in_a_thread(step):
    """The step in a thread that is gone when it is done; says its id first."""
    return lambda client: run_in_threads(
        client, 1, step, lambda ids: client.say(ids[0])
    )[0]


def in_threads(count, step):
    """The step in several threads at once; says their ids first."""
    return lambda client: run_in_threads(client, count, step, client.say)

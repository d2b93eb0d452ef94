# SPDX-License-Identifier: BSD-3-Clause
"""A process that is driver and client of one device at once."""

import os
import signal
import subprocess

import pytest

from support.waiting import DEADLINE, wait_until

DRIVER = """
import os, sys, threading, pyfusd

class Holding(pyfusd.Device):
    def open(self, file):
        return self.keep(file) if "open" in sys.argv else None

    def read(self, file, buf, offset):
        return self.keep(file)

    def keep(self, file):
        self.held = file.hold()
        print("held", flush=True)
        return self.held

def call(path):
    fd = os.open(path, os.O_RDWR)
    os.read(fd, 1)

device = Holding("holding").register()
print(device.path, flush=True)
# Who waits is the thread that stands for the process, or another one.
calls = (pyfusd.run, device), (call, device.path)
in_thread, here = calls if "main" in sys.argv else reversed(calls)
threading.Thread(target=in_thread[0], args=in_thread[1:], daemon=True).start()
here[0](*here[1:])
"""


@pytest.mark.parametrize("call", ["open", "read"])
@pytest.mark.parametrize("thread", ["main", "other"])
def test_a_killed_process_that_waits_for_itself_dies(
    start_python, device_root, call, thread
):
    both = start_python(DRIVER, call, thread)
    path = both.stdout.readline().decode().strip()
    assert both.stdout.readline() == b"held\n"
    both.kill()
    try:
        assert both.wait(DEADLINE) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        subprocess.run(["umount", "-f", path], check=True)
        raise
    wait_until(lambda: "holding" not in os.listdir(device_root), "the device's end")


KEEPS_THE_LOCK = """
import fcntl, logging, sys, threading, pyfusd

NUMBER = pyfusd.IOR("H", 2, 4100)
is_logged = threading.Event()

class Handler(logging.StreamHandler):
    def emit(self, record):
        super().emit(record)
        is_logged.set()

logging.getLogger("pyfusd").addHandler(Handler(sys.stdout))

class Mouse(pyfusd.Device):
    @pyfusd.ioctl(NUMBER)
    def descriptor(self, file, data):
        return len(data) & 0xff

device = Mouse("mouse").register()
threading.Thread(target=pyfusd.run, args=[device], daemon=True).start()
with open(device.path, "rb", buffering=0) as file:
    try:
        # With more than 1,024 bytes it keeps the interpreter's lock.
        fcntl.ioctl(file, NUMBER, bytearray(4100))
        print("answered")
    except OSError as error:
        print(error)
        is_logged.wait()
print("goes on")
"""


ENDS_SLOWLY = """
import ctypes, os, sys, threading, pyfusd

class Plain(pyfusd.Device):
    def read(self, file, buf, offset):
        return b"x"

device = Plain("plain").register()
threading.Thread(target=pyfusd.run, args=[device], daemon=True).start()
os.read(os.open(device.path, os.O_RDONLY), 1)
# The process goes on for 3 seconds when it has no interpreter any more.
libc = ctypes.CDLL(None)
libc.on_exit(libc.sleep, None)
sys.exit(3)
"""


def test_a_process_with_its_own_client_ends_in_order(start_python):
    assert start_python(ENDS_SLOWLY).wait(2 * DEADLINE) == 3


OPENS_WITH_THE_LOCK = """
import ctypes, logging, os, sys, threading, pyfusd

logging.getLogger("pyfusd").addHandler(logging.StreamHandler(sys.stdout))

class Plain(pyfusd.Device):
    if "open" in sys.argv:
        def open(self, file):
            pass

device = Plain("plain").register()
threading.Thread(target=pyfusd.run, args=[device], daemon=True).start()
# As a client module in C does it: the first thing that the device hears of.
libc = ctypes.PyDLL(None, use_errno=True)
descriptor = libc.open(device.path.encode(), os.O_RDONLY)
print("opened" if descriptor >= 0 else os.strerror(ctypes.get_errno()))
os.close(os.open(device.path, os.O_RDONLY))
print("goes on")
"""


@pytest.mark.parametrize("callback", ["open", "none"])
def test_an_opener_that_keeps_the_interpreter_s_lock_is_told(start_python, callback):
    """Nobody receives its open, and so nobody knows of it."""
    process = start_python(OPENS_WITH_THE_LOCK, callback)
    output, errors = process.communicate(timeout=4 * DEADLINE)
    assert errors == b""
    if callback == "open":
        assert b"Resource deadlock avoided" in output
        assert b"process=True" in output
    assert b"goes on\n" in output


# More than one dispatch() takes.
OTHERS_BEFORE = """
import ctypes, logging, os, subprocess, sys, threading, pyfusd

logging.getLogger("pyfusd").addHandler(logging.StreamHandler(sys.stdout))

class Plain(pyfusd.Device):
    def open(self, file):
        pass

device = Plain("plain").register()
threading.Thread(target=pyfusd.run, args=[device], daemon=True).start()
os.close(os.open(device.path, os.O_RDONLY))

others = [
    subprocess.Popen(["sh", "-c", 'read word; : < "$0"', device.path],
                     stdin=subprocess.PIPE)
    for _ in range(50)
]
# From here on the driver's thread does not get the interpreter's lock.
sys.setswitchinterval(1e6)
libc = ctypes.PyDLL(None, use_errno=True)
syscall = ctypes.create_string_buffer(4)

def waits_in_its_open(process):
    file = libc.open(b"/proc/%d/syscall" % process.pid, os.O_RDONLY)
    libc.read(file, syscall, 4)
    libc.close(file)
    return syscall.raw in (b"2 0x", b"257 ")

for other in others:
    libc.write(other.stdin.fileno(), b"go\\n", 3)
for other in others:
    while not waits_in_its_open(other):
        libc.poll(None, 0, 1)
assert libc.open(device.path.encode(), os.O_RDONLY) < 0
print(os.strerror(ctypes.get_errno()), flush=True)
sys.setswitchinterval(0.005)
for other in others:
    assert other.wait() == 0
print("goes on")
"""


def test_those_who_came_before_such_an_opener_are_served(start_python):
    """Nobody sends the driver anything more: they must not need that."""
    process = start_python(OTHERS_BEFORE)
    output, errors = process.communicate(timeout=4 * DEADLINE)
    assert errors == b""
    assert b"Resource deadlock avoided" in output
    # The log's line, which needs the interpreter's lock, may come later.
    assert b"goes on\n" in output


def test_a_caller_that_keeps_the_interpreter_s_lock_is_told(start_python, transport):
    if transport != "fuse":
        pytest.skip("the way is the same on each; a slow machine takes long")
    output, errors = start_python(KEEPS_THE_LOCK).communicate(timeout=2 * DEADLINE)
    assert errors == b""
    # Newer interpreters let the lock go, and the callback answers.
    if b"answered" not in output:
        assert b"Resource deadlock avoided" in output
        assert b"process=True" in output
    assert output.endswith(b"goes on\n")

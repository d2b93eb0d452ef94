# SPDX-License-Identifier: BSD-3-Clause
"""A driver's forked child: its parent's devices are none of its own."""

import fcntl
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from itertools import count

import pytest

import pyfusd
from support.named_device import NamedDevice, content
from support.scale import scaled
from support.serving import serving
from support.waiting import DEADLINE, wait_until


class Holding(pyfusd.Device):
    """Holds each read; the driver may end, and polls are held too."""

    def __init__(self, name):
        super().__init__(name)
        self.requests = []

    def read(self, file, buf, offset):
        self.requests.append(file.hold(timeout=3600))
        return self.requests[-1]

    def poll(self, file):
        return 0


def one_read(path):
    """By a process that does not fork, as its memory is what the answer goes to."""
    command = ["dd", f"if={path}", "bs=100", "count=1", "status=none"]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def assert_in_child(check):
    """Runs check() in a forked child, which must come to its end."""
    child = os.fork()
    if child == 0:
        try:
            check()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_child_has_no_devices(serve):
    device = serve(NamedDevice("parent"))
    descriptor = device.fileno()

    def check():
        assert not device.registered
        with pytest.raises(OSError):
            os.fstat(descriptor)

    assert_in_child(check)
    assert content(device.path) == b"parent"


@pytest.mark.parametrize("way", ["reply", "drop"])
def test_a_child_answers_no_request_of_its_parent(serve, in_thread, way):
    device = serve(Holding("holding"))
    number = device.fileno()
    reading = in_thread(one_read, device.path)
    wait_until(lambda: device.requests, "a held request")

    def check():
        # What the child opens now has the number of the device's descriptor.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, number + 1) for end in os.pipe()]
        os.dup2(ends[1], number)
        request = device.requests.pop()
        if way == "reply":
            with pytest.raises(BrokenPipeError):
                request.reply(b"of the child")
        del request
        os.set_blocking(ends[0], False)
        with pytest.raises(BlockingIOError):
            os.read(ends[0], 1)

    assert_in_child(check)
    device.requests.pop().reply(b"of the parent")
    assert reading.result() == b"of the parent"


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_may_have_devices_of_its_own(serve, in_thread):
    parent = serve(Holding("parent"))
    reading = in_thread(one_read, parent.path)
    wait_until(lambda: parent.requests, "a held request")

    def check():
        with serving(*(NamedDevice(f"child{number}") for number in range(3))) as device:
            assert content(device.path) == b"child0"
        # And timeouts of its own.
        held = Holding("timing")
        held.read = lambda file, buf, offset: file.hold(timeout=0.001)
        with serving(held), pytest.raises(TimeoutError):
            content(held.path)
        # Its parent's device is there, but it is no device of this process.
        with pytest.raises(FileExistsError) as caught:
            NamedDevice("parent").register()
        assert "of this process" not in str(caught.value)

    assert_in_child(check)
    parent.requests.pop().reply(b"parent")
    assert reading.result() == b"parent"


def test_a_fork_beside_many_clients_harms_nobody(serve, in_thread):
    device = serve(NamedDevice("parent"))
    done = threading.Event()

    def call():
        while not done.is_set():
            assert content(device.path) == b"parent"

    calls = [in_thread(call) for _ in range(4)]

    def check():
        with serving(NamedDevice("child")) as own:
            assert content(own.path) == b"child"

    for _ in range(scaled(10)):
        assert_in_child(check)
    done.set()
    for ended in calls:
        ended.result()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("count", [1, 20])
def test_a_child_forked_by_a_callback_runs_devices_of_its_own(serve, in_thread, count):
    class Waiting(pyfusd.Device):
        async def read(self, file, buf, offset):
            return b"waiting"[offset:]

    class Forking(pyfusd.Device):
        def read(self, file, buf, offset):
            assert_in_child(check)
            return 0

    def check():
        # The second one, as the first is run by whoever made it.
        devices = [Waiting("waiting").register(), Waiting("second")]
        running = in_thread(pyfusd.run, *devices)
        wait_until(lambda: devices[1].registered, "a registration")
        for device in devices:
            assert content(device.path) == b"waiting"
            device.unregister()
        running.result()

    forking = serve(Forking("forking"), *(NamedDevice(f"{n}") for n in range(count)))
    assert content(forking.path) == b""


TRANSPORTS = ("/dev/fuse", "/dev/cuse", "/dev/fusd/control")


def test_a_fork_waits_for_what_another_thread_registers(serve, in_thread):
    serve(NamedDevice("steady"))
    done = threading.Event()

    def register_often():
        # The child may keep a name in sysfs for a moment.
        for number in count():
            if done.is_set():
                return
            with NamedDevice(f"changing{number}"):
                pass

    def check():
        paths = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        links = [os.readlink(path) for path in paths if os.path.lexists(path)]
        assert not set(links) & set(TRANSPORTS)

    registering = in_thread(register_often)
    for _ in range(scaled(30)):
        assert_in_child(check)
    done.set()
    registering.result()


FORKING = """
import os, sys
import pyfusd

class Forking(pyfusd.Device):
    def open(self, file):
        self.child = os.fork()

device = Forking("forking").register()
print(device.path, flush=True)
pyfusd.run(device, *(pyfusd.Device(f"other{n}") for n in range(int(sys.argv[1]))))
print("child" if device.child == 0 else "parent", flush=True)
if device.child:
    os.waitpid(device.child, 0)
"""


class Blocking(logging.Handler):
    """Keeps whoever logs until somebody lets him go."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.is_blocked = threading.Event()
        self.may_go = threading.Event()
        self.was_let_go = None

    def emit(self, record):
        self.is_blocked.set()
        self.was_let_go = self.may_go.wait(DEADLINE)


def test_a_registration_that_blocks_keeps_nobody_from_forking(
    in_thread, caplog, monkeypatch
):
    monkeypatch.setattr("pyfusd._forking.SECONDS", 0.1)
    blocking = Blocking()
    caplog.set_level(logging.DEBUG, "pyfusd")
    logging.getLogger("pyfusd").addHandler(blocking)
    try:
        # What libfusd says of the name is logged while it registers.
        registering = in_thread(NamedDevice("..").register)
        assert blocking.is_blocked.wait(DEADLINE)
        assert_in_child(lambda: None)
        with NamedDevice("other"):
            assert_in_child(lambda: None)
    finally:
        logging.getLogger("pyfusd").removeHandler(blocking)
        blocking.may_go.set()
    with pytest.raises(OSError, match="no device name"):
        registering.result()
    assert blocking.was_let_go


FORKING_ONCE = """
import os, sys
import pyfusd

class Forking(pyfusd.Device):
    child = None

def fork(self, file, *arguments):
    if self.child is None:
        number = self.fileno()
        self.child = os.fork()
        if self.child == 0:
            os.dup2(ends[1], number)
    return pyfusd.NOTIFY_INPUT if sys.argv[1] == "poll" else 0

setattr(Forking, sys.argv[1], fork)
ends = os.pipe2(os.O_NONBLOCK)
device = Forking("forking").register()
print(device.path, flush=True)
pyfusd.run(device)
if device.child == 0:
    try:
        print("wrote", os.read(ends[0], 1000), flush=True)
    except BlockingIOError:
        print("wrote nothing", flush=True)
"""

CALLS = {
    "open": lambda descriptor: None,
    "read": lambda descriptor: os.read(descriptor, 1),
    "ioctl": lambda descriptor: fcntl.ioctl(descriptor, 0x5401),
    "poll": lambda descriptor: select.select([descriptor], [], [], DEADLINE),
}


@pytest.mark.parametrize("operation", CALLS)
def test_a_callback_s_child_does_not_write_to_what_it_opened(start_python, operation):
    driver = start_python(FORKING_ONCE, operation)
    descriptor = os.open(driver.stdout.readline().decode().strip(), os.O_RDONLY)
    try:
        CALLS[operation](descriptor)
        assert driver.stdout.readline() == b"wrote nothing\n"
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("count", [0, 20])
def test_run_ends_in_a_child_that_a_callback_forked(count):
    driver = subprocess.Popen(
        [sys.executable, "-c", FORKING, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with open(driver.stdout.readline().strip(), "rb"):
        assert driver.stdout.readline() == "child\n"
    driver.send_signal(signal.SIGINT)
    assert driver.communicate(timeout=DEADLINE)[0] == "parent\n"


DRIVER = """
import os, sys
import pyfusd

device = pyfusd.Device("forking").register()
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
print(device.path, flush=True)
pyfusd.run(device)
"""


def test_a_child_does_not_keep_a_killed_driver_s_device():
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    path = driver.stdout.readline().decode().strip()
    driver.send_signal(signal.SIGKILL)
    wait_until(lambda: not os.path.lexists(path), f"the end of {path}")
    # Its end of the pipe shows that the child has been there until now.
    driver.stdin.write(b"still there\n")
    driver.stdin.flush()
    driver.communicate()

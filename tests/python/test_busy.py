# SPDX-License-Identifier: BSD-3-Clause
"""What others do with a device while its driver is busy in a callback."""

import errno
import fcntl
import os
import signal
import subprocess
import threading

import pytest

import pyfusd
from support.waiting import DEADLINE, wait_until


class Busy(pyfusd.Device):
    """Its ioctl takes until the test says so.

    A write would make the kernel itself keep others from writing.
    """

    def __init__(self):
        super().__init__("busy", 0o640)
        self.is_busy = False
        self.may_end = threading.Event()
        self.written = []

    def ioctl(self, file, request, argument):
        self.is_busy = True
        self.may_end.wait(2 * DEADLINE)

    def write(self, file, buf, offset):
        self.written.append(bytes(buf))
        return len(buf)

    def read(self, file, buf, offset):
        return b"x"


@pytest.fixture
def busy(transport, serve, opened, in_thread):
    if transport != "fuse":
        pytest.skip("elsewhere the node is the kernel's own, and asks no driver")
    device = serve(Busy())
    descriptor = opened(device)
    # After these the kernel wants to know the attributes again.
    os.write(descriptor, b"first")
    os.read(descriptor, 1)
    call = in_thread(fcntl.ioctl, descriptor, 0x5401)
    wait_until(lambda: device.is_busy, "the long callback")
    yield device
    is_registered = device.registered
    device.may_end.set()
    if is_registered:
        assert call.result() == 0


def no_attribute(path):
    with pytest.raises(OSError) as caught:
        os.getxattr(path, "user.x")
    assert caught.value.errno in (errno.ENOTSUP, errno.ENODATA)


def listed(path):
    command = ["ls", "-l", path]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


@pytest.mark.parametrize("look", [os.stat, os.statvfs, no_attribute, listed])
def test_nobody_who_looks_at_a_device_waits_for_its_driver(busy, in_thread, look):
    # A deadline, as the call would end when the callback does.
    in_thread(look, busy.path).result()
    assert not busy.may_end.is_set()


def test_an_open_waits_for_no_callback_where_the_driver_has_none(busy, in_thread):
    descriptor = in_thread(os.open, busy.path, os.O_RDWR).result()
    writing = in_thread(os.write, descriptor, b"later")
    busy.may_end.set()
    assert writing.result() == 5
    os.close(descriptor)


def send(path, text):
    with open(path, "wb", buffering=0) as file:
        return file.write(text)


def test_calls_that_come_meanwhile_are_answered_after_it(busy, in_thread):
    texts = [b"%d" % number for number in range(60)]
    calls = [in_thread(send, busy.path, text) for text in texts]
    os.stat(busy.path)
    busy.may_end.set()
    assert [call.result() for call in calls] == [len(text) for text in texts]
    assert sorted(busy.written[1:]) == sorted(texts)


CLIENT = """
import os, sys
print("here", flush=True)
descriptor = os.open(sys.argv[1], os.O_RDWR)
os.write(descriptor, b"from one that is killed")
"""


def test_a_client_that_waits_for_its_turn_can_be_killed(busy, start_python):
    client = start_python(CLIENT, busy.path)
    assert client.stdout.readline() == b"here\n"
    os.stat(busy.path)
    client.send_signal(signal.SIGKILL)
    assert client.wait(DEADLINE) == -signal.SIGKILL
    assert not busy.may_end.is_set()
    assert len(busy.written) == 1


def test_a_device_can_be_unregistered_meanwhile(busy, in_thread):
    sending = in_thread(send, busy.path, b"too late")
    os.stat(busy.path)
    busy.unregister()
    with pytest.raises(OSError):  # What exactly depends on where it was.
        sending.result()
    busy.may_end.set()
    assert len(busy.written) == 1

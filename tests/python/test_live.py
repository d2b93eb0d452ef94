# SPDX-License-Identifier: BSD-3-Clause
"""Callbacks that are assigned to a device, or to its class, while it is served."""

import errno
import fcntl
import os
import select
from unittest import mock

import pytest

import pyfusd
from pyfusd import tracing

LEVEL = pyfusd.IOR("L", 1, "<I")


class Sensor(pyfusd.Device):
    state = 0

    def read(self, file, buf, offset):
        return b"real"

    def poll(self, file):
        return self.state

    @pyfusd.ioctl(LEVEL)
    def level(self, file, _):
        return 1


def other(self, file, buf, offset):
    return b"another"


@pytest.fixture
def device(serve):
    return serve(Sensor("sensor"))


@pytest.fixture
def read(device, opened):
    descriptor = opened(device)
    return lambda: os.read(descriptor, 100)


def test_an_assigned_callback_is_called(device, read):
    device.read = lambda file, buf, offset: b"assigned"
    assert read() == b"assigned"
    del device.read
    assert read() == b"real"


def test_a_mock_takes_the_place_of_a_callback(device, read):
    with mock.patch.object(device, "read", side_effect=TimeoutError) as patched:
        with pytest.raises(TimeoutError):
            read()
        patched.side_effect = None
        patched.return_value = b"mocked"
        assert read() == b"mocked"
    assert patched.call_count == 2
    assert read() == b"real"


def test_a_mock_takes_the_place_of_a_class_s_callback(device, read):
    with mock.patch.object(Sensor, "read", other):
        assert read() == b"another"
    assert read() == b"real"
    with mock.patch.object(Sensor, "read", autospec=True, return_value=b"spec"):
        assert read() == b"spec"
    assert read() == b"real"


def test_a_base_class_may_change_too(serve, opened, monkeypatch):
    class Derived(Sensor):
        pass

    descriptor = opened(serve(Derived("derived")))
    assert os.read(descriptor, 100) == b"real"
    monkeypatch.setattr(Sensor, "read", other)
    assert os.read(descriptor, 100) == b"another"


def test_a_callback_may_come_and_go(device, opened):
    descriptor = opened(device)
    with pytest.raises(OSError) as caught:
        os.write(descriptor, b"abc")
    assert caught.value.errno == errno.EINVAL
    device.write = lambda file, buf, offset: len(buf)
    assert os.write(descriptor, b"abc") == 3
    device.write = None
    with pytest.raises(OSError) as caught:
        os.write(descriptor, b"abc")
    assert caught.value.errno == errno.EINVAL


def test_a_callback_may_replace_itself(device, read):
    def once(file, buf, offset):
        del device.read
        return b"once"

    device.read = once
    assert [read(), read()] == [b"once", b"real"]


def level(descriptor):
    return int.from_bytes(fcntl.ioctl(descriptor, LEVEL, bytes(4)), "little")


def test_a_decorated_method_keeps_its_number(device, opened):
    descriptor = opened(device)
    device.level = lambda file, _: 2
    assert level(descriptor) == 2
    del device.level
    with mock.patch.object(Sensor, "level", lambda self, file, _: 3):
        assert level(descriptor) == 3
    assert level(descriptor) == 1
    device.ioctl = lambda file, request, data: 7
    assert fcntl.ioctl(descriptor, 0x1234) == 7


def test_an_assigned_open_is_called(device):
    def refuse(file):
        raise PermissionError

    device.open = refuse
    with pytest.raises(PermissionError):
        os.open(device.path, os.O_RDWR)
    del device.open
    os.close(os.open(device.path, os.O_RDWR))


def test_poll_may_be_replaced_but_not_come_late(serve, device, opened):
    poller = select.poll()
    poller.register(opened(device), select.POLLIN)
    device.poll = lambda file: pyfusd.Notify.INPUT
    assert poller.poll(20_000)[0][1] == select.POLLIN
    without = serve(pyfusd.Device("without"))
    with pytest.raises(RuntimeError, match="had no poll"):
        without.poll = lambda file: 0
    assert not hasattr(without, "poll")


@pytest.mark.parametrize("name", ["seek", "flush", "fsync"])
def test_what_the_kernel_is_not_told_of_cannot_come_late(serve, name):
    without = serve(pyfusd.Device("without"))
    with pytest.raises(RuntimeError, match=f"had no {name}"):
        setattr(without, name, lambda *arguments: 0)
    assert not hasattr(without, name)


@pytest.mark.parametrize("name", ["read", "write", "open", "level"])
def test_what_does_not_take_its_arguments_is_refused(device, read, name):
    with pytest.raises(TypeError, match="is called with"):
        setattr(device, name, lambda: b"nothing")
    assert read() == b"real"


def test_what_answers_at_once_is_no_coroutine(device):
    async def waits(file):
        return 0

    with pytest.raises(TypeError, match="answers at once"):
        device.poll = waits


def test_a_coroutine_may_be_assigned(serve_async, opened):
    class Async(Sensor):
        async def open(self, file):
            pass

    async def waits(file, buf, offset):
        return b"awaited"

    device = serve_async(Async("async"))
    descriptor = opened(device)
    assert os.read(descriptor, 100) == b"real"
    device.read = waits
    assert os.read(descriptor, 100) == b"awaited"


def test_what_is_assigned_is_traced_too(device, read):
    calls = []
    with tracing.trace(calls.append):
        assert read() == b"real"
        device.read = lambda file, buf, offset: b"assigned"
        assert read() == b"assigned"
        assert read() == b"assigned"
    assert [call.result for call in calls if call.operation == "read"] == [4, 8, 8]
    assert read() == b"assigned"
    del device.read
    assert read() == b"real"


def test_other_attributes_cost_no_look_up(device, read, monkeypatch):
    looked_up = []
    monkeypatch.setattr(device, "_look_up", lambda: looked_up.append(1))
    device.data = b"x"
    device.name = device.name
    del device.data
    assert read() == b"real"
    assert not looked_up


def test_the_next_registration_finds_what_was_assigned(opened, serve):
    device = Sensor("again")
    device.read = lambda file, buf, offset: b"before"
    assert os.read(opened(serve(device)), 100) == b"before"
    device.unregister()
    device.read = lambda file, buf, offset: b"between"
    assert os.read(opened(serve(device)), 100) == b"between"


class Leaving(pyfusd.Device):
    """It is unregistered while its callbacks are looked up for a request."""

    leaves = False

    @property
    def read(self):
        if self.leaves:
            type(self).leaves = False
            self.unregister()
        return lambda file, buf, offset: b"read"


@pytest.mark.parametrize("call", ["open", "read"])
def test_who_looks_callbacks_up_may_lose_the_device(serve, opened, call):
    device = serve(Leaving("leaving"))
    descriptor = opened(device)
    assert os.read(descriptor, 100) == b"read"
    Leaving.leaves = True
    with pytest.raises(OSError):
        opened(device) if call == "open" else os.read(descriptor, 100)
    assert not device.registered
    assert not any(device._callbacks().values())

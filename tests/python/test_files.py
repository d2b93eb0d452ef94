# SPDX-License-Identifier: BSD-3-Clause
"""File: one object for one open file, and what it tells of its callers."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyfusd
from support.waiting import wait_until


class Recording(pyfusd.Device):
    def __init__(self):
        super().__init__("recording", 0o666)
        self.calls = []

    def _record(self, name, file, result=None):
        self.calls.append((name, file, file.pid, file.uid, file.gid, file.flags))
        return result

    def open(self, file):
        file.note = "mine"
        return self._record("open", file)

    def close(self, file):
        self._record("close", file)

    def read(self, file, buf, offset):
        return self._record("read", file, 0)

    def write(self, file, buf, offset):
        return self._record("write", file, len(buf))

    def ioctl(self, file, request, data):
        return self._record("ioctl", file)


def names(device):
    return [call[0] for call in device.calls]


def test_all_callbacks_of_an_open_file_get_the_same_object(serve, opened):
    device = serve(Recording())
    descriptor, other = opened(device), opened(device)
    os.read(descriptor, 1)
    duplicate = os.dup(descriptor)
    os.write(duplicate, b"x")
    os.close(duplicate)
    fcntl.ioctl(descriptor, 0x1234)
    os.read(other, 1)
    files = [call[1] for call in device.calls]
    first, second = files[0], files[1]
    assert first is not second
    assert files == [first, second, first, first, first, second]
    assert first.note == second.note == "mine"
    assert first.device is device
    first.note = "changed"
    assert second.note == "mine"


def test_close_comes_once_after_the_last_descriptor(serve):
    device = serve(Recording())
    descriptor = os.open(device.path, os.O_RDWR)
    duplicate = os.dup(descriptor)
    os.close(descriptor)
    os.read(duplicate, 1)
    assert names(device) == ["open", "read"]
    os.close(duplicate)
    wait_until(lambda: "close" in names(device), "the close")
    device.unregister()
    assert names(device) == ["open", "read", "close"]


def test_a_file_tells_who_calls(serve):
    device = serve(Recording())
    client = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys; os.write(os.open(sys.argv[1], os.O_WRONLY), b'x');"
            "print(os.getpid())",
            device.path,
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    pid = int(client.stdout)
    wait_until(lambda: "close" in names(device), "the close")
    for name, _, caller, uid, gid, flags in device.calls[:2]:
        assert (caller, uid, gid) == (pid, os.getuid(), os.getgid()), name
        assert flags & os.O_ACCMODE == os.O_WRONLY
    # Outside a callback: who opened it.
    assert device.calls[0][1].pid == pid


def test_o_nonblock_shows_in_flags_when_fcntl_sets_it(serve):
    device = serve(Recording())
    descriptor = os.open(device.path, os.O_RDONLY)
    os.read(descriptor, 1)
    os.set_blocking(descriptor, False)
    os.read(descriptor, 1)
    os.close(descriptor)
    flags = [call[5] & os.O_NONBLOCK for call in device.calls if call[0] == "read"]
    assert flags == [0, os.O_NONBLOCK]


class Positioned(pyfusd.Device):
    """Its text; writes of "@N" go to position N."""

    text = b"0123456789"

    def __init__(self):
        super().__init__("positioned")

    def read(self, file, buf, offset):
        assert file.offset == offset
        return self.text[offset : offset + len(buf)]

    def write(self, file, buf, offset):
        file.offset = int(bytes(buf[1:]))
        return len(buf)


def test_the_position_moves_by_the_count_unless_it_is_set(serve, holds):
    descriptor = os.open(serve(Positioned()).path, os.O_RDWR)
    assert os.read(descriptor, 3) == b"012"
    assert os.read(descriptor, 3) == b"345"
    assert os.write(descriptor, b"@1") == 2
    assert os.read(descriptor, 3) == b"123"
    if holds("position"):
        assert os.pread(descriptor, 2, 8) == b"89"
    assert os.read(descriptor, 3) == b"456"
    os.close(descriptor)


def test_an_append_of_nothing_leaves_the_position_that_the_driver_set(serve, opened):
    offsets = []

    class Leaving(pyfusd.Device):
        def read(self, file, buf, offset):
            offsets.append(offset)
            file.offset = 7
            return 1

        def write(self, file, buf, offset):
            offsets.append(offset)
            return 0

    device = serve(Leaving("leaving"))
    descriptor = opened(device, os.O_RDWR | os.O_APPEND)
    os.read(descriptor, 1)
    assert os.write(descriptor, b"x") == 0
    os.read(descriptor, 1)
    assert offsets == [0, 7, 7]


def test_offset_and_flags_belong_to_callbacks(serve):
    class Checking(pyfusd.Device):
        def open(self, file):
            self.file = file
            with pytest.raises(RuntimeError, match="read or write"):
                file.offset = 1

    device = serve(Checking("checking"))
    descriptor = os.open(device.path, os.O_RDONLY)
    with pytest.raises(RuntimeError, match="read or write"):
        _ = device.file.offset
    with pytest.raises(RuntimeError, match="inside a callback"):
        device.file.flags = 0
    assert "checking" in repr(device.file)
    os.close(descriptor)


@pytest.mark.parametrize(
    "name", ["", "a//b", "../x", "a/..", "x" * 48, "new\nline", "."]
)
def test_a_bad_name_is_einval_with_a_sentence(name):
    with pytest.raises(OSError) as caught:
        pyfusd.Device(name).register()
    assert caught.value.errno == errno.EINVAL
    assert " " in caught.value.strerror


@pytest.mark.parametrize(
    ("make", "name", "sentence"),
    [
        (Path.touch, "taken", "choose another name or remove it$"),
        (os.mkfifo, "taken", "choose another name$"),
        (Path.touch, "taken/below", "FUSD_DEV_ROOT may name another directory"),
    ],
)
def test_a_node_that_cannot_be_made_says_what_to_do(
    tmp_path, monkeypatch, make, name, sentence
):
    if problem := pyfusd.transport_problem("fuse"):
        pytest.skip(problem)
    monkeypatch.setenv("FUSD_DEV_ROOT", str(tmp_path))
    make(tmp_path / "taken")
    with pytest.raises(OSError, match=sentence):
        pyfusd.Device(name, transport="fuse").register()


@pytest.mark.parametrize("name", ["read", "decorated"])
def test_a_callback_that_cannot_take_its_arguments_is_a_type_error(name):
    def callback(self, file):
        return 0

    kind = type("Narrow", (pyfusd.Device,), {name: pyfusd.ioctl(1)(callback)})
    with pytest.raises(TypeError, match=rf"Narrow\.{name}\(file\) is called with"):
        kind("narrow").register()


def test_a_device_that_is_not_registered_has_no_descriptor():
    device = pyfusd.Device("life")
    assert not device.registered
    assert "not registered" in repr(device)
    with pytest.raises(ValueError, match="not registered"):
        device.fileno()
    with pytest.raises(OSError) as caught:
        device.dispatch()
    assert caught.value.errno == errno.EBADF


def test_a_registered_device_says_where_it_is_and_has_a_descriptor(device_root):
    with pyfusd.Device("/dev/sub/dir/life", 0o640) as device:
        assert device.registered
        assert device.path == f"{device_root}/sub/dir/life"
        assert device.path in repr(device)
        assert device.fileno() >= 0
        assert device.dispatch() is False
    assert not os.path.exists(device.path)


def test_a_device_is_registered_once_at_a_time_and_alone_has_its_name():
    with pyfusd.Device("sub/dir/life") as device:
        with pytest.raises(RuntimeError, match="registered already"):
            device.register()
        with pytest.raises(FileExistsError):
            pyfusd.Device("sub/dir/life").register()
    device.unregister()
    with device:
        assert device.registered


def test_an_unknown_transport_is_einval():
    with pytest.raises(OSError, match="unknown transport") as caught:
        pyfusd.Device("x", transport="pigeon").register()
    assert caught.value.errno == errno.EINVAL
    assert "unknown" in pyfusd.transport_problem("pigeon")
    with pytest.raises(ValueError, match="null"):
        pyfusd.Device("a\0b").register()
    with pytest.raises(OSError, match="needs a name"):
        pyfusd.Device(None).register()
    with pytest.raises(TypeError):
        pyfusd.Device(5).register()


def test_a_dropped_device_stays_registered_until_it_is_unregistered(device_root):
    pyfusd.Device("forgotten").register()
    assert "forgotten" in os.listdir(device_root)
    (device,) = pyfusd._core.registered_devices()
    device.unregister()
    assert "forgotten" not in os.listdir(device_root)


def test_a_file_that_no_open_made_harms_nothing():
    file = pyfusd.File.__new__(pyfusd.File)
    assert repr(file) == "<pyfusd.File of None, pid 0>"
    file.poll_changed()
    for misuse in (file.hold, lambda: file.client_memory(0, 1), lambda: file.offset):
        with pytest.raises(RuntimeError):
            misuse()

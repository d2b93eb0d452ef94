# SPDX-License-Identifier: BSD-3-Clause
"""The callbacks' descriptions: where they are seen, and that their examples work."""

import errno
import fcntl
import inspect
import mmap
import os
import pydoc
import select
import textwrap

import pytest

import pyfusd
from pyfusd._callbacks import CALLBACKS
from support.waiting import DEADLINE, wait_until

MODE = 0o666


def example(callback):
    """The class that a callback's description shows."""
    text = inspect.getdoc(getattr(pyfusd.Device, callback))
    code = textwrap.dedent(text.partition("::\n\n")[2])
    names = {"pyfusd": pyfusd, "__name__": "example"}
    exec(code, names)
    (kind,) = (
        value
        for value in names.values()
        if isinstance(value, type) and issubclass(value, pyfusd.Device)
    )
    assert callback in vars(kind), "the example is of that callback"
    return kind


def fails(call, *arguments):
    with pytest.raises(OSError) as caught:
        call(*arguments)
    return caught.value.errno


class Derived(pyfusd.Device):
    def read(self, file, buf, offset):
        return super().read(file, buf, offset)


@pytest.mark.parametrize("callback", CALLBACKS)
def test_help_shows_a_callback(callback):
    for kind in (pyfusd.Device, Derived):
        text = pydoc.plain(pydoc.render_doc(getattr(kind, callback)))
        assert inspect.getdoc(getattr(pyfusd.Device, callback)).splitlines()[0] in text
    assert f" {callback}(self, " in pydoc.plain(pydoc.render_doc(pyfusd.Device))


def test_a_device_has_no_callback_that_is_only_described():
    device = Derived("derived")
    assert [name for name in CALLBACKS if hasattr(device, name)] == ["read"]
    with pytest.raises(AttributeError, match="'Derived' object has no callback 'read'"):
        device.read(None, None, 0)


def test_open(serve, opened):
    device = serve(example("open")("one", MODE))
    opened(device)
    assert fails(os.open, device.path, os.O_RDWR) == errno.EBUSY


def test_close(serve):
    device = serve(example("close")("radio", MODE))
    descriptor = os.open(device.path, os.O_RDWR)
    assert device.listeners == 1
    os.close(descriptor)
    wait_until(lambda: device.listeners == 0, "close()")


def test_read(serve, opened):
    descriptor = opened(serve(example("read")("alphabet", MODE)))
    assert [os.read(descriptor, 20) for _ in range(3)] == [
        b"abcdefghijklmnopqrst",
        b"uvwxyz",
        b"",
    ]


def test_write(serve, opened):
    descriptor = opened(serve(example("write")("small", MODE)))
    assert os.write(descriptor, bytes(100)) == 64
    assert fails(os.write, descriptor, b"more") == errno.ENOSPC


def test_ioctl(serve, opened):
    descriptor = opened(serve(example("ioctl")("squares", MODE)))
    number = (12).to_bytes(4, "little")
    assert fcntl.ioctl(descriptor, pyfusd.IOWR("x", 1, 4), number)[0] == 144
    other = pyfusd.IOWR("x", 2, 4)
    assert fails(fcntl.ioctl, descriptor, other, number) == errno.ENOTTY


def test_poll(serve, opened):
    device = serve(example("poll")("alarm", MODE))
    poller = select.poll()
    descriptor = opened(device)
    poller.register(descriptor, select.POLLIN)
    assert poller.poll(0) == []
    device.ring()
    assert poller.poll(DEADLINE * 1000) == [(descriptor, select.POLLIN)]
    assert os.read(descriptor, 100) == b"fire\n"


def test_unblock(serve, opened, in_thread):
    device = serve(example("unblock")())
    descriptor = opened(device)
    call = in_thread(os.read, descriptor, 100)
    wait_until(lambda: device.waiting, "a held read")
    device.unblock(None, device.waiting[0])
    wait_until(lambda: device.waiting, "the read that Python makes again after EINTR")
    device.ring()
    assert call.result() == b"ring\n"


def test_mmap(serve):
    """By the test itself: no process may map a device that it serves."""
    device = serve(example("mmap")("page", MODE))
    assert device.mmap(None, 0, 4096, mmap.PROT_READ, 0) is device.memory


def test_seek(serve, opened, holds):
    device = serve(example("seek")("blocks", MODE))
    descriptor = opened(device)
    if holds("seek"):
        assert os.lseek(descriptor, 512, os.SEEK_SET) == 512
        assert os.lseek(descriptor, -1024, os.SEEK_END) == 512 * 98
        assert os.lseek(descriptor, 512, os.SEEK_CUR) == 512 * 99
        for wrong in (1, -512, 512 * 101):
            assert fails(os.lseek, descriptor, wrong, os.SEEK_SET) == errno.EINVAL
    if holds("seek-data"):
        assert fails(os.lseek, descriptor, 0, os.SEEK_DATA) == errno.EINVAL


CHUNKS = """
import errno, os, sys
for count in (32, 20):
    descriptor = os.open(sys.argv[1], os.O_WRONLY)
    os.write(descriptor, bytes(count))
    try:
        os.close(descriptor)
    except OSError as error:
        print(errno.errorcode[error.errno])
    else:
        print(0)
"""


def test_flush(serve, start_python, holds):
    device = serve(example("flush")("chunks", MODE))
    seen = start_python(CHUNKS, device.path).communicate(timeout=DEADLINE)[0]
    assert seen.split() == [b"0", b"EIO" if holds("flush") else b"0"]


def test_fsync(serve, opened, holds, tmp_path):
    journal = tmp_path / "journal"
    descriptor = opened(serve(example("fsync")("journal", MODE, journal)))
    os.write(descriptor, b"written")
    if not holds("fsync"):
        pytest.skip("the transport does not ask")
    assert journal.read_bytes() == b""
    os.fsync(descriptor)
    assert journal.read_bytes() == b"written"

# SPDX-License-Identifier: BSD-3-Clause
"""client_memory(): ioctls whose argument, or data, points into the client."""

import ctypes
import errno
import fcntl
import mmap
import os
import struct

import pytest

import pyfusd

libc = ctypes.CDLL(None, use_errno=True)
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]

UPPER = 0x5401
PEEK = 0x5402
LIST = 0x5403
HOLD = 0x5404
KEEP = 0x5405
FAIL = 0x5406
CATCH = 0x5407
SIZED = pyfusd.IOW("T", 8, "QQ")

# No 8 bytes begin there: the library sees that without asking anybody.
PAST_THE_END = (1 << 64) - 4


class Item(ctypes.Structure):
    _fields_ = (("text", ctypes.c_void_p), ("length", ctypes.c_uint32))


class Pointing(pyfusd.Device):
    """Serves numbers that say nothing of what their argument points at."""

    def __init__(self):
        super().__init__("pointing", 0o666)
        self.kept = []
        self.held = None

    @pyfusd.ioctl(UPPER)
    def upper(self, file, argument):
        text = file.client_memory(argument, 8, write=True)
        text[:] = bytes(text).upper()
        return 5

    @pyfusd.ioctl(PEEK)
    def peek(self, file, argument):
        text = file.client_memory(argument, 8)
        assert text.readonly
        return text[0]

    @pyfusd.ioctl(LIST)
    def list(self, file, argument):
        """An array of structures, each with a pointer, ends with a null pointer."""
        count = 0
        size = ctypes.sizeof(Item)
        while True:
            view = file.client_memory(argument + count * size, size, write=True)
            item = Item.from_buffer(view)
            if not item.text:
                return count
            text = file.client_memory(item.text, item.length, write=True)
            text[:] = bytes(text)[::-1]
            item.length = 0
            count += 1

    @pyfusd.ioctl(HOLD)
    def hold(self, file, argument):
        self.kept.append(file.client_memory(argument, 8, write=True))
        self.held = file.hold()
        return self.held

    @pyfusd.ioctl(KEEP)
    def keep(self, file, argument):
        self.kept.append(file.client_memory(argument, 8))

    @pyfusd.ioctl(FAIL)
    def fail(self, file, argument):
        file.client_memory(argument, 8, write=True)[:] = b"????????"
        raise OSError(errno.ENODATA, "no")

    @pyfusd.ioctl(CATCH)
    def catch(self, file, argument):
        try:
            return len(file.client_memory(argument, 8))
        except OSError as error:
            return 1000 + error.errno

    @pyfusd.ioctl(SIZED)
    def sized(self, file, values):
        address, length = values
        file.client_memory(address, length, write=True)[:] = b"s" * length


@pytest.fixture
def pointing(serve):
    return serve(Pointing())


@pytest.fixture
def client(pointing, opened):
    return opened(pointing)


def ioctl(descriptor, number, argument):
    """With a pointer, not a copy as fcntl.ioctl() makes one."""
    result = libc.ioctl(descriptor, number, argument)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def failure(descriptor, number, argument):
    with pytest.raises(OSError) as caught:
        ioctl(descriptor, number, argument)
    return errno.errorcode[caught.value.errno]


def text_of(data):
    return ctypes.create_string_buffer(data, len(data))


def test_what_the_driver_writes_reaches_the_client(client):
    text = text_of(b"abcdefgh-and-more")
    assert ioctl(client, UPPER, text) == 5
    assert text.raw == b"ABCDEFGH-and-more"


def test_without_write_the_view_is_read_only(client):
    assert ioctl(client, PEEK, text_of(b"abcdefgh")) == ord("a")


def test_nested_pointers_are_followed(client):
    texts = [text_of(b"one"), text_of(b"three"), text_of(b"")]
    items = (Item * 4)(*(Item(ctypes.addressof(t), len(t.raw)) for t in texts))
    assert ioctl(client, LIST, items) == 3
    assert [t.raw for t in texts] == [b"eno", b"eerht", b""]
    assert [item.length for item in items] == [0, 0, 0, 0]


def test_client_memory_works_beside_a_sized_argument(client):
    text = text_of(b"........")
    argument = struct.pack("QQ", ctypes.addressof(text), 5)
    fcntl.ioctl(client, SIZED, argument)
    assert text.raw == b"sssss..."


def test_a_held_request_writes_when_it_is_answered(pointing, client, in_thread):
    text = text_of(b"abcdefgh")
    calling = in_thread(ioctl, client, HOLD, text)
    while pointing.held is None and calling.thread.is_alive():
        pass
    pointing.kept[0][:3] = b"xyz"
    assert text.raw == b"abcdefgh"
    pointing.held.reply(7)
    assert calling.result() == 7
    assert text.raw == b"xyzdefgh"


def test_a_kept_view_stays_what_it_was(pointing, client):
    for number in range(50):
        ioctl(client, KEEP, text_of(b"%08d" % number))
        ioctl(client, UPPER, text_of(b"abcdefgh"))
    assert [bytes(view) for view in pointing.kept] == [
        b"%08d" % number for number in range(50)
    ]


def test_an_error_writes_nothing(client):
    text = text_of(b"abcdefgh")
    assert failure(client, FAIL, text) == "ENODATA"
    assert text.raw == b"abcdefgh"


@pytest.mark.parametrize("address", [None, 8, 1 << 63, PAST_THE_END])
def test_a_wrong_pointer_is_efault(pointing, client, holds, address):
    assert failure(client, UPPER, address) == "EFAULT"
    assert failure(client, PEEK, address) == "EFAULT"
    if holds("client-memory-at-once") or address == PAST_THE_END:
        assert ioctl(client, CATCH, address) == 1000 + errno.EFAULT
    else:
        # The kernel fetches it, and the callback learns nothing of a failure.
        assert failure(client, CATCH, address) == "EFAULT"


def test_memory_that_ends_is_efault(client):
    size = mmap.PAGESIZE
    with mmap.mmap(-1, 2 * size) as pages:
        start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        libc.munmap(ctypes.c_void_p(start + size), ctypes.c_size_t(size))
        ioctl(client, UPPER, start + size - 8)
        assert failure(client, UPPER, start + size - 7) == "EFAULT"
        # So that closing it does not unmap what is somebody else's by then.
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap(
            ctypes.c_void_p(start + size),
            ctypes.c_size_t(size),
            0,
            mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x10,  # MAP_FIXED
            -1,
            ctypes.c_long(0),
        )


def test_memory_that_may_not_be_written_is_efault(client):
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        start = ctypes.addressof(ctypes.c_char.from_buffer(page))
        page[:8] = b"abcdefgh"
        libc.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(8), mmap.PROT_READ)
        assert ioctl(client, PEEK, start) == ord("a")
        assert failure(client, UPPER, start) == "EFAULT"
        assert page[:8] == b"abcdefgh"
        libc.mprotect(
            ctypes.c_void_p(start),
            ctypes.c_size_t(8),
            mmap.PROT_READ | mmap.PROT_WRITE,
        )


def test_no_more_than_a_device_gives_is_given(serve, opened):
    class Greedy(pyfusd.Device):
        def ioctl(self, file, request, argument):
            view = file.client_memory(argument, request)
            return len(view) // 4096

    client = opened(serve(Greedy("greedy")))
    data = ctypes.create_string_buffer(1 << 18)
    assert ioctl(client, 0x1000, data) == 1
    assert ioctl(client, 0x8000, data) == 8
    # A number with a size would bring that; these have none.
    assert failure(client, 0x20001000, data) == "E2BIG"


@pytest.mark.parametrize("length", [-1, 1 << 70])
def test_a_length_that_is_none_is_a_bug_of_the_driver(serve, opened, caplog, length):
    class Wrong(pyfusd.Device):
        def ioctl(self, file, request, argument):
            file.client_memory(argument, length)

    assert failure(opened(serve(Wrong("wrong"))), PEEK, None) == "EIO"
    assert "OverflowError" in caplog.text


def test_client_memory_belongs_into_an_ioctl_callback(serve, opened):
    class Elsewhere(pyfusd.Device):
        def read(self, file, buf, offset):
            with pytest.raises(RuntimeError, match="inside an ioctl callback"):
                file.client_memory(0x1000, 8)
            self.file = file
            return 0

    device = serve(Elsewhere("elsewhere"))
    os.read(opened(device), 1)
    with pytest.raises(RuntimeError, match="inside an ioctl callback"):
        device.file.client_memory(0x1000, 8)


def test_a_coroutine_asks_before_it_waits(serve_async, opened):
    import asyncio

    class Later(pyfusd.Device):
        async def ioctl(self, file, request, argument):
            text = file.client_memory(argument, 8, write=True)
            await asyncio.sleep(0)
            text[:] = bytes(text).upper()
            with pytest.raises(RuntimeError, match="before that waits"):
                file.client_memory(argument, 8)
            return 3

    text = text_of(b"abcdefgh")
    assert ioctl(opened(serve_async(Later("later"))), UPPER, text) == 3
    assert text.raw == b"ABCDEFGH"

# SPDX-License-Identifier: BSD-3-Clause
"""mmap(): memory that a driver shares with its clients, where that is possible."""

import ctypes
import errno
import mmap
import os
import tempfile

import pytest

import pyfusd
from pyfusd.mapping import is_shared_mapping

from capabilities import holds

SIZE = 4 * mmap.PAGESIZE
PAGE = mmap.PAGESIZE


def memfd(size=SIZE):
    descriptor = os.memfd_create("memory", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, size)
    return descriptor


class Mapped(pyfusd.Device):
    def __init__(self, memory):
        super().__init__("mapped", 0o666)
        self.memory = memory
        self.calls = []

    def mmap(self, file, offset, length, prot, flags):
        self.calls.append((offset, length, prot, flags & mmap.MAP_SHARED))
        return self.memory() if callable(self.memory) else self.memory


def map_device(device, opened, size=SIZE, offset=0, flags=os.O_RDWR, **options):
    return mmap.mmap(opened(device, flags), size, offset=offset, **options)


def failure(device, opened):
    """As map_device(), which looks at the size of a regular file first."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_ssize_t
    access = mmap.PROT_READ | mmap.PROT_WRITE
    assert libc.mmap(None, SIZE, access, mmap.MAP_SHARED, opened(device), 0) == -1
    return errno.errorcode[ctypes.get_errno()]


@pytest.fixture
def mapped(serve):
    """mapped(memory) serves a device of it, on a transport that can map."""

    def start(memory):
        device = serve(Mapped(memory))
        if not holds(device.transport, "mmap"):
            pytest.skip(f"{device.transport} cannot map")
        return device

    return start


def test_a_transport_that_cannot_map_gives_enodev(serve, opened):
    device = serve(Mapped(mmap.mmap(-1, SIZE)))
    if holds(device.transport, "mmap"):
        pytest.skip(f"{device.transport} can map")
    assert failure(device, opened) == "ENODEV"
    assert device.calls == []


def test_a_device_without_mmap_gives_enodev(serve, opened):
    assert failure(serve(pyfusd.Device("plain")), opened) == "ENODEV"


@pytest.fixture(params=["mmap", "memfd", "file"])
def memory(request):
    """Shared memory in each form, and a mapping of the driver's to look at it."""
    if request.param == "mmap":
        shared = mmap.mmap(-1, SIZE)
        yield shared, shared
    elif request.param == "memfd":
        descriptor = memfd()
        yield descriptor, mmap.mmap(descriptor, SIZE)
        os.close(descriptor)
    else:
        with tempfile.TemporaryFile(dir="/dev/shm") as file:
            file.truncate(SIZE)
            yield file, mmap.mmap(file.fileno(), SIZE)


def test_both_sides_see_what_the_other_writes(mapped, opened, memory):
    given, mine = memory
    device = mapped(given)
    theirs = map_device(device, opened)
    mine[:5] = b"hello"
    assert theirs[:5] == b"hello"
    theirs[PAGE : PAGE + 5] = b"there"
    assert mine[PAGE : PAGE + 5] == b"there"
    assert device.calls == [
        (0, SIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED)
    ]


def test_an_offset_counts_from_the_memory_s_beginning(mapped, opened, memory):
    given, mine = memory
    device = mapped(given)
    theirs = map_device(device, opened, PAGE, 2 * PAGE)
    mine[2 * PAGE] = 42
    assert theirs[0] == 42
    for size, offset in ((PAGE, SIZE), (2 * PAGE, SIZE - PAGE), (PAGE, 1 << 40)):
        with pytest.raises(OSError) as caught:
            map_device(device, opened, size, offset)
        assert caught.value.errno == errno.EINVAL


def test_a_mapping_outlives_all_else(mapped, opened, memory):
    device = mapped(given := memory[0])
    descriptor = os.open(device.path, os.O_RDWR)
    theirs = mmap.mmap(descriptor, SIZE)
    theirs[0] = 7
    os.close(descriptor)
    device.memory = None
    device.unregister()
    del given
    theirs[1] = 8
    assert theirs[:2] == b"\7\x08"


def test_many_mappings_of_many_clients_are_one_memory(mapped, opened):
    descriptor = memfd()
    device = mapped(descriptor)
    maps = [map_device(device, opened) for _ in range(20)]
    maps += [mmap.mmap(opened(device), PAGE, offset=PAGE) for _ in range(20)]
    maps[0][PAGE] = 1
    for number, one in enumerate(maps):
        at = PAGE if number < 20 else 0
        assert one[at] == number + 1
        one[at] = number + 2
    os.close(descriptor)


def test_read_only_memory_is_not_mapped_for_writing(mapped, opened, tmp_path):
    (tmp_path / "file").write_bytes(b"r" * SIZE)
    with open(tmp_path / "file", "rb") as file:
        device = mapped(file)
        with pytest.raises(PermissionError):
            map_device(device, opened)
        theirs = map_device(device, opened, prot=mmap.PROT_READ)
        assert theirs[:3] == b"rrr"


@pytest.mark.parametrize(
    ("memory", "expected", "logged"),
    [
        (lambda: mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE), "EINVAL", "private"),
        (lambda: bytearray(SIZE), "EINVAL", "private"),
        (lambda: memfd(0), "EINVAL", "empty"),
        (lambda: os.open("/", os.O_RDONLY), "EINVAL", "a file that"),
        (lambda: "text", "EIO", "not str"),
        (lambda: None, "EIO", "not NoneType"),
        (lambda: -errno.EBUSY, "EBUSY", ""),
        (lambda: 12345, "EBADF", ""),
    ],
)
def test_what_cannot_be_shared_is_refused(
    mapped, opened, caplog, memory, expected, logged
):
    device = mapped(memory())
    assert failure(device, opened) == expected
    assert (logged in caplog.text) if logged else not caplog.records


def test_shared_memory_is_told_from_private():
    def is_shared(memory, length=None):
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        return is_shared_mapping(start, length or len(memory))

    assert is_shared(mmap.mmap(-1, SIZE))
    assert is_shared(mmap.mmap(memfd(), SIZE))
    assert not is_shared(mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE))
    assert not is_shared(bytearray(SIZE))
    assert not is_shared(mmap.mmap(-1, SIZE), 1 << 40)

# SPDX-License-Identifier: BSD-3-Clause
"""mmap(): memory that a driver shares with its clients, where that is possible."""

import ctypes
import errno
import mmap
import os
import subprocess
import sys

import pytest

import pyfusd
from pyfusd._proc import is_shared_mapping
from support.processes import PROGRAMS, Client

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


class MappingClient(Client):
    """A process of its own: none may map a device that it serves itself."""

    def __init__(self):
        command = [sys.executable, str(PROGRAMS / "client.py")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        super().__init__(subprocess.Popen(command, text=True, **pipes))
        self.device = None

    def open(self, device):
        self.device = self("open", device.path, os.O_RDWR)

    def map(self, size=SIZE, offset=0, writable=True):
        return self("map_shared", self.device, size, offset, writable)

    def cannot_map(self, size=SIZE, offset=0, writable=True):
        return self.fails("map_shared", self.device, size, offset, writable)


@pytest.fixture
def client():
    one = MappingClient()
    yield one
    one.stop()


@pytest.fixture
def mapped(serve, holds):
    """mapped(memory) serves a device of it, on a transport that can map."""

    def start(memory):
        device = serve(Mapped(memory))
        if not holds("mmap"):
            pytest.skip(f"{device.transport} cannot map")
        return device

    return start


def test_a_transport_that_cannot_map_gives_enodev(serve, client, holds):
    device = serve(Mapped(mmap.mmap(-1, SIZE)))
    if holds("mmap"):
        pytest.skip(f"{device.transport} can map")
    client.open(device)
    assert client.cannot_map() == "ENODEV"
    assert device.calls == []


def test_a_device_without_mmap_gives_enodev(serve, client):
    client.open(serve(pyfusd.Device("plain")))
    assert client.cannot_map() == "ENODEV"


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
        with open(memfd(), "r+b") as file:
            yield file, mmap.mmap(file.fileno(), SIZE)


def test_both_sides_see_what_the_other_writes(mapped, client, memory):
    given, mine = memory
    device = mapped(given)
    client.open(device)
    theirs = client.map()
    mine[:5] = b"hello"
    assert client("peek", theirs, 5) == "hello"
    client("poke", theirs + PAGE, "there")
    assert mine[PAGE : PAGE + 5] == b"there"
    assert device.calls == [
        (0, SIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED)
    ]


def test_an_offset_counts_from_the_memory_s_beginning(mapped, client, memory):
    given, mine = memory
    client.open(mapped(given))
    theirs = client.map(PAGE, 2 * PAGE)
    mine[2 * PAGE] = ord("x")
    assert client("peek", theirs, 1) == "x"
    for size, offset in ((PAGE, SIZE), (2 * PAGE, SIZE - PAGE), (PAGE, 1 << 40)):
        assert client.cannot_map(size, offset) == "EINVAL"


def test_a_mapping_outlives_all_else(mapped, client, memory):
    given, mine = memory
    device = mapped(given)
    client.open(device)
    theirs = client.map()
    client("poke", theirs, "before")
    client("close", client.device)
    device.memory = None
    device.unregister()
    assert mine[:6] == b"before"
    client("poke", theirs, "behind")
    assert client("peek", theirs, 6) == "behind"
    assert mine[:6] == b"behind"


def test_many_mappings_are_one_memory(mapped, client):
    descriptor = memfd()
    device = mapped(descriptor)
    maps = []
    for _ in range(20):
        client.open(device)
        maps += [client.map() + PAGE, client.map(PAGE, PAGE)]
    for number, address in enumerate(maps):
        client("poke", address, str(number))
        assert client("peek", maps[-number], len(str(number))) == str(number)
    os.close(descriptor)


def test_read_only_memory_is_not_mapped_for_writing(mapped, client):
    descriptor = memfd()
    os.write(descriptor, b"r" * SIZE)
    with open(f"/proc/self/fd/{descriptor}", "rb") as file:
        client.open(mapped(file))
        assert client.cannot_map() == "EACCES"
        assert client("peek", client.map(writable=False), 3) == "rrr"
    os.close(descriptor)


def test_a_file_with_a_name_is_refused(mapped, client, tmp_path):
    (tmp_path / "file").write_bytes(b"r" * SIZE)
    with open(tmp_path / "file", "r+b") as file:
        client.open(mapped(file))
        assert client.cannot_map() == "EINVAL"


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
    mapped, client, caplog, memory, expected, logged
):
    client.open(mapped(memory()))
    assert client.cannot_map() == expected
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

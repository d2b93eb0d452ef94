# SPDX-License-Identifier: BSD-3-Clause
"""Device(shared_memory=...): what it takes, and what its clients see of it."""

import ctypes
import errno
import fcntl
import gc
import mmap
import os
import struct

import pytest

import pyfusd
from support.scale import scaled

SIZE = 4 * mmap.PAGESIZE
MFD_HUGETLB = 4
BACKING_OPEN = 0x4010E501


@pytest.fixture
def memory():
    """A memfd, as a file, and a mapping of the driver's."""
    with os.fdopen(os.memfd_create("memory"), "r+b", buffering=0) as file:
        file.truncate(SIZE)
        yield file, mmap.mmap(file.fileno(), SIZE)


class Shared(pyfusd.Device):
    def __init__(self, memory, **options):
        super().__init__("shared", 0o666, shared_memory=memory, **options)

    def read(self, file, buf, offset):
        return b"the driver's"[offset:]

    def mmap(self, file, offset, length, prot, flags):
        raise AssertionError("nobody is asked")


def map_shared(descriptor, size=SIZE):
    """An errno, or 0 if it can be mapped."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    access = mmap.PROT_READ | mmap.PROT_WRITE
    address = libc.mmap(None, size, access, mmap.MAP_SHARED, descriptor, 0)
    return ctypes.get_errno() if address == ctypes.c_void_p(-1).value else 0


@pytest.fixture
def served(serve, memory, shares_memory, holds):
    """A device on a transport whose driver may map its own device, as clients do."""
    device = serve(Shared(memory[0]))
    if not shares_memory or holds("self-open"):
        pytest.skip("its own process cannot map it here")
    return device


def test_its_own_process_may_map_it(served, memory):
    mine = memory[1]
    with open(served.path, "r+b", buffering=0) as client:
        theirs = mmap.mmap(client.fileno(), SIZE)
        mine[:5] = b"hello"
        assert theirs[:5] == b"hello"
        theirs[:5] = b"there"
        assert mine[:5] == b"there"
        assert client.read(100) == b"the driver's"


def test_the_file_has_the_memory_s_size(served, memory):
    with open(served.path, "r+b", buffering=0) as client:
        assert os.fstat(client.fileno()).st_size == SIZE
        assert os.fstat(client.fileno()).st_blocks == SIZE // 512
        assert len(mmap.mmap(client.fileno(), 0)) == SIZE


def test_a_private_mapping_is_a_copy(served, memory):
    mine = memory[1]
    mine[:5] = b"hello"
    with open(served.path, "r+b", buffering=0) as client:
        theirs = mmap.mmap(client.fileno(), SIZE, mmap.MAP_PRIVATE)
        assert theirs[:5] == b"hello"
        theirs[:5] = b"there"
        assert mine[:5] == b"hello"


def test_opens_use_up_no_backing_files_of_the_kernel_s(served, memory, opened):
    for _ in range(scaled(10_000)):
        os.close(os.open(served.path, os.O_RDWR))
    assert map_shared(opened(served)) == 0
    # The kernel counts them; this is the second one of the connection.
    what = bytearray(struct.pack("iIQ", memory[0].fileno(), 0, 0))
    assert fcntl.ioctl(served, BACKING_OPEN, what) == 2


def test_it_may_be_closed_and_registered_again(serve, memory, shares_memory):
    file, mine = memory
    device = Shared(file)
    for text in (b"one", b"two"):
        with device:
            mine[:3] = text
        assert not device.registered
    serve(device)
    file.close()
    assert mine[:3] == b"two"
    with open(device.path, "rb", buffering=0) as client:
        assert client.read(3) == b"the"
    device.unregister()
    with pytest.raises(ValueError, match="closed file"):
        device.register()


def test_a_stream_is_one_though_it_shares_memory(
    serve, memory, opened, transport, shares_memory
):
    device = serve(Shared(memory[0], stream=True))
    descriptor = opened(device)
    assert os.read(descriptor, 20) == os.read(descriptor, 20) == b"the driver's"
    if transport == "fuse":
        assert map_shared(descriptor) == errno.ENODEV


def test_without_shared_memory_nothing_is_other_than_ever(serve, opened, transport):
    descriptor = opened(serve(pyfusd.Device("plain", 0o666)))
    if transport != "kfusd":  # There, a process cannot ask itself.
        assert map_shared(descriptor) == errno.ENODEV
    assert os.fstat(descriptor).st_size == 0


def refuse(memory, number):
    with pytest.raises(OSError) as refused:
        Shared(memory).register()
    assert refused.value.errno == number
    return str(refused.value)


def test_only_a_memfd_is_taken(tmp_path, memory):
    with open(tmp_path / "file", "w+b") as file:
        file.truncate(SIZE)
        assert "no memfd" in refuse(file, errno.EINVAL)
    receiver, sender = os.pipe()
    assert "no memfd" in refuse(sender, errno.EINVAL)
    os.close(receiver)
    os.close(sender)
    assert "no descriptor" in refuse(sender, errno.EBADF)
    with open(f"/proc/self/fd/{memory[0].fileno()}", "rb") as read_only:
        assert "F_SEAL_FUTURE_WRITE" in refuse(read_only, errno.EINVAL)
    with pytest.raises(TypeError):
        Shared(memory[1]).register()


def test_no_huge_pages_are_taken():
    try:
        huge = os.memfd_create("huge", MFD_HUGETLB)
    except OSError:
        pytest.skip("this kernel has no huge pages")
    assert "MFD_HUGETLB" in refuse(huge, errno.EINVAL)
    os.close(huge)


def test_none_is_left_open(memory):
    def descriptors():
        gc.collect()  # Mappings of other tests have some, too.
        return sorted(os.listdir("/proc/self/fd"))

    refuse(0, errno.EINVAL)
    with Shared(memory[0]):
        pass
    before = descriptors()
    for _ in range(3):
        refuse(0, errno.EINVAL)
        with Shared(memory[0]):
            pass
    assert descriptors() == before

# SPDX-License-Identifier: BSD-3-Clause
"""mmap_page: a page as a file everywhere, mapped where that works."""

import ctypes
import errno
import mmap

import pytest

from support.shell import failure, output

SIZE = 4096


def test_mmap_page_is_a_file_of_one_page(device):
    path = device("mmap_page")
    assert output(f"cat {path} | wc -c") == f"{SIZE}\n"
    output(f"printf hello > {path}; printf J | dd of={path} conv=notrunc status=none")
    assert output(f"head -c 6 {path} | od -An -c") == "   J   e   l   l   o  \\0\n"
    message = failure(f"dd if=/dev/zero of={path} bs={SIZE} count=2 status=none")
    assert "No space left on device" in message


def test_mmap_page_shows_clients_the_same_memory(device, shares_memory):
    if not shares_memory:
        pytest.skip("it cannot be mapped here: see the next test")
    path = device("mmap_page")
    with open(path, "r+b", buffering=0) as client:
        one, other = (mmap.mmap(client.fileno(), SIZE) for _ in range(2))
    output(f"printf hello > {path}")
    assert one[:6] == other[:6] == b"hello\0"
    one[:5] = b"HELLO"
    assert other[:5] == b"HELLO"
    assert output(f"head -c 5 {path}") == "HELLO"
    one.close()
    other.close()


def test_mmap_page_cannot_be_mapped_elsewhere(device, shares_memory):
    if shares_memory:
        pytest.skip("it can be mapped here")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_ssize_t
    with open(device("mmap_page"), "r+b", buffering=0) as client:
        access = mmap.PROT_READ | mmap.PROT_WRITE
        # Python's own mmap looks at a regular file's size first.
        result = libc.mmap(None, SIZE, access, mmap.MAP_SHARED, client.fileno(), 0)
    assert result == -1
    assert ctypes.get_errno() == errno.ENODEV


def test_mmap_page_refuses_what_is_outside_of_it(device, holds):
    if not holds("shared-memory-end"):
        pytest.skip("it cannot be mapped, or as any file")
    with open(device("mmap_page"), "r+b", buffering=0) as client:
        with pytest.raises(OSError) as failed:
            mmap.mmap(client.fileno(), SIZE, offset=SIZE)
        assert failed.value.errno == errno.EINVAL

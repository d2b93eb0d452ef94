# SPDX-License-Identifier: BSD-3-Clause
"""Mapping a driver's memory."""

import ctypes
import errno
import mmap
import os
import tempfile

import pytest

from raw import MMAP, Background, fails, libc

PAGE = mmap.PAGESIZE
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE


def address_of(mapping):
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


class Client:
    """A forked process that maps the device and does as it is told."""

    def __init__(self, path_or_descriptor, length, protection, flags, offset=0):
        self.to_child, self.to_parent = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._serve(path_or_descriptor, length, protection, flags, offset)
            finally:
                os._exit(0)

    def _serve(self, descriptor, length, protection, flags, offset):
        address = libc.mmap(None, length, protection, flags, descriptor, offset)
        if address == ctypes.c_void_p(-1).value:
            os.write(self.to_parent[1], b"errno %d" % ctypes.get_errno())
            return
        os.write(self.to_parent[1], b"mapped")
        memory = (ctypes.c_char * length).from_address(address)
        while True:
            command = os.read(self.to_child[0], 100).split()
            if command[0] == b"get":
                os.write(self.to_parent[1], memory[: int(command[1])])
            elif command[0] == b"set":
                memory[: len(command[1])] = command[1]
                os.write(self.to_parent[1], b"done")
            elif command[0] == b"grow":
                libc.mremap.restype = ctypes.c_void_p
                grown = libc.mremap(
                    ctypes.c_void_p(address),
                    ctypes.c_size_t(length),
                    ctypes.c_size_t(2 * length),
                    1,
                )
                failed = grown == ctypes.c_void_p(-1).value
                os.write(self.to_parent[1], b"%d" % (failed and ctypes.get_errno()))
            elif command[0] == b"protect":
                result = libc.mprotect(
                    ctypes.c_void_p(address), ctypes.c_size_t(length), READ_WRITE
                )
                os.write(self.to_parent[1], b"%d" % (result and ctypes.get_errno()))

    def answer(self):
        return os.read(self.to_parent[0], 4096)

    def __call__(self, command):
        os.write(self.to_child[1], command)
        return self.answer()

    def stop(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        for descriptor in (*self.to_child, *self.to_parent):
            os.close(descriptor)


@pytest.fixture
def mapped(opened):
    """mapped(address, length, ...) maps; the driver answers with these."""
    driver, descriptor = opened
    clients = []

    def run(
        address,
        out_length,
        length=PAGE,
        protection=READ_WRITE,
        flags=mmap.MAP_SHARED,
        error=None,
    ):
        client = Client(descriptor, length, protection, flags, 3 * PAGE)
        clients.append(client)
        message = driver.expect(MMAP)
        assert message.fops.length == length
        assert message.fops.mmoffset == 3 * PAGE
        assert message.fops.mmprot == protection
        assert message.fops.mmflags == flags
        answer = {"arg": address, "length": out_length}
        if error:
            fails(error, lambda: driver.reply(message, 0, **answer))
        else:
            driver.reply(message, 0, **answer)
        return client

    yield run
    for client in clients:
        client.stop()


def test_both_sides_see_the_same_memory(mapped):
    memory = mmap.mmap(-1, 2 * PAGE)
    memory[:5] = b"hello"
    client = mapped(address_of(memory), 2 * PAGE)
    assert client.answer() == b"mapped"
    assert client(b"get 5") == b"hello"
    client(b"set client")
    assert memory[:6] == b"client"
    memory[:6] = b"driver"
    assert client(b"get 6") == b"driver"


def test_a_part_of_a_mapping_may_be_given(mapped):
    memory = mmap.mmap(-1, 4 * PAGE)
    memory[2 * PAGE : 2 * PAGE + 4] = b"part"
    client = mapped(address_of(memory) + 2 * PAGE, PAGE)
    assert client.answer() == b"mapped"
    assert client(b"get 4") == b"part"


def test_the_mapping_survives_the_driver(mapped, opened):
    driver, _ = opened
    memory = mmap.mmap(-1, PAGE)
    memory[:4] = b"kept"
    client = mapped(address_of(memory), PAGE)
    assert client.answer() == b"mapped"
    driver.unregister()
    del memory
    assert client(b"get 4") == b"kept"
    assert client(b"set x") == b"done"


def test_a_file_s_memory_may_be_given(mapped):
    with tempfile.TemporaryFile() as file:
        file.write(b"file".ljust(PAGE, b"."))
        file.flush()
        memory = mmap.mmap(file.fileno(), PAGE)
        client = mapped(address_of(memory), PAGE)
        assert client.answer() == b"mapped"
        assert client(b"get 4") == b"file"
        client(b"set FILE")
        assert os.pread(file.fileno(), 4, 0) == b"FILE"


def private():
    return mmap.mmap(-1, PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


@pytest.mark.parametrize("case", ["private", "heap", "unmapped", "null", "odd"])
def test_memory_that_is_not_shared_is_refused(mapped, case):
    shared, own = mmap.mmap(-1, PAGE), private()
    heap = ctypes.create_string_buffer(64 * PAGE)
    address = {
        "private": address_of(own),
        "heap": (ctypes.addressof(heap) + PAGE) & -PAGE,
        "unmapped": 1 << 40,
        "null": 0,
        "odd": address_of(shared) + 1,
    }[case]
    client = mapped(address, PAGE, error=errno.EINVAL)
    assert client.answer() == b"errno %d" % errno.EINVAL


@pytest.mark.parametrize("length", [0, 2 * PAGE, 1 << 40, (1 << 64) - 1])
def test_a_length_beyond_the_memory_is_refused(mapped, length):
    memory = mmap.mmap(-1, PAGE)
    client = mapped(address_of(memory), length, error=errno.EINVAL)
    assert client.answer() == b"errno %d" % errno.EINVAL


def test_a_client_gets_no_more_than_was_given(mapped):
    memory = mmap.mmap(-1, 8 * PAGE)
    client = mapped(address_of(memory), PAGE, length=2 * PAGE)
    assert client.answer() == b"errno %d" % errno.EINVAL
    client = mapped(address_of(memory), PAGE)
    assert client.answer() == b"mapped"
    assert client(b"grow") == b"%d" % errno.EFAULT


def test_a_client_may_not_write_what_the_driver_may_not(mapped):
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"." * PAGE)
        file.flush()
        with open(file.name, "rb") as readable:
            address = libc.mmap(
                None, PAGE, mmap.PROT_READ, mmap.MAP_SHARED, readable.fileno(), 0
            )
        client = mapped(address, PAGE)
        assert client.answer() == b"errno %d" % errno.EACCES
        client = mapped(address, PAGE, protection=mmap.PROT_READ)
        assert client.answer() == b"mapped"
        assert client(b"protect") == b"%d" % errno.EACCES


def test_a_private_mapping_is_a_copy_of_the_client_s_own(mapped):
    memory = mmap.mmap(-1, PAGE)
    memory[:4] = b"ours"
    client = mapped(address_of(memory), PAGE, flags=mmap.MAP_PRIVATE)
    assert client.answer() == b"mapped"
    client(b"set mine")
    assert client(b"get 4") == b"mine"
    assert memory[:4] == b"ours"


def test_the_driver_s_error_reaches_the_client(opened):
    driver, descriptor = opened
    client = Client(descriptor, PAGE, READ_WRITE, mmap.MAP_SHARED)
    driver.reply(driver.expect(MMAP), -errno.ENXIO)
    assert client.answer() == b"errno %d" % errno.ENXIO
    client.stop()


def test_a_driver_that_maps_its_own_device_gets_edeadlk(opened):
    _, descriptor = opened
    with Background(mmap.mmap, descriptor, PAGE) as mapping:
        fails(errno.EDEADLK, mapping.result)

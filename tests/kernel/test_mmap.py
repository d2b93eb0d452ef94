# SPDX-License-Identifier: BSD-3-Clause
"""Mapping a driver's memory."""

import contextlib
import ctypes
import errno
import fcntl
import glob
import mmap
import os
import sys

import pytest

from support.background import Background
from support.forked_clients import looks, maps, protects, reads, scribbles, stops
from support.raw_driver import MMAP, READ, address_of, fails, libc
from support.waiting import wait_until

PAGE = mmap.PAGESIZE
READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE


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
    writable = os.memfd_create("shared")
    os.ftruncate(writable, PAGE)
    readable = os.open(f"/proc/self/fd/{writable}", os.O_RDONLY)
    address = libc.mmap(None, PAGE, mmap.PROT_READ, mmap.MAP_SHARED, readable, 0)
    client = mapped(address, PAGE)
    assert client.answer() == b"errno %d" % errno.EACCES
    client = mapped(address, PAGE, protection=mmap.PROT_READ)
    assert client.answer() == b"mapped"
    assert client(b"protect") == b"%d" % errno.EACCES
    os.close(readable)
    os.close(writable)


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


def test_a_shared_mapping_of_a_file_open_for_reading_is_told_as_such(driver):
    descriptor = driver.open(os.O_RDONLY)
    client = Client(descriptor, PAGE, mmap.PROT_READ, mmap.MAP_SHARED)
    message = driver.expect(MMAP)
    assert message.fops.mmflags == mmap.MAP_SHARED
    driver.reply(message, -errno.ENXIO)
    assert client.answer() == b"errno %d" % errno.ENXIO
    client.stop()
    driver.unregister()
    os.close(descriptor)


def test_a_driver_that_maps_its_own_device_gets_edeadlk(opened):
    _, descriptor = opened
    with Background(mmap.mmap, descriptor, PAGE) as mapping:
        fails(errno.EDEADLK, mapping.result)


def memfd(flags=0):
    descriptor = os.memfd_create("shared", flags)
    os.ftruncate(descriptor, PAGE)
    return descriptor


def map_shared(descriptor, length=PAGE, protection=READ_WRITE, flags=0):
    address = libc.mmap(
        None, length, protection, mmap.MAP_SHARED | flags, descriptor, 0
    )
    assert address != ctypes.c_void_p(-1).value, os.strerror(ctypes.get_errno())
    return address


def huge_memory():
    """Never touched: there need not be any huge page."""
    huge = 2 << 20
    try:
        descriptor = os.memfd_create("huge", os.MFD_HUGETLB)
        os.ftruncate(descriptor, huge)
        no_reserve = 0x4000
        return map_shared(descriptor, huge, flags=no_reserve)
    except OSError as error:
        pytest.skip(f"no huge pages here: {error}")


def aio_ring():
    """Shared memory with a file of the kernel's own."""
    context = ctypes.c_ulong()
    io_setup = 206
    if libc.syscall(io_setup, 8, ctypes.byref(context)):
        pytest.skip("no aio here")
    return context.value


def file_with_a_name():
    with open(sys.executable, "rb") as file:
        return map_shared(file.fileno(), protection=mmap.PROT_READ)


def device_memory():
    for path in glob.glob("/sys/bus/pci/devices/*/resource[0-9]"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            return map_shared(file.fileno(), protection=mmap.PROT_READ)
    pytest.skip("no device's memory can be mapped here")


def system_v_memory():
    identifier = libc.shmget(0, PAGE, 0o600)
    libc.shmat.restype = ctypes.c_void_p
    address = libc.shmat(identifier, None, 0)
    libc.shmctl(identifier, 0, None)  # Gone with its last user.
    return address


@pytest.mark.parametrize(
    "memory",
    [huge_memory, aio_ring, file_with_a_name, device_memory, system_v_memory],
)
def test_other_files_memory_is_refused(mapped, memory):
    """Of which nothing is known: what their own mmap does, and what they need."""
    client = mapped(memory(), PAGE, error=errno.EINVAL)
    assert client.answer() == b"errno %d" % errno.EINVAL


def test_a_memfd_is_mapped(mapped):
    descriptor = memfd()
    client = mapped(map_shared(descriptor), PAGE)
    assert client.answer() == b"mapped"
    client(b"set memfd")
    assert os.pread(descriptor, 5, 0) == b"memfd"
    os.close(descriptor)


SEAL_SEAL, SEAL_SHRINK, SEAL_GROW, SEAL_WRITE, SEAL_FUTURE_WRITE = 1, 2, 4, 8, 16


def seal(descriptor, seals):
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals | SEAL_SEAL)


def test_memory_sealed_against_future_writes_is_mapped_for_reading(mapped):
    descriptor = memfd(os.MFD_ALLOW_SEALING)
    os.pwrite(descriptor, b"original", 0)
    address = map_shared(descriptor)
    seal(descriptor, SEAL_FUTURE_WRITE)
    client = mapped(address, PAGE)
    assert client.answer() == b"errno %d" % errno.EPERM
    client = mapped(address, PAGE, protection=mmap.PROT_READ)
    assert client.answer() == b"mapped"
    assert client(b"get 8") == b"original"
    assert client(b"protect") == b"%d" % errno.EACCES
    # A copy of the client's own may be written.
    client = mapped(address, PAGE, flags=mmap.MAP_PRIVATE)
    assert client.answer() == b"mapped"
    client(b"set other")
    assert os.pread(descriptor, 8, 0) == b"original"
    os.close(descriptor)


def test_a_seal_that_comes_before_the_mapping_holds(driver, reader):
    """The answer was given while it could be written, the mapping is made later."""
    descriptor = memfd(os.MFD_ALLOW_SEALING)
    os.pwrite(descriptor, b"original", 0)
    address = map_shared(descriptor)
    one = reader(maps(), stops, scribbles(b"scribble"))
    message = driver.expect(MMAP)
    one.wait_for("SD")
    one.stop()
    driver.reply(message, 0, arg=address, length=PAGE)
    libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(PAGE))
    try:
        seal(descriptor, SEAL_WRITE)
        is_sealed = True
    except OSError:
        is_sealed = False
    one.go_on()
    result = one.result()
    if is_sealed:
        assert result == "EPERM"
    else:
        assert result == "mapped"
        fails(errno.EBUSY, seal, descriptor, SEAL_WRITE)
    assert os.pread(descriptor, 8, 0) == b"original"
    os.close(descriptor)


def test_a_mapping_that_may_be_written_keeps_the_seal_away(mapped):
    """And its end lets it come: the mapping is counted, once."""
    descriptor = memfd(os.MFD_ALLOW_SEALING)
    address = map_shared(descriptor)
    client = mapped(address, PAGE)
    assert client.answer() == b"mapped"
    libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(PAGE))
    fails(errno.EBUSY, seal, descriptor, SEAL_WRITE)
    os.kill(client.pid, 9)

    def can_be_sealed():
        try:
            seal(descriptor, SEAL_WRITE)
        except OSError as error:
            assert error.errno == errno.EBUSY
            return False
        return True

    wait_until(can_be_sealed, "the end of the client's mapping")
    os.close(descriptor)


def test_nothing_is_executable(mapped):
    memory = mmap.mmap(-1, PAGE, prot=READ_WRITE | mmap.PROT_EXEC)
    client = mapped(
        address_of(memory), PAGE, protection=mmap.PROT_READ | mmap.PROT_EXEC
    )
    assert client.answer() == b"errno %d" % errno.EACCES


def test_a_mapping_does_not_become_executable(driver, reader):
    memory = mmap.mmap(-1, PAGE)
    one = reader(maps(), protects(protection=mmap.PROT_READ | mmap.PROT_EXEC))
    answer = {"arg": address_of(memory), "length": PAGE}
    driver.reply(driver.expect(MMAP), 0, **answer)
    assert one.result() == "mapped"
    assert one.result() == "EACCES"


def test_only_who_registered_has_memory_to_give(driver, reader):
    """Somebody else who can be made to write to the descriptor does not."""
    memory = mmap.mmap(-1, PAGE)
    memory[:6] = b"secret"
    one = reader(maps(), looks(6))
    message = driver.expect(MMAP)
    child = os.fork()
    if child == 0:
        try:
            fails(
                errno.EINVAL,
                lambda: driver.reply(message, 0, arg=address_of(memory), length=PAGE),
            )
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert one.result() == "EINVAL"


def test_who_did_not_register_answers_other_calls(driver, reader):
    one = reader(reads(10))
    child = os.fork()
    if child == 0:
        try:
            driver.reply(driver.expect(READ), 5, b"child")
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert one.result() == b"child"

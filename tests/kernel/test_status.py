# SPDX-License-Identifier: BSD-3-Clause
"""/dev/fusd/status: who is there."""

import ctypes
import errno
import fcntl
import os
import select
import stat
import threading

import pytest

from support.background import start
from support.proc import children
from support.raw_driver import STATUS, Driver, Record, fails, libc

USE_BINARY = ord("F") << 8 | 100


@pytest.fixture
def status():
    descriptor = os.open(STATUS, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def read_all(descriptor, size=4096):
    text = b""
    while True:
        part = os.read(descriptor, size)
        if not part:
            return text
        text += part


def lines(descriptor):
    return [line.split() for line in read_all(descriptor).decode().splitlines()]


def test_everybody_may_read_the_status_file():
    assert stat.S_IMODE(os.stat(STATUS).st_mode) == 0o444


def test_text_is_a_table_with_a_last_line_that_counts(opened, name):
    with open(STATUS, encoding="ascii") as file:
        table = [line.split() for line in file]
    assert table[0] == ["PID", "Open", "Name"]
    assert [str(os.getpid()), "1", name] in table
    assert table[-1][1::2] == ["devices,", "clients"]
    assert int(table[-1][0]) == len(table) - 2
    assert int(table[-1][2]) >= 1


def test_a_zombie_is_a_device_whose_driver_is_gone(status, name):
    driver = Driver(name)
    descriptor = driver.open()
    driver.close()
    assert [str(os.getpid()), "1", name, "(zombie)"] in lines(status)
    os.close(descriptor)
    assert name not in str(lines(status))


def test_binary_is_an_array_of_records(opened, status, name):
    assert ctypes.sizeof(Record) == 60
    fcntl.ioctl(status, USE_BINARY)
    data = read_all(status)
    assert len(data) % 60 == 0
    records = [
        Record.from_buffer_copy(data[start : start + 60])
        for start in range(0, len(data), 60)
    ]
    mine = [record for record in records if record.name == name.encode()]
    assert len(mine) == 1
    assert (mine[0].zombie, mine[0].pid, mine[0].num_open) == (0, os.getpid(), 1)


@pytest.mark.parametrize("size", [1, 7, 60, 1000])
def test_small_reads_give_one_consistent_list(driver, status, name, size):
    whole = read_all(status)
    first = os.read(status, size)
    with Driver(f"{name}-late"):
        rest = read_all(status, size)
    assert first + rest == whole


def test_the_status_file_polls_readable_when_the_list_changed(status, name):
    poller = select.poll()
    poller.register(status, select.POLLIN)

    def is_readable():
        return bool(poller.poll(0))

    assert is_readable()
    read_all(status)
    assert not is_readable()
    driver = Driver(name)
    assert is_readable()
    read_all(status)
    descriptor = driver.open()
    assert not is_readable()
    driver.close()
    assert is_readable()
    read_all(status)
    assert not is_readable()
    os.close(descriptor)
    assert is_readable()


def in_a_new_pid_namespace(function):
    """Runs it as process 1 of one; the exit status is 0 if it returned."""
    new_pids = 0x20000000
    outer = os.fork()
    if outer == 0:
        libc.unshare(new_pids)
        inner = os.fork()
        if inner == 0:
            try:
                function()
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(outer, 0)[1])


def pids_in_status():
    """Each device's, by its name."""
    with open(STATUS, encoding="ascii") as file:
        table = [line.split() for line in file][1:-1]
    return {row[2]: int(row[0]) for row in table}


def test_pids_are_those_that_the_reader_can_use(driver, name):
    """A driver outside of the reader's namespace has none there."""
    if not os.path.exists("/proc/self/ns/pid"):
        pytest.skip("this kernel has no namespaces of process ids")

    def look():
        assert os.getpid() == 1
        with Driver(f"{name}-inside"):
            pids = pids_in_status()
        assert pids[f"{name}-inside"] == 1
        assert pids[name] == 0

    assert in_a_new_pid_namespace(look) == 0


def test_a_driver_in_a_namespace_has_the_reader_s_pid_of_it(name):
    receiver, sender = os.pipe()
    more, go_on = os.pipe()

    def serve():
        with Driver(name):
            os.write(sender, b"x")
            os.read(more, 1)

    child = os.fork()
    if child == 0:
        os._exit(in_a_new_pid_namespace(serve))
    os.read(receiver, 1)
    (outer,) = children(child)
    (inner,) = children(outer)
    assert pids_in_status()[name] == inner
    os.write(go_on, b"x")
    assert os.waitpid(child, 0)[1] == 0
    for descriptor in (receiver, sender, more, go_on):
        os.close(descriptor)


def test_the_pid_is_the_registering_process_s(name):
    """Not that of its thread, nor of who receives later."""
    drivers = []
    thread = threading.Thread(target=lambda: drivers.append(Driver(name)))
    thread.start()
    thread.join()
    assert pids_in_status()[name] == os.getpid()
    child = os.fork()
    if child == 0:
        drivers[0].receive()
        os._exit(0)
    opening = start(os.open, drivers[0].path, os.O_RDWR)
    os.waitpid(child, 0)
    assert pids_in_status()[name] == os.getpid()
    drivers[0].close()
    fails(errno.EPIPE, opening.result)

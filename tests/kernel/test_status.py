# SPDX-License-Identifier: BSD-3-Clause
"""/dev/fusd/status: who is there."""

import ctypes
import fcntl
import os
import select
import stat

import pytest

from raw import STATUS, Driver, Record

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


def test_everybody_may_read_it():
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


def test_it_polls_readable_when_the_list_changed(status, name):
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

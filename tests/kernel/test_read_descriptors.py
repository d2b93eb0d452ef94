# SPDX-License-Identifier: BSD-3-Clause
"""Descriptors that a read's answer brings its client, as fanotify's do."""

import ctypes
import errno
import os
import resource
import struct

import pytest

from support.background import Background
from support.forked_clients import check, opens
from support.raw_descriptors import RESULT, add, expect_close
from support.raw_driver import OPEN, READ, UNBLOCK, fails, libc

SIZE = 16
PLACE = 4


def data_with(number=0):
    return b"data" + struct.pack("=i", number) + b"and more"


def number_in(data):
    assert data == data_with(struct.unpack_from("=i", data, PLACE)[0])
    return struct.unpack_from("=i", data, PLACE)[0]


def answer(driver, message, retval=SIZE, private=0x77, **changes):
    add(driver, message, offset=PLACE, private=private)
    driver.reply(message, retval, data_with(-1), **changes)


def close(driver, number, private=0x77):
    with Background(os.close, number):
        expect_close(driver, private)
    assert driver.is_idle()


def test_the_number_is_in_the_data(opened):
    driver, descriptor = opened
    reader, writer = os.pipe()
    with Background(os.read, descriptor, SIZE) as reading:
        message = driver.expect(READ)
        add(driver, message, offset=8, descriptor=writer, flags=os.O_CLOEXEC)
        os.close(writer)
        answer(driver, message)
        data = reading.result()
    child, end = struct.unpack_from("=ii", data, PLACE)
    assert not os.get_inheritable(end)
    os.write(end, b"x")
    assert os.read(reader, 1) == b"x"
    os.close(end)
    os.close(reader)
    close(driver, child)


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"offset": RESULT}, errno.EINVAL),
        ({"offset": SIZE - 3}, errno.EINVAL),
        ({"offset": 0xFFFFFFFE}, errno.EINVAL),
        ({"offset": 0, "descriptor": 9999, "flags": 0}, errno.EBADF),
        ({"offset": 0, "flags": 3}, errno.EINVAL),
    ],
)
def test_what_cannot_be_given_changes_nothing(opened, told, error):
    driver, descriptor = opened
    with Background(os.read, descriptor, SIZE) as reading:
        message = driver.expect(READ)
        fails(error, add, driver, message, **told)
        driver.reply(message, 4, b"data")
        assert reading.result() == b"data"
    assert driver.is_idle()


def test_an_error_makes_no_open_file(opened):
    driver, descriptor = opened
    with Background(os.read, descriptor, SIZE) as reading:
        message = driver.expect(READ)
        add(driver, message, offset=PLACE)
        driver.reply(message, -errno.EBUSY)
        fails(errno.EBUSY, reading.result)
    assert driver.is_idle()


@pytest.mark.parametrize(("retval", "data"), [(7, b"too few"), (0, None)])
def test_data_without_room_for_the_number_is_eio(opened, retval, data):
    driver, descriptor = opened
    with Background(os.read, descriptor, SIZE) as reading:
        message = driver.expect(READ)
        add(driver, message, offset=PLACE)
        driver.reply(message, retval, data)
        expect_close(driver)
        fails(errno.EIO, reading.result)
    assert driver.is_idle()


def reads(client):
    return number_in(os.read(client.fd, SIZE))


def reads_without_numbers(client):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        return reads(client)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def kept(reader, driver):
    """kept(STEP...) is a client with an answer that it had no number for."""

    def start(*steps):
        one = reader(reads_without_numbers, *steps)
        answer(driver, driver.expect(READ))
        assert one.result() == "EMFILE"
        return one

    return start


def test_data_with_a_descriptor_is_taken_whole(kept, driver):
    """By a read with room for it, and with the number that it lacked."""

    def splices(client):
        return os.splice(client.fd, os.pipe()[1], SIZE)

    def sends(client):
        return os.sendfile(os.open("/dev/null", os.O_WRONLY), client.fd, None, SIZE)

    one = kept(lambda one: os.read(one.fd, SIZE - 1), splices, sends, reads)
    assert [one.result() for _ in range(3)] == ["EINVAL"] * 3
    assert driver.is_idle()
    assert one.result() > 2


def test_without_memory_for_the_data_nothing_is_opened(opened):
    driver, descriptor = opened
    before = len(os.listdir("/proc/self/fd"))
    with Background(libc.read, descriptor, 8, SIZE) as reading:
        answer(driver, driver.expect(READ))
        expect_close(driver)
        assert reading.result() == -1
    assert len(os.listdir("/proc/self/fd")) == before
    assert driver.is_idle()


@pytest.mark.parametrize("restart", [True, False])
def test_an_interrupted_client_s_descriptor_is_for_the_next_read(
    client, willing, restart
):
    def is_interrupted(client):
        return check(libc.read(client.fd, ctypes.create_string_buffer(SIZE), SIZE))

    steps = [reads] if restart else [is_interrupted, reads]
    one = client(opens(), *steps, of=willing, restart=restart)
    willing.reply(willing.expect(OPEN))
    assert one.result() == 0
    message = willing.expect(READ)
    one.interrupt()
    willing.expect(UNBLOCK)
    if not restart:
        assert one.result() == "EINTR"
    answer(willing, message)
    assert one.result() > 2


def test_a_killed_client_s_descriptor_is_closed(reader, driver):
    one = reader(lambda one: os.read(one.fd, SIZE))
    message = driver.expect(READ)
    add(driver, message, offset=PLACE)
    one.kill()
    driver.reply(message, SIZE, data_with())
    closed = {driver.receive().fops.private_info for _ in range(2)}
    assert 0x77 in closed


def test_what_nobody_read_is_closed_with_its_file(kept, driver):
    kept(lambda one: os.close(one.fd))
    closed = set()
    for _ in range(2):
        message = driver.receive()
        closed.add(message.fops.private_info)
        driver.reply(message)
    assert 0x77 in closed


def test_a_device_s_end_closes_what_is_kept(reader, driver):
    one = reader(reads_without_numbers, lambda one: os.close(one.fd))
    message = driver.expect(READ)
    end, writer = os.pipe()
    add(driver, message, offset=8, descriptor=writer, flags=0)
    os.close(writer)
    answer(driver, message)
    assert one.result() == "EMFILE"
    driver.unregister()
    assert one.result() is None
    assert os.read(end, 1) == b""
    os.close(end)


def test_reads_and_numbers_come_and_go(opened):
    driver, descriptor = opened
    before = len(os.listdir("/proc/self/fd"))
    for turn in range(200):
        with Background(os.read, descriptor, SIZE) as reading:
            answer(driver, driver.expect(READ), private=turn + 1)
            child = number_in(reading.result())
        close(driver, child, private=turn + 1)
    assert len(os.listdir("/proc/self/fd")) == before

# SPDX-License-Identifier: BSD-3-Clause
"""The fast path, with drivers that speak it raw, and drivers that abuse it."""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import signal
import threading

import pytest

from support.background import start
from support.raw_driver import (
    CLOSE,
    IOCTL,
    MAX_RW_SIZE,
    MMAP,
    READ,
    UNBLOCK,
    WRITE,
    Driver,
    fails,
)
from support.ring_driver import (
    ENTER,
    FETCH,
    LARGE_OFFSET,
    NO_SLOT,
    REPLIES,
    SETUP,
    SMALL_SLOTS,
    WAIT,
    WAKE,
    Enter,
    Fetch,
    RingDriver,
    Setup,
    call,
)
from support.waiting import wait_until

NUMBER = 3 << 30 | 100 << 16 | ord("z") << 8 | 1  # 100 bytes both ways


@pytest.fixture
def ring(name):
    with RingDriver(name) as driver:
        yield driver


@pytest.fixture
def opened(ring):
    descriptor = ring.open()
    yield ring, descriptor
    with contextlib.suppress(OSError):
        ring.unregister()
    os.close(descriptor)


@pytest.mark.parametrize("size", [1, 64, 4096, 8191, 8192, MAX_RW_SIZE])
def test_a_write_s_bytes_are_in_the_slot(opened, size):
    ring, descriptor = opened
    data = os.urandom(size)
    writing = start(os.write, descriptor, data)
    given = ring.receive()
    assert (given.subcmd, given.length, given.datalen) == (WRITE, size, size)
    assert (given.slot < SMALL_SLOTS) == (size < 8192)
    assert bytes(ring.slot(given, size)) == data
    assert ring.reply(given, size) == 0
    assert writing.result() == size


@pytest.mark.parametrize("size", [1, 64, 4096, 8192, MAX_RW_SIZE])
def test_a_read_s_bytes_come_from_the_slot(opened, size):
    ring, descriptor = opened
    data = os.urandom(size)
    reading = start(os.read, descriptor, size)
    given = ring.receive()
    assert (given.subcmd, given.length, given.datalen) == (READ, size, 0)
    assert ring.reply(given, size, data) == 0
    assert reading.result() == data


def test_an_ioctl_s_bytes_go_both_ways(opened):
    ring, descriptor = opened
    argument = bytearray(b"a" * 100)
    calling = start(fcntl.ioctl, descriptor, NUMBER, argument)
    given = ring.receive()
    assert (given.subcmd, given.cmd, given.datalen) == (IOCTL, NUMBER, 100)
    assert bytes(ring.slot(given, 100)) == b"a" * 100
    assert ring.reply(given, 5, b"b" * 100) == 0
    assert calling.result() == 5
    assert argument == b"b" * 100


def test_a_reply_and_the_next_request_are_one_call(opened):
    ring, descriptor = opened
    clients = [start(os.write, descriptor, bytes([65 + i])) for i in range(2)]
    first = ring.receive()
    ring.post(first, 1)
    (second,) = ring.enter(1, WAIT)
    assert ring.shared.replies[(ring.shared.posted - 1) % REPLIES].result == 0
    assert ring.reply(second, 1) == 0
    assert [client.result() for client in clients] == [1, 1]


def test_both_halves_of_a_call_are_told(opened):
    ring, descriptor = opened
    reading = start(os.read, descriptor, 4)
    given = ring.receive()
    wrong = ring.post(given, 4, 4, transid=given.transid + 1)
    good = ring.post(given, 4, 4)
    fails(errno.EAGAIN, ring.enter)
    results = [ring.shared.replies[place].result for place in (wrong, good)]
    assert results == [-errno.EPIPE, 0]
    assert len(reading.result()) == 4


def test_many_requests_come_at_once_and_many_answers_go(ring):
    descriptors = [ring.open() for _ in range(10)]
    clients = [start(os.write, fd, b"%d" % i) for i, fd in enumerate(descriptors)]
    given = []
    while len(given) < 10:
        given += ring.enter(10 - len(given), WAIT)
    assert len({one.slot for one in given}) == 10
    for one in given:
        ring.post(one, 1)
        ring.release(one)
    ring.enter(0)
    assert [client.result() for client in clients] == [1] * 10
    ring.unregister()
    for descriptor in descriptors:
        os.close(descriptor)


def receive_several(ring, clients, descriptors):
    """At least two requests that came at once, of writes of one byte."""
    while True:
        clients += [start(os.write, fd, b"x") for fd in descriptors]
        wait_until(lambda: not ring.is_idle(), "a message")
        given = ring.enter(REPLIES)
        if len(given) > 1:
            return given
        assert ring.reply(given[0], 1) == 0


def test_an_answer_is_not_kept_by_a_callback_after_it(ring):
    """It was posted, and the driver does not call again for long."""
    descriptors = [ring.open() for _ in range(4)]
    clients = []
    given = receive_several(ring, clients, descriptors)
    rescues = ring.shared.rescues
    place = ring.post(given[0], 1)
    wait_until(lambda: ring.shared.taken == ring.shared.posted, "a rescue")
    assert ring.shared.replies[place].result == 0
    assert ring.shared.rescues == rescues + 1
    for one in given[1:]:
        assert ring.reply(one, 1) == 0
    while any(client.thread.is_alive() for client in clients):
        with contextlib.suppress(TimeoutError):
            for one in ring.enter(REPLIES, WAIT, timeout=100):
                ring.reply(one, 1)
    assert {client.result() for client in clients} == {1}
    ring.unregister()
    for descriptor in descriptors:
        os.close(descriptor)


def test_waits_end_by_a_count_that_none_misses(ring):
    wakes = ring.shared.wakes
    call(ring.fd, WAKE)
    assert ring.shared.wakes == wakes + 1
    fails(errno.ECANCELED, ring.enter, 1, WAIT, wakes)
    fails(errno.ETIMEDOUT, ring.enter, 1, WAIT, timeout=10)
    waiting = [start(fails, errno.ECANCELED, ring.enter, 1, WAIT) for _ in range(3)]
    end = threading.Event()

    def wake():
        while not end.wait(0.001):
            call(ring.fd, WAKE)

    waking = start(wake)
    for one in waiting:
        one.result()
    end.set()
    waking.result()


def test_a_slot_is_the_driver_s_until_it_is_released(opened):
    ring, descriptor = opened
    first = start(os.write, descriptor, b"kept")
    kept = ring.receive()
    ring.post(kept, 4)
    ring.enter(0)
    assert first.result() == 4
    slots = set()
    for _ in range(2 * SMALL_SLOTS):
        writing = start(os.write, descriptor, b"more")
        given = ring.receive()
        slots.add(given.slot)
        assert ring.reply(given, 4) == 0
        writing.result()
    assert kept.slot not in slots
    assert bytes(ring.slot(kept, 4)) == b"kept"
    ring.release(kept)
    ring.enter(0)
    writing = start(os.write, descriptor, b"last")
    given = ring.receive()
    assert given.slot == kept.slot or len(slots) > 1
    ring.reply(given, 4)


def test_a_slot_of_a_killed_client_is_not_given_away(opened):
    """Its driver is still at work in it."""
    ring, descriptor = opened
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.write(descriptor, b"dead")
        os._exit(0)
    dead = ring.receive()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    writing = start(os.write, descriptor, b"live")
    given = ring.receive()
    assert given.slot != dead.slot
    assert bytes(ring.slot(dead, 4)) == b"dead"
    assert ring.reply(dead, 4) == -errno.EPIPE
    assert ring.reply(given, 4) == 0
    assert writing.result() == 4


def test_without_a_slot_data_is_fetched(ring):
    descriptors = [ring.open() for _ in range(SMALL_SLOTS + 2)]
    clients = [start(os.write, fd, b"%03d" % i) for i, fd in enumerate(descriptors)]
    all_given = [ring.receive() for _ in descriptors]
    without = [given for given in all_given if given.slot == NO_SLOT]
    assert len(without) == 2
    data = ctypes.create_string_buffer(3)
    for given in without:
        fetch = Fetch(
            *(given.fusd_file, given.transid, given.hint, 3, ctypes.addressof(data))
        )
        call(ring.fd, FETCH, ctypes.byref(fetch))
        assert data.raw.isdigit()
        fetch.datalen = 4
        fails(errno.EINVAL, call, ring.fd, FETCH, ctypes.byref(fetch))
        fetch.datalen, fetch.address = 3, 1
        fails(errno.EFAULT, call, ring.fd, FETCH, ctypes.byref(fetch))
        fetch.transid += 1000
        fails(errno.EPIPE, call, ring.fd, FETCH, ctypes.byref(fetch))
    for given in all_given:
        assert ring.reply(given, 3) == 0
    assert {client.result() for client in clients} == {3}
    ring.unregister()
    for descriptor in descriptors:
        os.close(descriptor)


def test_without_a_slot_a_read_is_answered_classically(ring):
    descriptors = [ring.open() for _ in range(SMALL_SLOTS + 1)]
    clients = [start(os.read, fd, 2) for fd in descriptors]
    all_given = [ring.receive() for _ in descriptors]
    (without,) = [given for given in all_given if given.slot == NO_SLOT]
    assert ring.reply(without, 2, datalen=2) == -errno.EINVAL
    Driver.reply(ring, ring.as_message(without), 2, b"ok")
    for given in all_given:
        if given.slot != NO_SLOT:
            assert ring.reply(given, 2, b"ok") == 0
    assert {client.result() for client in clients} == {b"ok"}
    ring.unregister()
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize("asked", [1 << 20, 300_000])
def test_a_transfer_may_be_longer_if_the_driver_asks(name, asked):
    with RingDriver(name, max_transfer=asked) as ring:
        descriptor = ring.open()
        writing = start(os.write, descriptor, b"w" * (asked + 1))
        given = ring.receive()
        assert given.datalen == asked
        assert ring.reply(given, asked) == 0
        assert writing.result() == asked
        reading = start(os.read, descriptor, 2 * asked)
        given = ring.receive()
        assert given.length == asked
        assert ring.reply(given, asked, b"r" * asked) == 0
        assert reading.result() == b"r" * asked
        ring.unregister()
        os.close(descriptor)


def test_a_classic_driver_has_no_ring(driver):
    fails(errno.EINVAL, call, driver.fd, ENTER, ctypes.byref(Enter()))
    fails(errno.EINVAL, call, driver.fd, WAKE)
    fails(errno.EBUSY, fcntl.ioctl, driver.fd, SETUP, Setup(size=32))
    fails(errno.ENODEV, mmap.mmap, driver.fd, 4096)


@pytest.mark.parametrize(
    "wrong",
    [{"size": 24}, {"flags": 1}, {"rest": 1}, {"max_transfer": (1 << 20) + 1}],
)
def test_a_wrong_setup_is_einval(wrong):
    with Driver() as driver:
        setup = Setup(size=32)
        for field, value in wrong.items():
            setattr(setup, field, value)
        fails(errno.EINVAL, fcntl.ioctl, driver.fd, SETUP, setup)
        fcntl.ioctl(driver.fd, SETUP, Setup(size=32))
        fails(errno.EBUSY, fcntl.ioctl, driver.fd, SETUP, Setup(size=32))
        # Not registered: there is nothing to receive.
        fails(errno.ENODEV, call, driver.fd, ENTER, ctypes.byref(Enter()))


def test_only_the_area_is_mapped_and_only_shared(ring):
    size = ring.setup.area_size
    with pytest.raises((OSError, ValueError)):
        mmap.mmap(ring.fd, size + 4096)
    with pytest.raises(OSError, match="nvalid"):
        mmap.mmap(ring.fd, 4096, flags=mmap.MAP_PRIVATE)
    with pytest.raises(OSError, match=r"nvalid|denied"):
        mmap.mmap(ring.fd, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)


def test_memory_that_was_never_given_is_a_bus_error(ring):
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        with contextlib.suppress(BaseException):
            bytes(ring.area[LARGE_OFFSET:][:1])
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGBUS


def test_more_replies_than_there_is_room_for_are_refused(opened):
    ring, descriptor = opened
    writing = start(os.write, descriptor, b"x")
    given = ring.receive()
    ring.shared.posted += REPLIES + 1
    fails(errno.EINVAL, ring.enter, 0)
    assert ring.shared.taken == ring.shared.posted
    assert ring.reply(given, 1) == 0
    assert writing.result() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"hint": -1},
        {"hint": 63},
        {"hint": 2**31 - 1},
        {"fusd_file": 0},
        {"transid": 2**62},
    ],
)
def test_a_reply_with_a_wrong_cookie_is_epipe(opened, wrong):
    ring, descriptor = opened
    reading = start(os.read, descriptor, 4)
    given = ring.receive()
    assert ring.reply(given, 4, b"evil", **wrong) == -errno.EPIPE
    # Its slot was released, but is still the request's.
    assert ring.reply(given, 4, b"good") == 0
    assert reading.result() == b"good"


@pytest.mark.parametrize(
    "wrong",
    [
        {"datalen": 5},
        {"datalen": 0xFFFFFFFF},
        {"datalen": MAX_RW_SIZE + 1},
        {"subcmd": WRITE},
        {"subcmd": MMAP},
        {"subcmd": 0xFFFF},
    ],
)
def test_a_reply_that_does_not_fit_is_einval(opened, wrong):
    ring, descriptor = opened
    reading = start(os.read, descriptor, 4)
    given = ring.receive()
    assert ring.reply(given, 4, **{"datalen": 4, **wrong}) == -errno.EINVAL
    assert ring.reply(given, 4, b"good") == 0
    assert reading.result() == b"good"


def test_an_answer_counts_once(opened):
    ring, descriptor = opened
    reading = start(os.read, descriptor, 4)
    given = ring.receive()
    places = [ring.post(given, 4, 4) for _ in range(3)]
    ring.enter(0)
    results = [ring.shared.replies[place].result for place in places]
    assert results == [0, -errno.EPIPE, -errno.EPIPE]
    assert len(reading.result()) == 4


def test_more_than_the_data_is_no_result(opened):
    ring, descriptor = opened
    reading = start(os.read, descriptor, 100)
    given = ring.receive()
    assert ring.reply(given, 100, b"four") == 0
    assert reading.result() == b"four"


def test_all_slots_released_harm_only_the_driver(opened):
    ring, descriptor = opened
    clients = [start(os.write, descriptor, b"x") for _ in range(3)]
    given = [ring.receive() for _ in clients]
    for _ in range(3):
        ring.shared.released[0] = ring.shared.released[1] = 0xFFFFFFFF
        ring.enter(0)
    assert len({one.slot for one in given}) == 3
    for one in given:
        assert ring.reply(one, 1) == 0
    assert [client.result() for client in clients] == [1] * 3


def call_again_and_again(path):
    for _ in range(1_000_000):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR)
            os.write(descriptor, b"x" * 5000)
            os.read(descriptor, 100)
            os.close(descriptor)


def answer_somehow(ring):
    for _ in range(2000):
        with contextlib.suppress(OSError):
            for given in ring.enter(8, WAIT, timeout=100):
                ring.post(given, 1, 1)
                ring.post(given, 0)
                ring.release(given)


def test_a_driver_that_scribbles_hurts_nobody_else(name):
    """Threads write to the area, while clients call, and are killed."""
    with RingDriver(name) as ring, Driver(f"{name}-other") as other:
        other_fd = other.open()
        warm = ring.open()
        writing = start(os.write, warm, b"x")
        ring.reply(ring.receive(), 1)
        assert writing.result() == 1
        stop = threading.Event()

        def scribble():
            while not stop.is_set():
                # The first page, and the slot that is used most.
                area = ring.area
                area[:4096] = os.urandom(4096)
                area[4096:12288] = os.urandom(8192)

        scribbling = start(scribble)
        answering = [start(answer_somehow, ring) for _ in range(2)]
        for _ in range(20):
            client = os.fork()
            if client == 0:
                with contextlib.suppress(BaseException):
                    call_again_and_again(ring.path)
                os._exit(0)
            reading = start(os.read, other_fd, 4)
            other.reply(other.expect(READ), 4, b"fine")
            assert reading.result() == b"fine"
            os.kill(client, signal.SIGKILL)
            os.waitpid(client, 0)
        for one in answering:
            one.result()
        stop.set()
        scribbling.result()
        for driver in (ring, other):
            driver.unregister()
        for descriptor in (warm, other_fd):
            os.close(descriptor)


def test_a_signal_ends_the_wait_and_repeats_no_answer(opened):
    ring, descriptor = opened
    writing = start(os.write, descriptor, b"x")
    given = ring.receive()
    child = os.fork()
    if child == 0:
        # A thread of its own process: the area and the descriptor are shared.
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        ring.post(given, 1)
        status = 1
        with contextlib.suppress(BaseException):
            fails(errno.EINTR, ring.enter, 1, WAIT)
            status = 0
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert writing.result() == 1
    assert ring.shared.taken == ring.shared.posted


def test_a_device_that_is_gone_ends_the_wait(ring):
    waiting = start(fails, errno.ENODEV, ring.enter, 1, WAIT)
    ring.unregister()
    waiting.result()
    fails(errno.ENODEV, ring.enter, 1)


def test_the_area_survives_its_control_file(name):
    ring = RingDriver(name)
    descriptor = ring.open()
    writing = start(os.write, descriptor, b"still here")
    given = ring.receive()
    data = ring.slot(given, 10)
    os.close(ring.fd)
    fails(errno.EPIPE, writing.result)
    assert bytes(data) == b"still here"
    ring.unmap()
    os.close(descriptor)


def test_an_unblock_has_no_slot(name):
    with RingDriver(name, options=1) as ring:
        descriptor = ring.open()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGUSR1, lambda *_: None)
            with contextlib.suppress(BaseException):
                os.read(descriptor, 4)
            os._exit(0)
        given = ring.receive()

        told = []
        while not told:
            with contextlib.suppress(TimeoutError):
                told = ring.enter(1, WAIT, timeout=100)
            if not told:
                os.kill(child, signal.SIGUSR1)
        (unblock,) = told
        assert (unblock.subcmd, unblock.slot) == (UNBLOCK, NO_SLOT)
        assert unblock.transid == given.transid
        ring.reply(given, -errno.EINTR)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        ring.unregister()
        os.close(descriptor)


def test_a_close_comes_with_no_slot(ring):
    descriptor = ring.open()
    closing = start(os.close, descriptor)
    given = ring.receive()
    assert (given.subcmd, given.slot) == (CLOSE, NO_SLOT)
    ring.reply(given)
    closing.result()

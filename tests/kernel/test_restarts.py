# SPDX-License-Identifier: BSD-3-Clause
"""Calls that a signal, a stop, a tracer or a freezer ended, and that go on.

What was asked stays with the driver; the thread that makes the same call again
gets its answer. Nobody who asked for SA_RESTART sees EINTR, and no driver is
told that bytes were taken which nobody gets.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import select
import signal
import subprocess

import pytest

from support.forked_clients import (
    check,
    controls,
    has_edges,
    in_a_thread,
    in_threads,
    maps,
    may_block,
    opens,
    reads,
    reads_in_order,
    seeks,
    stops,
    waits_for_edges,
    writes,
)
from support.proc import state_of
from support.raw_driver import (
    CLOSE,
    IOCTL,
    MMAP,
    OPEN,
    POLL_DIFF,
    READ,
    UNBLOCK,
    WRITE,
    address_of,
    fails,
    libc,
)
from support.waiting import DEADLINE, wait_until

NO_ACCESS = 0
INPUT = 1

EXCHANGE = 3 << 30 | 8 << 16 | ord("T") << 8 | 1

# For each call: a step, the message, the driver's answer, what the client gets.
CALLS = {
    "read": (reads(10), READ, (4, b"data"), b"data"),
    "write": (writes(b"abc"), WRITE, (3,), 3),
    "ioctl": (controls(EXCHANGE), IOCTL, (0, b"answered"), b"answered"),
}
each_call = pytest.mark.parametrize("call", CALLS)


def took(driver, message, *answer):
    """Whether the driver was told that its answer goes to somebody."""
    try:
        driver.reply(message, *answer)
    except BrokenPipeError:
        return False
    return True


# The same request goes on


# What ends a wait without the client's program seeing it.
DISTURBANCES = {
    "stopped": lambda one: one.stop_and_go_on(),
    "restarted": lambda one: one.interrupt_and_wait(),
}
each_disturbance = pytest.mark.parametrize(
    "disturb", DISTURBANCES.values(), ids=DISTURBANCES
)


@each_disturbance
def test_an_open_goes_on(driver, client, disturb):
    one = client(opens())
    message = driver.expect(OPEN)
    for _ in range(3):
        disturb(one)
        assert driver.is_idle()
    driver.reply(message)
    assert one.result() == 0
    assert driver.is_idle()


@each_disturbance
@each_call
def test_a_call_goes_on(driver, reader, call, disturb):
    step, subcmd, answer, expected = CALLS[call]
    one = reader(step)
    message = driver.expect(subcmd)
    for _ in range(3):
        disturb(one)
        assert driver.is_idle()
    driver.reply(message, *answer)
    assert one.result() == expected


@each_disturbance
def test_a_mapping_goes_on(driver, reader, disturb):
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    one = reader(maps())
    message = driver.expect(MMAP)
    for _ in range(3):
        disturb(one)
        assert driver.is_idle()
    driver.reply(message, 0, arg=address_of(memory), length=mmap.PAGESIZE)
    assert one.result() == "mapped"


def test_an_open_that_fails_after_a_stop_has_no_close(driver, client):
    one = client(opens())
    message = driver.expect(OPEN)
    one.stop_and_go_on()
    driver.reply(message, -errno.EBUSY)
    assert one.result() == "EBUSY"
    assert driver.is_idle()


def test_an_answer_that_comes_while_the_client_is_stopped_is_its(driver, client):
    one = client(opens(), reads(10))
    message = driver.expect(OPEN)
    one.wait_for("S")
    one.stop()
    driver.reply(message)
    one.go_on()
    assert one.result() == 0
    message = driver.expect(READ)
    one.wait_for("S")
    one.stop()
    driver.reply(message, 4, b"data")
    one.go_on()
    assert one.result() == b"data"
    assert driver.is_idle()


def test_a_traced_client_sees_no_eintr(driver, reader):
    seize, interrupt, detach = 0x4206, 0x4207, 17
    one = reader(reads(10))
    message = driver.expect(READ)
    one.wait_for("S")
    for request in (seize, interrupt):
        check(libc.ptrace(request, one.pid, None, None))
    os.waitpid(one.pid, 0)
    check(libc.ptrace(detach, one.pid, None, None))
    one.wait_for("S")
    assert driver.is_idle()
    driver.reply(message, 4, b"data")
    assert one.result() == b"data"


@pytest.fixture
def freezer(tmp_path):
    """freezer(pid, wanted) freezes a process, or thaws it, by its control group."""
    mounted = subprocess.run(
        ["mount", "-t", "cgroup2", "none", tmp_path], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no control groups: {mounted.stderr.decode()}")
    group = tmp_path / "fusd-test"
    group.mkdir()

    def freeze(pid, wanted):
        (group / "cgroup.procs").write_text(str(pid))
        (group / "cgroup.freeze").write_text(str(int(wanted)))
        state = f"frozen {wanted:d}"
        wait_until(lambda: state in (group / "cgroup.events").read_text(), state)
        if not wanted:
            (tmp_path / "cgroup.procs").write_text(str(pid))

    yield freeze
    group.rmdir()
    subprocess.run(["umount", tmp_path], check=True)


def test_a_frozen_client_sees_no_eintr(driver, client, freezer):
    one = client(opens(), reads(10))
    for subcmd, answer, expected in ((OPEN, (0,), 0), (READ, (4, b"data"), b"data")):
        message = driver.expect(subcmd)
        one.wait_for("S")
        freezer(one.pid, True)
        freezer(one.pid, False)
        one.wait_for("S")
        assert driver.is_idle()
        driver.reply(message, *answer)
        assert one.result() == expected


# A driver that gives up because of the signal


@each_disturbance
@each_call
def test_a_driver_s_eintr_after_an_unblock_starts_the_call_anew(
    willing, reader, call, disturb
):
    step, subcmd, answer, expected = CALLS[call]
    one = reader(step, of=willing)
    message = willing.expect(subcmd)
    for _ in range(3):
        disturb(one)
        unblock = willing.expect(UNBLOCK)
        assert unblock.fops.transid == message.fops.transid
        willing.reply(message, -errno.EINTR)
        again = willing.expect(subcmd)
        assert again.fops.transid != message.fops.transid
        assert again.bytes == message.bytes
        message = again
    willing.reply(message, *answer)
    assert one.result() == expected


@each_call
def test_a_driver_s_eintr_while_the_client_is_stopped_starts_it_anew(
    willing, reader, call
):
    step, subcmd, answer, expected = CALLS[call]
    one = reader(step, of=willing)
    message = willing.expect(subcmd)
    one.wait_for("S")
    one.stop()
    willing.expect(UNBLOCK)
    willing.reply(message, -errno.EINTR)
    one.go_on()
    willing.reply(willing.expect(subcmd), *answer)
    assert one.result() == expected


@each_disturbance
def test_an_open_given_up_after_an_unblock_starts_anew(willing, client, disturb):
    one = client(opens(), of=willing)
    message = willing.expect(OPEN)
    disturb(one)
    willing.expect(UNBLOCK)
    willing.reply(message, -errno.EINTR)
    willing.reply(willing.expect(OPEN))
    assert one.result() == 0
    assert willing.is_idle()


@each_call
def test_a_client_without_sa_restart_sees_eintr(willing, reader, call):
    step, subcmd, _, _ = CALLS[call]
    one = reader(step, of=willing, restart=False)
    message = willing.expect(subcmd)
    one.interrupt()
    willing.expect(UNBLOCK)
    took(willing, message, -errno.EINTR)
    assert one.result() == "EINTR"


@each_disturbance
def test_a_driver_may_answer_in_part_after_an_unblock(willing, reader, disturb):
    one = reader(reads(10), of=willing)
    message = willing.expect(READ)
    disturb(one)
    willing.expect(UNBLOCK)
    willing.reply(message, 2, b"pa")
    assert one.result() == b"pa"


# Calls that are made otherwise


def test_a_call_again_honours_o_nonblock_as_it_is_now(driver, reader):
    one = reader(reads(10), may_block(False), reads(10), restart=False)
    message = driver.expect(READ)
    one.interrupt()
    assert one.result() == "EINTR"
    one.result()
    again = driver.expect(READ)
    assert again.fops.flags & os.O_NONBLOCK
    assert not took(driver, message, 1, b"x")
    driver.reply(again, -errno.EAGAIN)
    assert one.result() == "EAGAIN"


def test_an_open_with_other_flags_is_another_and_the_first_is_closed(driver, client):
    one = client(opens(os.O_RDWR), opens(os.O_RDONLY), restart=False)
    message = driver.expect(OPEN)
    one.interrupt()
    assert one.result() == "EINTR"
    other = driver.expect(OPEN)
    assert other.fops.flags & os.O_ACCMODE == os.O_RDONLY
    if took(driver, message, 0):
        close = driver.expect(CLOSE)
        assert close.fops.fusd_file == message.fops.fusd_file
        driver.reply(close)
    driver.reply(other)
    assert one.result() == 0
    assert driver.is_idle()


@pytest.mark.parametrize("result", [0, -errno.ENXIO])
def test_an_open_whose_thread_is_gone_has_one_close_if_it_succeeds(
    driver, client, result
):
    one = client(in_a_thread(opens()), restart=False)
    message = driver.expect(OPEN)
    one.interrupt(one.result())
    assert one.result() == "EINTR"
    driver.reply(message, result, private_info=0x1234)
    if result == 0:
        close = driver.expect(CLOSE)
        assert close.fops.private_info == 0x1234
        assert close.fops.fusd_file == message.fops.fusd_file
        driver.reply(close)
    assert driver.is_idle()
    fails(errno.EPIPE, lambda: driver.reply(message))


def test_signals_neither_repeat_nor_lose_what_is_read(driver, reader):
    one = reader(reads_in_order(300))
    while one.is_silent():
        if driver.is_idle():
            select.select([driver.fd, one.output], [], [], DEADLINE)
            continue
        # A signal takes back what was not received yet.
        with contextlib.suppress(BlockingIOError):
            message = driver.expect(READ)
            driver.reply(message, 8, message.fops.offset.to_bytes(8, "little"))
    assert one.result() == "in order"


# Answers that nobody fetches


def read_with_eintr(driver, reader, *then):
    """A client that sees EINTR after its read was answered, while it was stopped."""
    one = reader(reads(10), *then, restart=False)
    message = driver.expect(READ)
    one.wait_for("S")
    one.stop()
    driver.reply(message, 4, b"kept")
    one.send()
    one.go_on()
    assert one.result() == "EINTR"
    return one


def test_an_answer_that_was_taken_goes_to_the_next_read(driver, reader):
    one = read_with_eintr(driver, reader, reads(10))
    assert one.result() == b"kept"
    assert driver.is_idle()


def test_an_answer_that_was_taken_goes_to_another_thread(driver, reader):
    one = read_with_eintr(driver, reader, in_a_thread(reads(20)))
    one.result()
    assert one.result() == b"kept"
    assert driver.is_idle()


def test_an_answer_that_was_taken_survives_another_call(driver, reader):
    one = read_with_eintr(driver, reader, writes(b"abc"), reads(20))
    driver.reply(driver.expect(WRITE), 3)
    assert one.result() == 3
    assert one.result() == b"kept"


def test_an_answer_that_was_taken_stays_where_it_was_read(driver, reader):
    one = read_with_eintr(driver, reader, seeks(100), reads(10), seeks(0), reads(10))
    assert one.result() == 100
    message = driver.expect(READ)
    assert message.fops.offset == 100
    driver.reply(message, 5, b"other")
    assert one.result() == b"other"
    assert one.result() == 0
    assert one.result() == b"kept"


def test_what_a_reader_could_not_take_stays_where_it_was_read(driver, reader):
    def reads_to_a_bad_page(client):
        memory = mmap.mmap(-1, 2 * mmap.PAGESIZE)
        bad_page = address_of(memory) + mmap.PAGESIZE
        check(libc.mprotect(ctypes.c_void_p(bad_page), mmap.PAGESIZE, NO_ACCESS))
        return check(libc.read(client.fd, ctypes.c_void_p(bad_page - 3), 10))

    one = reader(reads_to_a_bad_page, seeks(0), reads(10), seeks(3), reads(10))
    driver.reply(driver.expect(READ), 10, b"0123456789")
    assert one.result() == 3
    assert one.result() == 0
    driver.reply(driver.expect(READ), 3, b"012")
    assert one.result() == b"012"
    assert one.result() == 3
    assert one.result() == b"3456789"


def test_a_read_of_an_answer_that_was_taken_is_an_edge(driver, reader):
    """The driver, who was asked for an earlier read, tells no change after it."""
    one = read_with_eintr(
        driver,
        reader,
        waits_for_edges(select.EPOLLIN),
        stops,
        has_edges,
        reads(10),
        has_edges,
    )
    assert one.result() is None
    driver.reply(driver.expect(POLL_DIFF), INPUT)
    one.wait_for("T")
    one.go_on()
    assert one.result() is None
    assert one.result() == [select.EPOLLIN]
    assert one.result() == b"kept"
    assert one.result() == [select.EPOLLIN]


def test_an_answer_that_was_taken_goes_to_shorter_reads_whole(driver, reader):
    one = read_with_eintr(driver, reader, reads(3), reads(3))
    assert one.result() == b"kep"
    assert one.result() == b"t"


@pytest.mark.parametrize("call", ["write", "ioctl"])
def test_an_answer_to_a_thread_that_is_gone_is_epipe(driver, reader, call):
    step, subcmd, answer, _ = CALLS[call]
    one = reader(in_a_thread(step), restart=False)
    thread = one.result()
    message = driver.expect(subcmd)
    one.interrupt(thread)
    assert one.result() == "EINTR"
    fails(errno.EPIPE, lambda: driver.reply(message, *answer))


def test_data_for_a_client_that_saw_eintr_is_refused(driver, reader):
    """Taken, it would be lost with the open file: this client reads no more."""
    one = reader(reads(10), restart=False)
    message = driver.expect(READ)
    one.interrupt()
    assert one.result() == "EINTR"
    one.wait_for("S")
    fails(errno.EPIPE, lambda: driver.reply(message, 5, b"first"))
    assert driver.is_idle()


def test_a_client_that_saw_eintr_and_reads_again_has_its_answer(driver, reader):
    one = reader(reads(10), reads(10), restart=False)
    message = driver.expect(READ)
    one.interrupt()
    assert one.result() == "EINTR"
    one.wait_for("S")
    assert driver.is_idle()
    driver.reply(message, 4, b"data")
    assert one.result() == b"data"


def test_taken_answers_come_in_their_order_and_are_bounded(driver, reader):
    count = 20
    one = reader(in_threads(count, reads(10)), *[reads(10)] * count, restart=False)
    threads = one.result()
    messages = [driver.expect(READ) for _ in threads]
    for thread in threads:
        one.wait_for("S", thread)
    one.stop()
    for thread in threads:
        one.wait_for("T", thread)
    taken = [
        b"%d" % number
        for number, message in enumerate(messages)
        if took(driver, message, len(b"%d" % number), b"%d" % number)
    ]
    assert 0 < len(taken) < count
    for thread in threads:
        one.send(thread)
    one.go_on()
    assert one.result() == ["EINTR"] * count
    assert [one.result() for _ in taken] == taken
    # And now the driver is asked.
    driver.reply(driver.expect(READ), 3, b"new")
    assert one.result() == b"new"


def test_threads_that_left_do_not_take_each_other_s_calls(driver, reader):
    """Two threads in the same call: each has its own request."""
    one = reader(in_a_thread(writes(b"abc")), in_a_thread(writes(b"abc")))
    results = []
    for _ in range(2):
        thread = one.result()
        message = driver.expect(WRITE)
        one.interrupt_and_wait(thread)
        assert driver.is_idle()
        driver.reply(message, 3 - len(results))
        results.append(one.result())
    assert results == [3, 2]


def test_a_stopped_client_that_is_killed_leaves_nothing(driver, client):
    one = client(opens())
    message = driver.expect(OPEN)
    one.wait_for("S")
    one.stop()
    os.kill(one.pid, signal.SIGKILL)
    wait_until(lambda: state_of(one.pid) == "Z", "its end")
    if took(driver, message, 0):
        driver.reply(driver.expect(CLOSE))
    assert driver.is_idle()

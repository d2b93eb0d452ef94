# SPDX-License-Identifier: BSD-3-Clause
"""Poll: while anybody may be waiting, a poll_diff is with the driver.

Or the waiters have just been woken, whatever they wait for. No change is lost,
and a client that does not poll costs its driver no message.
"""

import errno
import fcntl
import os
import select

import pytest

from support.background import Background, start
from support.forked_clients import check
from support.raw_driver import (
    CLOSE,
    IOCTL,
    NONBLOCK,
    OPEN,
    OPTION_ALWAYS_READY,
    POLL_DIFF,
    READ,
    WRITE,
    Driver,
    fails,
    libc,
)
from support.waiting import DEADLINE

IN, OUT, EXCEPT, ERROR, HANGUP = 1, 2, 4, 8, 16


def by_poll(descriptor, events):
    poller = select.poll()
    poller.register(descriptor, events)
    return lambda: [found for _, found in poller.poll(DEADLINE * 1000)]


def by_epoll(descriptor, events):
    poller = select.epoll()
    poller.register(descriptor, events)
    return lambda: [found for _, found in poller.poll(DEADLINE)]


def by_select(descriptor, events):
    wanted = [
        [descriptor] if events & mask else []
        for mask in (select.POLLIN, select.POLLOUT, select.POLLPRI)
    ]

    def wait():
        found = select.select(*wanted, DEADLINE)
        masks = zip(found, (select.POLLIN, select.POLLOUT, select.POLLPRI))
        return [mask for ready, mask in masks if ready]

    return wait


each_way = pytest.mark.parametrize("waiter", [by_poll, by_epoll, by_select])


def asked(driver, state):
    """The poll_diff that believes in this state, which comes next."""
    message = driver.expect(POLL_DIFF)
    assert message.cmd == NONBLOCK
    assert message.fops.cmd == state
    return message


def transfer(driver, descriptor, subcmd):
    """A read or write; returns the messages that came besides."""
    call, result = {
        READ: ((os.read, descriptor, 1), (1, b"x")),
        WRITE: ((os.write, descriptor, b"x"), (1,)),
    }[subcmd]
    besides = []
    with Background(*call) as running:
        while (message := driver.receive()).subcmd != subcmd:
            besides.append(message)
        driver.reply(message, *result)
        running.result()
    return besides


def poll_now(descriptor):
    """What a look at the device shows that waits for nothing."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN | select.POLLOUT | select.POLLPRI)
    ready = poller.poll(0)
    return ready[0][1] if ready else 0


def test_a_state_is_asked_for_once_until_it_is_answered(opened):
    driver, descriptor = opened
    assert poll_now(descriptor) == 0
    message = asked(driver, 0)
    assert poll_now(descriptor) == 0
    assert driver.is_idle()
    driver.reply(message, IN)
    assert poll_now(descriptor) == select.POLLIN
    asked(driver, IN)


def test_a_read_makes_in_unknown_and_replaces_what_was_asked(opened):
    driver, descriptor = opened
    assert poll_now(descriptor) == 0
    driver.reply(asked(driver, 0), IN)
    assert poll_now(descriptor) == select.POLLIN
    replaced = asked(driver, IN)
    assert transfer(driver, descriptor, READ) == []
    assert poll_now(descriptor) == 0
    message = asked(driver, 0)
    fails(errno.EPIPE, lambda: driver.reply(replaced, IN | OUT))
    driver.reply(message, OUT | EXCEPT)
    assert poll_now(descriptor) == select.POLLOUT | select.POLLPRI


def test_a_write_makes_out_unknown_and_leaves_the_rest(opened):
    driver, descriptor = opened
    assert poll_now(descriptor) == 0
    driver.reply(asked(driver, 0), OUT | EXCEPT)
    assert poll_now(descriptor) == select.POLLOUT | select.POLLPRI
    before = transfer(driver, descriptor, WRITE)
    assert [message.fops.cmd for message in before] == [OUT | EXCEPT]
    assert poll_now(descriptor) == select.POLLPRI
    asked(driver, EXCEPT)


def test_who_looks_after_a_negative_answer_asks_no_more(opened):
    driver, descriptor = opened
    assert poll_now(descriptor) == 0
    driver.reply(asked(driver, 0), EXCEPT)
    assert poll_now(descriptor) == select.POLLPRI
    driver.reply(asked(driver, EXCEPT), -1)
    assert poll_now(descriptor) == select.POLLPRI
    assert driver.is_idle()


def test_an_answer_wakes_who_polls(opened):
    driver, descriptor = opened
    poller = select.epoll()
    poller.register(descriptor, select.EPOLLIN)
    with Background(poller.poll, DEADLINE) as polling:
        driver.reply(asked(driver, 0), IN)
        assert polling.result() == [(descriptor, select.EPOLLIN)]
    poller.close()


def test_a_dead_driver_wakes_who_polls_with_the_exception_set(opened):
    driver, descriptor = opened
    with Background(select.select, [], [], [descriptor], DEADLINE) as selecting:
        asked(driver, 0)
        driver.unregister()
        assert selecting.result() == ([], [], [descriptor])


def test_a_driver_without_poll_is_always_ready_and_never_asked(name):
    with Driver(name, options=OPTION_ALWAYS_READY) as driver:
        descriptor = driver.open()
        assert poll_now(descriptor) == select.POLLIN | select.POLLOUT
        assert driver.is_idle()
    os.close(descriptor)


@each_way
def test_who_waits_for_out_is_woken_after_an_answer_in(opened, waiter):
    driver, descriptor = opened
    wait = start(waiter(descriptor, select.POLLOUT))
    driver.reply(asked(driver, 0), IN)
    driver.reply(asked(driver, IN), IN | OUT)
    assert wait.result() == [select.POLLOUT]


@each_way
def test_who_waits_for_in_is_woken_after_an_answer_out(opened, waiter):
    driver, descriptor = opened
    wait = start(waiter(descriptor, select.POLLIN))
    driver.reply(asked(driver, 0), OUT)
    driver.reply(asked(driver, OUT), EXCEPT | OUT)
    driver.reply(asked(driver, EXCEPT | OUT), IN)
    assert wait.result() == [select.POLLIN]


@each_way
def test_a_command_is_written_and_its_answer_waited_for(opened, waiter):
    """The write clears OUT, which says nothing about the answer."""
    driver, descriptor = opened
    out = start(waiter(descriptor, select.POLLOUT))
    driver.reply(asked(driver, 0), OUT)
    assert out.result() == [select.POLLOUT]
    transfer(driver, descriptor, WRITE)
    answer = start(waiter(descriptor, select.POLLIN))
    driver.reply(asked(driver, 0), OUT)
    driver.reply(asked(driver, OUT), IN | OUT)
    assert answer.result() == [select.POLLIN]


@pytest.mark.parametrize("is_dup", [False, True], ids=["threads", "descriptors"])
@each_way
def test_an_answer_to_one_waiter_leaves_the_other_one_waiting(opened, waiter, is_dup):
    driver, descriptor = opened
    second = os.dup(descriptor) if is_dup else descriptor
    reader = start(waiter(descriptor, select.POLLIN))
    message = asked(driver, 0)
    writer = start(waiter(second, select.POLLOUT))
    driver.reply(message, IN)
    assert reader.result() == [select.POLLIN]
    driver.reply(asked(driver, IN), IN | OUT)
    assert writer.result() == [select.POLLOUT]
    if is_dup:
        os.close(second)


@pytest.mark.parametrize(
    ("events", "state", "subcmd"),
    [(select.EPOLLIN, IN, READ), (select.EPOLLOUT, OUT, WRITE)],
    ids=["in", "out"],
)
def test_an_edge_triggered_waiter_gets_each_change(opened, events, state, subcmd):
    """It does not poll again between; nobody but the module can ask for it."""
    driver, descriptor = opened
    poller = select.epoll()
    poller.register(descriptor, events | select.EPOLLET)
    message = asked(driver, 0)
    for _ in range(3):
        driver.reply(message, state)
        assert poller.poll(DEADLINE) == [(descriptor, events)]
        besides = transfer(driver, descriptor, subcmd)
        while not (besides and besides[-1].fops.cmd == 0):
            besides.append(driver.expect(POLL_DIFF))
        message = besides[-1]
    poller.close()


def test_an_edge_triggered_waiter_for_both_gets_in_after_out(opened):
    driver, descriptor = opened
    poller = select.epoll()
    both = select.EPOLLIN | select.EPOLLOUT
    poller.register(descriptor, both | select.EPOLLET)
    driver.reply(asked(driver, 0), OUT)
    assert poller.poll(DEADLINE) == [(descriptor, select.EPOLLOUT)]
    driver.reply(asked(driver, OUT), IN | OUT)
    assert poller.poll(DEADLINE) == [(descriptor, both)]
    poller.close()


def test_a_one_shot_waiter_gets_the_next_change_when_it_asks_again(opened):
    driver, descriptor = opened
    poller = select.epoll()
    poller.register(descriptor, select.EPOLLIN | select.EPOLLONESHOT)
    driver.reply(asked(driver, 0), IN)
    assert poller.poll(DEADLINE) == [(descriptor, select.EPOLLIN)]
    transfer(driver, descriptor, READ)
    poller.modify(descriptor, select.EPOLLIN | select.EPOLLONESHOT)
    while (message := driver.expect(POLL_DIFF)).fops.cmd != 0:
        pass
    driver.reply(message, IN)
    assert poller.poll(DEADLINE) == [(descriptor, select.EPOLLIN)]
    poller.close()


def test_a_waiter_in_another_process_is_woken(opened):
    driver, descriptor = opened
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(driver.fd)
        os.write(sender, b"%d" % by_poll(descriptor, select.POLLOUT)()[0])
        os._exit(0)
    driver.reply(asked(driver, 0), IN)
    driver.reply(asked(driver, IN), OUT)
    assert select.select([receiver], [], [], DEADLINE)[0]
    assert os.read(receiver, 10) == b"%d" % select.POLLOUT
    os.waitpid(child, 0)
    os.close(receiver)
    os.close(sender)


def test_who_does_not_poll_costs_no_message(opened):
    driver, descriptor = opened
    for _ in range(3):
        assert transfer(driver, descriptor, READ) == []
        assert transfer(driver, descriptor, WRITE) == []
        assert driver.is_idle()
    # Nor does one that only looked, and waits no more.
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    assert poller.poll(0) == []
    driver.reply(asked(driver, 0), IN)
    assert driver.is_idle()
    assert transfer(driver, descriptor, READ) == []
    assert driver.is_idle()


@pytest.mark.parametrize(
    ("state", "events"),
    [(ERROR, select.POLLERR), (HANGUP, select.POLLHUP), (ERROR | HANGUP | IN, None)],
)
def test_a_driver_says_error_and_hangup(opened, state, events):
    driver, descriptor = opened
    events = events or select.POLLERR | select.POLLHUP | select.POLLIN
    wait = start(by_poll(descriptor, select.POLLIN))
    driver.reply(asked(driver, 0), state)
    assert wait.result() == [events]
    assert by_poll(descriptor, 0)() == [events & ~select.POLLIN]
    assert asked(driver, state)
    # And that it is over.
    transfer(driver, descriptor, READ)
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    assert poller.poll(0) == [(descriptor, events & ~select.POLLIN)]


def test_bits_that_are_none_are_not_believed(opened):
    driver, descriptor = opened
    wait = start(by_poll(descriptor, select.POLLIN))
    driver.reply(asked(driver, 0), IN | 0x7FFFFFE0)
    assert wait.result() == [select.POLLIN]
    assert by_poll(descriptor, select.POLLIN)() == [select.POLLIN]
    asked(driver, IN)


def test_a_negative_answer_ends_the_asking(opened):
    driver, descriptor = opened
    poller = select.epoll()
    poller.register(descriptor, select.EPOLLOUT | select.EPOLLET)
    driver.reply(asked(driver, 0), IN)
    assert poller.poll(0) == []
    driver.reply(asked(driver, IN), -1)
    transfer(driver, descriptor, WRITE)
    assert driver.is_idle()
    poller.close()


# What a message says of its client


def test_flags_and_position_are_the_current_ones_in_each_message(opened):
    driver, descriptor = opened
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    for number, flag in enumerate((os.O_NONBLOCK, 0, os.O_APPEND), 1):
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        clean = flags & ~(os.O_NONBLOCK | os.O_APPEND)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, clean | flag)
        os.lseek(descriptor, 1000 * number, os.SEEK_SET)
        messages = []
        with Background(fcntl.ioctl, descriptor, 0x1234):
            messages.append(driver.expect(IOCTL))
            driver.reply(messages[-1])
        assert poller.poll(0) == []
        messages.append(driver.expect(POLL_DIFF))
        for message in messages:
            assert message.fops.flags & (os.O_NONBLOCK | os.O_APPEND) == flag
            assert message.fops.offset == 1000 * number
        # So that the next poll asks again.
        driver.reply(messages[-1], OUT)
        transfer(driver, descriptor, WRITE)


@pytest.mark.parametrize("result", [1, -errno.EIO], ids=["answered", "failed"])
def test_a_poll_diff_after_a_transfer_tells_the_file_s_own_position(opened, result):
    driver, descriptor = opened
    os.lseek(descriptor, 1000, os.SEEK_SET)
    with select.epoll() as poller:
        poller.register(descriptor, select.EPOLLIN | select.EPOLLET)
        driver.reply(asked(driver, 0), IN)
        assert poller.poll(DEADLINE)
        asked(driver, IN)
        with Background(os.pread, descriptor, 1, 5000):
            message = driver.expect(READ)
            driver.reply(
                message,
                result,
                b"x" if result > 0 else None,
                offset=7000,
                flags=message.fops.flags | os.O_NONBLOCK,
            )
        message = asked(driver, 0)
        assert message.fops.offset == 1000
        assert message.fops.flags & os.O_NONBLOCK


USER = 1234


def as_user(function, *arguments):
    """A process of another user that makes the call; returns its id."""
    child = os.fork()
    if child:
        return child
    try:
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
        function(*arguments)
    finally:
        os._exit(0)


def ids(message):
    return message.fops.pid, message.fops.uid, message.fops.gid


def test_a_poll_diff_names_the_client_that_it_is_for(opened):
    """Also if the driver's own answer was the cause of it."""
    driver, descriptor = opened

    def wait_and_read():
        os.close(driver.fd)
        poller = select.epoll()
        poller.register(descriptor, select.EPOLLOUT | select.EPOLLIN | select.EPOLLET)
        poller.poll(DEADLINE)
        check(libc.read(descriptor, bytes(10), 10))
        poller.poll(DEADLINE)

    child = as_user(wait_and_read)
    expected = (child, USER, USER)
    message = asked(driver, 0)
    assert ids(message) == expected
    driver.reply(message, IN)
    is_first = True
    # What was believed before the read, and what after it.
    while message.subcmd != POLL_DIFF or message.fops.cmd != 0 or is_first:
        message = driver.receive()
        assert message.subcmd in (READ, POLL_DIFF)
        assert ids(message) == expected
        if message.subcmd == READ:
            driver.reply(message, 1, b"x")
            is_first = False
    driver.reply(message, IN)
    os.waitpid(child, 0)


def test_the_close_of_an_abandoned_open_names_its_client(driver):
    child = as_user(os.open, driver.path, os.O_RDWR)
    message = driver.expect(OPEN)
    assert ids(message) == (child, USER, USER)
    os.kill(child, 9)
    os.waitpid(child, 0)
    driver.reply(message)
    close = driver.expect(CLOSE)
    assert ids(close) == (child, USER, USER)
    driver.reply(close)


def test_a_late_answer_to_a_poll_diff_is_epipe(opened):
    driver, descriptor = opened
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    poller.poll(0)
    message = asked(driver, 0)
    driver.reply(message, IN)
    fails(errno.EPIPE, lambda: driver.reply(message, IN))

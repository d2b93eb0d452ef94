# SPDX-License-Identifier: BSD-3-Clause
"""Who waits is woken, whatever it waits for, and whoever else does."""

import os
import select

import pytest

from support.waiting import wait_until

INPUT, OUTPUT, EXCEPT = 1, 2, 4
IN, OUT, PRI = select.POLLIN, select.POLLOUT, select.POLLPRI
EDGE, ONESHOT = select.EPOLLET, select.EPOLLONESHOT
AGAIN = -11


@pytest.fixture
def opened(driver, client):
    served, caller = driver("hold:device"), client()
    return served, caller, caller("open", served.path, os.O_RDWR | os.O_NONBLOCK)


def transfer(served, caller, operation, descriptor, answer):
    data = "x" if operation == "write" else 1
    caller.start(operation, descriptor, data)
    served.expect("hold")
    assert served.answer(answer, "x" if answer > 0 else "") == 0
    if answer < 0:
        assert caller.failure() == "EAGAIN"
    else:
        caller.result()


def woken(caller):
    """A wait without end has ended."""
    wait_until(caller.has_answered, "the wake-up")
    return caller.result()


@pytest.mark.parametrize("is_forked", [False, True])
def test_each_of_two_waiters_is_woken_by_its_own_event(opened, is_forked):
    served, caller, descriptor = opened
    caller("start_polling", descriptor, OUT, is_forked)
    for _ in range(2):
        served.command(f"state {INPUT}", "state")
        caller.start("poll", descriptor, IN, -1)
        assert woken(caller) == IN
        transfer(served, caller, "read", descriptor, 1)
    served.command(f"state {INPUT | OUTPUT}", "state")
    caller.start("polled")
    assert woken(caller) == [OUT]


def test_all_who_share_an_open_file_are_woken(opened):
    served, caller, descriptor = opened
    duplicate = caller("dup", descriptor)
    for which in (descriptor, duplicate):
        for is_forked in (True, False):
            caller("start_polling", which, IN | PRI, is_forked)
    epoll = caller("watch", [descriptor, duplicate], IN | EDGE)
    served.command(f"state {EXCEPT}", "state")
    served.command(f"state {INPUT | EXCEPT}", "state")
    caller.start("polled")
    assert all(events & PRI and not events & OUT for events in woken(caller))
    caller.start("watched", epoll, -1)
    assert woken(caller)


@pytest.mark.parametrize("announces", ["state", "silent"])
@pytest.mark.parametrize(
    ("bit", "event", "operation"), [(INPUT, IN, "read"), (OUTPUT, OUT, "write")]
)
def test_an_edge_triggered_waiter_that_drained_is_woken_again(
    opened, announces, bit, event, operation
):
    served, caller, descriptor = opened
    epoll = caller("watch", [descriptor], event | EDGE)
    for _ in range(3):
        caller.start("watched", epoll, -1)
        served.command(f"state {bit}", "state")
        assert woken(caller) == [[descriptor, event]]
        # A driver need not say that it is ready no more: the transfer did.
        served.command(f"{announces} 0", "state")
        transfer(served, caller, operation, descriptor, 1)
        transfer(served, caller, operation, descriptor, AGAIN)
        assert caller("watched", epoll, 0) == []


def test_an_edge_triggered_waiter_hears_once_of_what_it_leaves(opened):
    served, caller, descriptor = opened
    epoll = caller("watch", [descriptor], IN | OUT | EDGE)
    caller.start("watched", epoll, -1)
    served.command(f"state {INPUT}", "state")
    assert woken(caller) == [[descriptor, IN]]
    assert caller("watched", epoll, 0) == []
    caller.start("watched", epoll, -1)
    served.command(f"state {INPUT | OUTPUT}", "state")
    assert woken(caller) == [[descriptor, IN | OUT]]
    assert caller("watched", epoll, 0) == []


def test_a_one_shot_waiter_is_woken_once_for_each_arming(opened):
    served, caller, descriptor = opened
    epoll = caller("watch", [descriptor], IN | ONESHOT)
    for _ in range(2):
        caller.start("watched", epoll, -1)
        served.command(f"state {INPUT}", "state")
        assert woken(caller) == [[descriptor, IN]]
        served.command("state 0", "state")
        served.command(f"state {INPUT}", "state")
        assert caller("watched", epoll, 0) == []
        transfer(served, caller, "read", descriptor, 1)
        served.command("silent 0", "state")
        caller("rewatch", epoll, descriptor, IN | ONESHOT)


def test_who_wrote_a_command_selects_for_its_answer(opened):
    served, caller, descriptor = opened
    served.command(f"state {OUTPUT}", "state")
    caller.start("poll", descriptor, OUT, -1)
    assert woken(caller) == OUT
    for _ in range(2):
        transfer(served, caller, "write", descriptor, 1)
        caller.start("select_in", descriptor)
        served.command(f"state {INPUT | OUTPUT}", "state")
        assert woken(caller)
        served.command(f"silent {OUTPUT}", "state")
        transfer(served, caller, "read", descriptor, 1)

# SPDX-License-Identifier: BSD-3-Clause
"""Held requests, signals to their clients, and poll."""

import os
import select
import signal

import pytest

from support.proc import state_of
from support.waiting import DEADLINE, wait_until


@pytest.fixture
def opened(driver, client):
    served, caller = driver("hold:device"), client()
    return served, caller, caller("open", served.path, os.O_RDWR)


def test_a_held_read_is_answered_later(opened):
    served, caller, descriptor = opened
    caller.start("read", descriptor, 100)
    served.expect("hold")
    assert served.answer(5, "later") == 0
    assert caller.result() == "later"


@pytest.mark.parametrize(
    ("operation", "arguments", "result"),
    [
        ("read", (10,), -61),
        ("write", ("hello",), 3),
        ("write", ("hello",), -28),
        ("ioctl", (0x1234, 0), 9),
        ("ioctl", (0x1234, 0), -22),
    ],
)
def test_any_held_operation_is_answered(opened, operation, arguments, result):
    served, caller, descriptor = opened
    caller.start(operation, descriptor, *arguments)
    assert served.expect("hold") == f"hold {operation}"
    assert served.answer(result) == 0
    if result < 0:
        with pytest.raises(OSError) as caught:
            caller.result()
        assert caught.value.errno == -result
    else:
        answer = caller.result()
        assert (answer[0] if operation == "ioctl" else answer) == result


def test_calls_on_one_open_file_run_beside_each_other_or_in_turn(opened, holds):
    served, caller, descriptor = opened
    caller.start("write_while_reading", descriptor, "hello")
    served.expect("hold")
    if holds("concurrent"):
        served.expect("hold")
    # One of them in any case: the other's turn comes with this answer, and may
    # be seen before the driver says that it answered.
    assert served.answer(1, "x") == 0
    assert len(served.collect("hold", 2)) == 2
    assert served.answer(1, "x") == 0
    assert caller.result() == 1


def test_fifty_clients_are_held_at_once(driver, client):
    served = driver("hold:device")
    clients = [client() for _ in range(50)]
    for caller in clients:
        descriptor = caller("open", served.path, os.O_RDWR)
        caller.start("read", descriptor, 10)
        served.expect("hold")
    for _ in clients:
        assert served.answer(3, "yes") == 0
    assert all(caller.result() == "yes" for caller in clients)


def test_a_client_killed_while_held_is_closed_and_leaks_nothing(driver, client):
    served = driver("hold:device")
    for round in range(20):
        caller = client()
        caller.start("read", caller("open", served.path, os.O_RDWR), 100_000)
        served.expect("hold")
        caller.stop()
        served.expect("close")
        assert served.answer(3, "abc") in (0, 32)
        if round == 4:
            before = served.resident_kilobytes()
    assert served.resident_kilobytes() - before < 4096


def test_a_destroyed_request_s_client_can_still_be_killed(opened, language):
    served, caller, descriptor = opened
    caller.start("read", descriptor, 10)
    served.expect("hold")
    served.command("destroy", "destroyed")
    caller.stop()
    served.expect("close")


def signalled(served, caller, descriptor, restart):
    caller("handle_signal", restart)
    caller.start("raw_read", descriptor, 10)
    served.expect("hold")
    caller.process.send_signal(signal.SIGUSR1)


def test_a_signal_without_restart_ends_the_call(opened, holds):
    served, caller, descriptor = opened
    signalled(served, caller, descriptor, restart=False)
    assert caller.failure() == "EINTR"
    if holds("restart"):
        served.answer(0)
    else:
        served.expect("unblock")
        assert served.answer(0) == 32


def test_a_signal_with_restart_does_what_the_transport_says(opened, holds):
    served, caller, descriptor = opened
    signalled(served, caller, descriptor, restart=True)
    if holds("restart"):
        assert served.answer(4, "same") == 0
        assert caller.result() == "same"
    else:
        served.expect("unblock")
        assert caller.failure() == "EINTR"
        assert served.answer(4, "same") == 32


def test_a_device_goes_on_after_interruptions(opened, holds):
    served, caller, descriptor = opened
    for number in range(20):
        signalled(served, caller, descriptor, restart=False)
        assert caller.failure() == "EINTR"
        answer = f"answer-{number:03}"
        error = served.answer(len(answer), answer)
        if holds("restart"):
            # Nobody is told that it was taken: the client may never read again.
            assert error == 32
    caller.start("read", descriptor, 10)
    served.expect("hold")
    assert served.answer(2, "ok") == 0
    assert caller.result() == "ok"


def test_another_call_does_not_get_an_interrupted_one_s_answer(opened):
    served, caller, descriptor = opened
    signalled(served, caller, descriptor, restart=False)
    assert caller.failure() == "EINTR"
    caller.start("read", descriptor, 7)
    served.expect("hold")
    served.answer(5, "first")
    assert served.answer(6, "second") == 0
    assert caller.result() == "second"


INPUT, OUTPUT, EXCEPT, ERROR, HANGUP = 1, 2, 4, 8, 16
EVENTS = {INPUT: select.POLLIN, OUTPUT: select.POLLOUT, EXCEPT: select.POLLPRI}
ENDS = {ERROR: select.POLLERR, HANGUP: select.POLLHUP}
ALL = select.POLLIN | select.POLLOUT | select.POLLPRI


@pytest.mark.parametrize("state", range(8))
def test_poll_shows_the_driver_s_state(opened, state):
    served, caller, descriptor = opened
    served.command(f"state {state}", "state")
    expected = sum(event for bit, event in EVENTS.items() if state & bit)
    # The first may still show the state of before; the change wakes the next.
    if expected:
        assert caller("poll", descriptor, ALL, 20_000) == expected
    else:
        assert caller("poll", descriptor, ALL, 0) == 0


@pytest.mark.parametrize("state", [ERROR, HANGUP, ERROR | HANGUP | INPUT])
def test_an_error_or_a_hangup_wakes_every_poll(opened, state):
    served, caller, descriptor = opened
    caller.start("poll", descriptor, select.POLLOUT, 20_000)
    served.command(f"state {state}", "state")
    expected = sum(event for bit, event in ENDS.items() if state & bit)
    assert caller.result() == expected
    # Reads clear input alone.
    caller.start("read", descriptor, 1)
    served.expect("hold")
    served.answer(1, "x")
    caller.result()
    assert caller("poll", descriptor, 0, 20_000) == expected


def test_a_change_wakes_those_who_poll(driver, client):
    served = driver("hold:device")
    clients = [client() for _ in range(8)]
    for caller in clients:
        descriptor = caller("open", served.path, os.O_RDWR)
        assert caller("poll", descriptor, ALL, 0) == 0
        caller.start("poll", descriptor, ALL, 20_000)
    served.command(f"state {INPUT}", "state")
    assert [caller.result() for caller in clients] == [select.POLLIN] * 8


def test_poll_goes_back_when_the_state_does(opened):
    served, caller, descriptor = opened

    def idle():
        return caller("poll", descriptor, ALL, 0) == 0

    for _ in range(10):
        served.command(f"state {INPUT}", "state")
        assert caller("poll", descriptor, ALL, 20_000) == select.POLLIN
        served.command("state 0", "state")
        wait_until(idle, "the state 0")


def test_poll_waits_for_a_busy_driver_where_the_transport_says(driver, client, holds):
    served, first, second = driver("closing:device"), client(), client()
    busy = first("open", served.path, os.O_RDWR)
    descriptor = second("open", served.path, os.O_RDWR)
    first.start("close", busy)
    served.expect("closing")
    second.start("poll", descriptor, select.POLLIN | select.POLLOUT, 0)
    if holds("poll-never-blocks"):
        assert second.result() == select.POLLIN | select.POLLOUT
    else:
        assert not second.has_answered()
    served.command("end", "ended")
    if not holds("poll-never-blocks"):
        assert second.result() == select.POLLIN | select.POLLOUT
    served.command("end", "ended")
    second("close", descriptor)


def test_who_polls_when_the_driver_dies_wakes(opened, holds):
    served, caller, descriptor = opened
    assert caller("poll", descriptor, ALL, 0) == 0
    caller.start("poll", descriptor, ALL, 20_000)
    served.kill()
    events = caller.result()
    assert events & select.POLLERR
    assert bool(events & select.POLLPRI) == holds("death-poll")


def test_a_read_clears_input_until_the_driver_says_it_again(opened):
    served, caller, descriptor = opened
    served.command(f"state {INPUT}", "state")
    assert caller("poll", descriptor, ALL, 20_000) == select.POLLIN
    caller.start("read", descriptor, 1)
    served.expect("hold")
    served.answer(1, "x")
    caller.result()
    assert caller("poll", descriptor, ALL, 20_000) == select.POLLIN


def test_a_busy_driver_s_client_is_killed_as_the_transport_says(driver, client, holds):
    served, caller = driver("closing:device"), client()
    caller.start("read", caller("open", served.path, os.O_RDONLY), 1)
    served.expect("reading")
    caller.process.kill()
    if holds("kill-busy"):
        caller.process.wait(DEADLINE)
    else:
        wait_until(
            lambda: state_of(caller.process.pid) == "D", "a killed client's wait"
        )
    # Of the read, and of the close, which a client's end may wait for, too.
    served.command("end", "ended")
    served.command("end", "ended")
    caller.process.wait(DEADLINE)


def test_what_a_killed_client_s_callback_stores_is_its_close_s(
    driver, client, language, holds
):
    if language == "python":
        pytest.skip("a file's private_data is C's: in Python it is the File object")
    served, caller = driver("renewing:device"), client()
    descriptor = caller("open", served.path, os.O_RDONLY)
    served.command("end", "ended")
    caller("read", descriptor, 1)
    caller.start("read", descriptor, 1)
    assert len(served.collect("reading", 2)) == 2
    caller.process.kill()
    if holds("kill-busy"):
        caller.process.wait(DEADLINE)
    served.command("end", "ended")
    # The close may be told before "ended".
    assert served.collect("close", 1) == ["close 2"]

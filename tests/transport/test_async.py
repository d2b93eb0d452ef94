# SPDX-License-Identifier: BSD-3-Clause
"""`async def` callbacks of Python drivers, as their clients see them."""

import os
import signal

import pytest

LANGUAGES = ("python",)


@pytest.fixture
def opened(driver, client):
    served, caller = driver("later:device"), client()
    return served, caller, caller("open", served.path, os.O_RDWR)


def test_a_coroutine_answers_after_it_waited(opened):
    _, caller, descriptor = opened
    assert caller("read", descriptor, 1) == "x"


def test_many_clients_wait_beside_each_other(opened, client):
    served, caller, descriptor = opened
    waiting = [client() for _ in range(5)]
    for one in waiting:
        one.start("read", one("open", served.path, os.O_RDWR), 2)
        served.expect("begins")
    assert caller("read", descriptor, 1) == "x"


def test_an_interrupted_client_cancels_its_coroutine(opened):
    served, caller, descriptor = opened
    caller("handle_signal", False)
    caller.start("raw_read", descriptor, 2)
    served.expect("begins")
    caller.process.send_signal(signal.SIGUSR1)
    assert caller.failure() == "EINTR"
    served.expect("cancelled")
    assert caller("read", descriptor, 1) == "x"


def test_a_killed_client_cancels_its_coroutine(opened):
    served, caller, descriptor = opened
    caller.start("raw_read", descriptor, 2)
    served.expect("begins")
    caller.process.kill()
    served.collect("cancelled", 1)
    served.collect("close", 1)


def test_the_driver_s_end_ends_its_clients_calls(opened):
    served, caller, descriptor = opened
    caller.start("read", descriptor, 2)
    served.expect("begins")
    served.process.send_signal(signal.SIGTERM)
    assert caller.failure() == "EPIPE"

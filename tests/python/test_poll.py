# SPDX-License-Identifier: BSD-3-Clause
"""poll() and poll_changed(), seen by clients in poll(2)."""

import os
import select
import threading
from contextlib import contextmanager

import pytest

import pyfusd
from support.waiting import DEADLINE, wait_until


class Pollable(pyfusd.Device):
    def __init__(self, state=0):
        super().__init__("pollable")
        self.state = state
        self.asked = 0

    def poll(self, file):
        self.asked += 1
        if isinstance(self.state, BaseException):
            raise self.state
        return self.state

    def read(self, file, buf, offset):
        return 0


ALL = select.POLLIN | select.POLLOUT | select.POLLPRI


def events(descriptor, timeout=0, interesting=ALL):
    poller = select.poll()
    poller.register(descriptor, interesting)
    ready = poller.poll(timeout)
    return ready[0][1] if ready else 0


def settles(descriptors, expected):
    """Where a poll never waits for the driver, it shows what it told last."""
    wait_until(lambda: [events(one) for one in descriptors] == expected, "the state")
    assert [events(one) for one in descriptors] == expected


@pytest.fixture
def client():
    descriptors = []

    def open_device(device):
        descriptors.append(os.open(device.path, os.O_RDWR))
        return descriptors[-1]

    yield open_device
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (0, 0),
        (pyfusd.NOTIFY_INPUT, select.POLLIN),
        (pyfusd.NOTIFY_OUTPUT, select.POLLOUT),
        (pyfusd.NOTIFY_EXCEPT, select.POLLPRI),
        (
            pyfusd.NOTIFY_INPUT | pyfusd.NOTIFY_OUTPUT,
            select.POLLIN | select.POLLOUT,
        ),
    ],
)
def test_the_state_shows_as_poll_events(serve, client, state, expected):
    descriptor = client(serve(Pollable(state)))
    settles([descriptor], [expected])


def test_poll_changed_wakes_a_waiting_client(serve, client, in_thread):
    device = serve(Pollable())
    descriptor = client(device)
    assert events(descriptor) == 0
    waiting = in_thread(events, descriptor, 20_000)
    device.state = pyfusd.NOTIFY_INPUT
    device.poll_changed()
    assert waiting.result() == select.POLLIN
    os.read(descriptor, 1)
    device.state = 0
    device.poll_changed()
    settles([descriptor], [0])


def test_every_open_file_may_have_a_state_of_its_own(serve, client):
    class PerFile(pyfusd.Device):
        def __init__(self):
            super().__init__("per-file")
            self.opened = []

        def open(self, file):
            file.state = 0
            self.opened.append(file)

        def poll(self, file):
            return file.state

    device = serve(PerFile())
    first, second = client(device), client(device)
    settles([first, second], [0, 0])
    device.opened[1].state = pyfusd.NOTIFY_INPUT
    device.opened[1].poll_changed()
    settles([first, second], [0, select.POLLIN])


def test_a_change_while_poll_runs_is_not_lost(serve, client):
    class Racing(Pollable):
        def poll(self, file):
            state = self.state
            if not self.asked:
                self.state = pyfusd.NOTIFY_INPUT
                file.poll_changed()
            self.asked += 1
            return state

    assert events(client(serve(Racing())), 20_000) == select.POLLIN


def test_poll_that_always_says_it_changed_comes_to_an_end(serve, client):
    class Again(Pollable):
        def poll(self, file):
            self.asked += 1
            # Each would call the other without an end.
            (file if self.asked % 2 else self).poll_changed()
            return self.state

    device = serve(Again())
    descriptor = client(device)
    assert events(descriptor, 100) == 0
    wait_until(lambda: device.asked == 2, "the call of poll()")
    device.state = pyfusd.NOTIFY_INPUT
    device.poll_changed()
    assert events(descriptor, 20_000) == select.POLLIN
    assert device.asked <= 10


@contextmanager
def dispatched_too(device, in_thread):
    """A second thread handles requests."""
    is_over = threading.Event()

    def dispatch():
        while not is_over.is_set():
            if select.select([device], [], [], 0.1)[0]:
                device.dispatch()

    dispatching = in_thread(dispatch)
    try:
        yield
    finally:
        is_over.set()
        # It may sleep in select(2), which holds the device's connection.
        dispatching.result()


def test_an_older_question_that_ends_later_does_not_replace_the_newer(
    serve, opened, in_thread
):
    class Slow(Pollable):
        inputs = 0
        entered, may_end, ended = (threading.Event() for _ in range(3))

        def poll(self, file):
            state = super().poll(file)
            # First poll_changed() finds it, then it is asked about.
            self.inputs += state == pyfusd.NOTIFY_INPUT
            if state == pyfusd.NOTIFY_INPUT and self.inputs == 2:
                self.entered.set()
                self.may_end.wait(DEADLINE)
                self.ended.set()
            return state

    device = serve(Slow())
    descriptor = opened(device)
    with dispatched_too(device, in_thread):
        assert events(descriptor) == 0
        wait_until(lambda: device.asked, "the first question")
        device.state = pyfusd.NOTIFY_INPUT
        device.poll_changed()
        waiting = in_thread(events, descriptor, -1, select.POLLOUT)
        assert device.entered.wait(DEADLINE)
        asked = device.asked
        # The read clears what the slow call is about, and leads to a newer one.
        device.state = 0
        os.read(descriptor, 1)
        assert events(descriptor) == 0
        wait_until(lambda: device.asked > asked, "the newer question")
        device.may_end.set()
        assert device.ended.wait(DEADLINE)
        device.state = pyfusd.NOTIFY_OUTPUT
        device.poll_changed()
        assert waiting.result() == select.POLLOUT


@pytest.mark.parametrize("state", [ValueError("a bug"), "text", None, -1])
def test_a_failing_poll_lets_its_client_go_on(serve, client, caplog, state):
    descriptor = client(serve(Pollable(state)))
    assert events(descriptor, 20_000) & select.POLLIN
    assert "poll() failed" in caplog.text


def test_a_device_without_poll_is_always_ready(serve, client):
    device = serve(pyfusd.Device("ready"))
    assert events(client(device)) == select.POLLIN | select.POLLOUT


def test_poll_changed_without_a_client_does_nothing(serve, client):
    device = serve(Pollable())
    device.poll_changed()
    client(device)
    device.poll_changed()
    assert device.asked == 0


@pytest.mark.parametrize("state", [0x20, 0xFFFFFFFF, -1])
def test_a_state_is_made_of_notify_bits(serve, client, caplog, state):
    device = serve(Pollable(state))
    descriptor = client(device)
    settles([descriptor], [select.POLLIN | select.POLLOUT | select.POLLPRI])
    assert "which is not made of NOTIFY_ bits" in caplog.text

    def is_refused():
        try:
            device.poll_changed()
        except ValueError:
            return True
        events(descriptor)
        return False

    # As soon as a client asks for a change.
    wait_until(is_refused, "the driver's mistake in poll_changed()")

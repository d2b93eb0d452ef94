# SPDX-License-Identifier: BSD-3-Clause
"""Device(nonblock=True): who is not to wait, and a driver that is not ready."""

import errno
import os
import select
import threading

import pytest

import pyfusd
from support.waiting import DEADLINE, wait_until


class Mail(pyfusd.Device):
    """A read takes a letter; it knows of O_NONBLOCK only if it has to."""

    def __init__(self, **options):
        super().__init__("mail", 0o666, **options)
        self.letters = []
        self.reads = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def read(self, file, buf, offset):
        self.reads += 1
        self.may_go_on.wait(DEADLINE)
        if not self.letters:
            raise BlockingIOError
        return self.letters.pop(0)

    def poll(self, file):
        return pyfusd.NOTIFY_INPUT if self.letters else 0

    def put(self, letter):
        self.letters.append(letter)
        self.poll_changed()


@pytest.fixture
def mail(serve):
    return serve(Mail(nonblock=True))


@pytest.fixture
def client(mail, opened):
    return opened(mail, os.O_RDWR | os.O_NONBLOCK)


def read_now(descriptor):
    data = bytearray(3)
    return bytes(data[: os.preadv(descriptor, [data], -1, os.RWF_NOWAIT)])


def test_there_is_nothing_until_there_is(mail, client, holds):
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            os.read(client, 3)
    assert mail.reads == (0 if holds("nonblock") else 3)
    mail.put(b"one")
    mail.put(b"two")
    assert os.read(client, 3) == b"one"
    assert os.read(client, 3) == b"two"
    with pytest.raises(BlockingIOError):
        os.read(client, 3)
    assert mail.reads == (2 if holds("nonblock") else 6)


def test_a_client_that_polls_is_woken(mail, client):
    poller = select.poll()
    poller.register(client, select.POLLIN)
    with pytest.raises(BlockingIOError):
        os.read(client, 3)
    threading.Timer(0, mail.put, [b"one"]).start()
    assert poller.poll(DEADLINE * 1000) == [(client, select.POLLIN)]
    assert os.read(client, 3) == b"one"
    assert poller.poll(0) == []


def test_a_busy_driver_keeps_only_who_may_wait(mail, client, opened, in_thread, holds):
    if not holds("nonblock"):
        pytest.skip("the driver is asked")
    mail.put(b"one")
    mail.may_go_on.clear()
    waiting = in_thread(os.read, opened(mail), 3)
    wait_until(lambda: mail.reads, "a read that keeps the driver")
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            os.read(client, 3)
    mail.may_go_on.set()
    assert waiting.result() == b"one"


def test_nowait_is_for_those_who_may_wait_elsewhere(mail, opened, holds):
    client = opened(mail)
    if not holds("nonblock"):
        with pytest.raises(OSError) as refused:
            read_now(client)
        assert refused.value.errno == errno.EOPNOTSUPP
        return
    mail.put(b"one")
    with pytest.raises(BlockingIOError):
        read_now(client)  # The driver is asked only now.
    poller = select.poll()
    poller.register(client, select.POLLIN)
    assert poller.poll(DEADLINE * 1000)
    assert read_now(client) == b"one"


def test_without_it_the_driver_is_asked(serve, opened):
    mail = serve(Mail())
    client = opened(mail, os.O_RDWR | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        os.read(client, 3)
    assert mail.reads == 1


def test_it_takes_a_poll_to_say_what_waits():
    with pytest.raises(OSError, match="poll_diff") as refused:
        pyfusd.Device("mail", nonblock=True).register()
    assert refused.value.errno == errno.EINVAL

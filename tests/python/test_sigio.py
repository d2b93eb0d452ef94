# SPDX-License-Identifier: BSD-3-Clause
"""SIGIO, for clients that do not poll."""

import fcntl
import os
import signal
import struct
import threading

import pytest

import pyfusd
from support.waiting import DEADLINE

F_SETOWN_EX = 15
F_OWNER_TID = 0


class Bell(pyfusd.Device):
    has_rung = False

    def read(self, file, buf, offset):
        return b"ding"

    def poll(self, file):
        return pyfusd.Notify.INPUT if self.has_rung else pyfusd.Notify(0)


@pytest.fixture(autouse=True)
def blocked():
    """First, as a device that goes signals, too."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
    yield
    while signal.sigtimedwait({signal.SIGIO}, 0):
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_change_signals_who_asked_for_it(serve, opened, holds):
    device = serve(Bell("bell", 0o666))
    descriptor = opened(device)
    # To this thread: one that does not block it would end the process.
    owner = struct.pack("ii", F_OWNER_TID, threading.get_native_id())
    fcntl.fcntl(descriptor, F_SETOWN_EX, owner)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
    for _ in range(3):
        device.has_rung = True
        device.poll_changed()
        if holds("sigio"):
            assert signal.sigtimedwait({signal.SIGIO}, DEADLINE), "no SIGIO"
        assert os.read(descriptor, 4) == b"ding"
        device.has_rung = False
        device.poll_changed()
    if not holds("sigio"):
        assert signal.sigtimedwait({signal.SIGIO}, 0) is None

# SPDX-License-Identifier: BSD-3-Clause
"""What is said about a device that was not made as it must be."""

import logging
import os
import select
import signal
import socket
import threading
import warnings
from contextlib import suppress

import pytest

import pyfusd
from support.waiting import wait_until


def test_a_mode_that_is_no_number_is_told():
    with pytest.raises(TypeError, match="a number such as 0o666, not '666'"):
        pyfusd.Device("text", mode="666")


@pytest.mark.parametrize(
    ("mode", "hint"),
    [
        (666, "write 0o666"),
        (-1, "is not$"),
        (0o1666, "is not$"),
        (0o020666, "is not$"),
        (1 << 40, "is not$"),
    ],
)
def test_a_mode_is_made_of_permission_bits(mode, hint):
    with pytest.raises(ValueError, match=f"permission bits, 0 to 0o777.*{hint}"):
        pyfusd.Device("mode", mode)
    device = pyfusd.Device("mode")
    device.mode = mode
    with pytest.raises(ValueError, match="permission bits"):
        device.register()
    assert not device.registered


def test_a_mode_is_an_int():
    with pytest.raises(TypeError):
        pyfusd.Device("mode", "0666")


def test_a_class_that_forgot_its_base_class_is_told_so():
    class Forgetful(pyfusd.Device):
        def __init__(self, name):
            self.name = name
            self.mode = 0o600

    device = Forgetful("forgetful")
    assert repr(device)
    with pytest.raises(
        RuntimeError, match=r"Forgetful.__init__\(\) did not call super"
    ):
        device.register()


def test_the_first_transport_that_works_is_no_error(monkeypatch, caplog):
    monkeypatch.delenv("FUSD_TRANSPORT")
    caplog.set_level(logging.DEBUG, "pyfusd")
    with pyfusd.Device("auto"):
        pass
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("opne", "open"),
        ("colse", "close"),
        ("raed", "read"),
        ("Read", "read"),
        ("wirte", "write"),
        ("iotcl", "ioctl"),
        ("pol", "poll"),
        ("poll_diff", "poll"),
        ("mmpa", "mmap"),
        ("unblok", "unblock"),
        ("seeek", "seek"),
        ("flsuh", "flush"),
        ("fysnc", "fsync"),
    ],
)
def test_a_misspelt_callback_warns_where_it_is(name, meant):
    arguments = {"mmap": "o, l, p, f", "read": "b, o", "write": "b, o"}
    arguments.update(ioctl="r, d", unblock="r", seek="o, w", fsync="d")
    taken = ", ".join(filter(None, ["self, file", arguments.get(meant)]))
    code = f"class Typo(pyfusd.Device):\n    def {name}({taken}): pass\n"
    with pytest.warns(RuntimeWarning, match=rf"Typo.{name}\(\).*Is {meant}\(\) meant"):
        exec(compile(code, "typo.py", "exec"), {"pyfusd": pyfusd})
    code += "    def METHOD(self): pass\n".replace("METHOD", meant)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(code, {"pyfusd": pyfusd})


def test_the_warning_points_at_the_class():
    with pytest.warns(RuntimeWarning) as caught:

        class Typo(pyfusd.Device):
            def opne(self, file):
                pass

    assert caught[0].filename == __file__


def test_a_driver_s_own_methods_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Fine(pyfusd.Device):
            head: int

            def ready(self):
                pass

            def opened(self, file):
                pass

            def reads(self, file, buf, offset):
                pass

            def _raed(self, file, buf, offset):
                pass

            @pyfusd.ioctl(pyfusd.IO("T", 1))
            def pull(self, file):
                pass

            @staticmethod
            def rad(file, buf, offset):
                pass


@pytest.mark.parametrize("state", [pyfusd.NOTIFY_OUTPUT, pyfusd.Notify(6), 0, 1])
def test_states_that_cannot_be_select_s_are_taken_silently(state, caplog):
    asked_of(state)
    assert not caplog.records


def asked_of(state):
    class Stating(pyfusd.Device):
        def poll(self, file):
            asked.append(state)
            return state

    asked = []
    with pyfusd.Device("unused"), Stating("stating") as device:
        serving = threading.Thread(target=pyfusd.run, args=(device,))
        serving.start()
        poll_twice(device.path, asked)
        device.unregister()
        serving.join()


def poll_twice(path, asked):
    for count in (1, 2):
        descriptor = os.open(path, os.O_RDWR)
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll(0)
        wait_until(lambda n=count: len(asked) >= n, "the poll")
        os.close(descriptor)


def test_a_plain_number_that_may_be_select_s_warns_once(caplog):
    asked_of(4)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "plain number 4, which is read as Notify.EXCEPT" in record.getMessage()


def test_notify_is_made_of_the_numbers_of_c():
    from pyfusd import _core

    for one in pyfusd.Notify:
        assert one == getattr(_core, f"NOTIFY_{one.name}")
        assert getattr(pyfusd, f"NOTIFY_{one.name}") is one
    both = pyfusd.NOTIFY_INPUT | pyfusd.NOTIFY_OUTPUT
    assert both == 3 and isinstance(both, pyfusd.Notify)
    assert isinstance(0 | pyfusd.NOTIFY_INPUT, pyfusd.Notify)
    with pytest.raises(TypeError):
        pyfusd.NOTIFY_INPUT | "text"


class Killing(pyfusd.Device):
    """A write is a signal to this process."""

    def write(self, file, buf, offset):
        os.kill(os.getpid(), buf[0])
        return len(buf)


class AsyncKilling(Killing):
    async def open(self, file):
        pass


@pytest.fixture
def own_wakeup():
    """The program's own set_wakeup_fd(): what came there."""
    receiver, sender = socket.socketpair()
    with receiver, sender:
        sender.setblocking(False)
        receiver.settimeout(20)
        before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        assert before == -1
        yield receiver, sender
        signal.set_wakeup_fd(-1)


@pytest.fixture
def usr1():
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    yield seen
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("kind", [Killing, AsyncKilling])
def test_the_program_s_own_wakeup_descriptor_gets_its_signals(
    own_wakeup, usr1, in_thread, kind
):
    receiver, sender = own_wakeup
    device = kind("killing").register()

    def client():
        descriptor = os.open(device.path, os.O_WRONLY)
        os.write(descriptor, bytes([signal.SIGUSR1]))
        seen = receiver.recv(1)
        with suppress(BrokenPipeError):  # run() may end before it is answered.
            os.write(descriptor, bytes([signal.SIGTERM]))
        os.close(descriptor)
        return seen

    call = in_thread(client)
    pyfusd.run(device)
    device.unregister()
    assert call.result() == bytes([signal.SIGUSR1])
    assert usr1
    # That which ended run() too, and no zeros of its own.
    assert receiver.recv(10) == bytes([signal.SIGTERM])
    assert signal.set_wakeup_fd(sender.fileno()) == sender.fileno()


def test_a_wakeup_descriptor_that_was_closed_meanwhile_is_dropped(own_wakeup):
    class Closing(pyfusd.Device):
        def open(self, file):
            own_wakeup[1].close()
            self.unregister()

    device = Closing("closing").register()
    client = threading.Thread(target=try_open, args=(device.path,))
    client.start()
    pyfusd.run(device)
    client.join()
    assert signal.set_wakeup_fd(-1) == -1


def try_open(path):
    with pytest.raises(OSError):
        os.open(path, os.O_RDONLY)

# SPDX-License-Identifier: BSD-3-Clause
"""What the documentation says of threads, with many of them at once."""

import errno
import os
import random
import select
import threading
from contextlib import suppress

import pytest

import pyfusd
from support.named_device import NamedDevice
from support.scale import scaled
from support.waiting import DEADLINE

ROUNDS = scaled(150)


class Crowded(pyfusd.Device):
    """Answers in each of the ways there are, from whatever thread."""

    def __init__(self, name="crowded"):
        super().__init__(name, 0o666)
        self.state = 0
        self.queue = []
        self.is_filled = threading.Semaphore(0)

    def read(self, file, buf, offset):
        way = buf.nbytes % 4
        answer = b"%d" % file.pid
        if way == 0:
            return answer
        if way == 1:
            self.queue.append((file.hold(), answer))
            self.is_filled.release()
            return pyfusd.NOREPLY
        if way == 2:
            buf[: len(answer)] = answer
            return file.hold(0.0001, error=errno.EAGAIN)
        file.hold().reply(answer)
        return pyfusd.NOREPLY

    def poll(self, file):
        return self.state

    def write(self, file, buf, offset):
        self.state ^= pyfusd.NOTIFY_INPUT
        self.poll_changed()
        return len(buf)

    def unblock(self, file, request):
        with suppress(RuntimeError, OSError):
            request.fail(errno.EINTR)

    # In threads of their own.

    def dispatch_until(self, done):
        while not done.is_set():
            select.select([self.fileno()], [], [], 0.02)
            self.dispatch()

    def answer_until(self, done):
        while not done.is_set():
            if self.is_filled.acquire(timeout=0.02):
                request, answer = self.queue.pop()
                # The device may be gone.
                with suppress(BrokenPipeError):
                    request.reply(answer)

    def change_until(self, done):
        while not done.is_set():
            self.state ^= pyfusd.NOTIFY_OUTPUT
            self.poll_changed()
            done.wait(0.001)


def use(device):
    """A client that gets its own answers and no one else's."""
    mine = b"%d" % threading.get_native_id()
    descriptor = os.open(device.path, os.O_RDWR)
    poller = select.poll()
    poller.register(descriptor)
    try:
        for number in range(ROUNDS):
            try:
                assert os.read(descriptor, 100 + number % 4) == mine
                assert number % 4 != 2, "nobody answered, and it did not time out"
            except BlockingIOError:
                assert number % 4 == 2
            if number % 10 == 0:
                poller.poll(0)
                os.write(descriptor, b"x")
    finally:
        os.close(descriptor)
    return True


def test_many_threads_dispatch_answer_and_change_one_device(in_thread):
    done = threading.Event()
    with Crowded() as device:
        roles = [device.dispatch_until] * 3 + [device.answer_until] * 3
        workers = [in_thread(role, done) for role in [*roles, device.change_until]]
        clients = [in_thread(use, device) for _ in range(6)]
        try:
            assert all(client.result() for client in clients)
        finally:
            done.set()
        for worker in workers:
            worker.result()


def test_one_of_all_that_answer_wins(in_thread):
    """Replies, failures and timeouts race for each request."""
    done = threading.Event()
    outcomes = []

    class Raced(pyfusd.Device):
        def read(self, file, buf, offset):
            request = file.hold(0.0005, error=errno.ENODATA)
            for call, argument in ((request.reply, b"won"), (request.fail, errno.EIO)):
                threading.Thread(target=self.answer, args=(call, argument)).start()
            return request

        def answer(self, call, argument):
            try:
                call(argument)
                outcomes.append(argument)
            except RuntimeError:
                pass

    def read(device):
        seen = []
        descriptor = os.open(device.path, os.O_RDONLY)
        for _ in range(ROUNDS):
            try:
                seen.append(os.read(descriptor, 10))
            except OSError as error:
                seen.append(error.errno)
        os.close(descriptor)
        return seen

    with Raced("raced") as device:

        def dispatch():
            while not done.is_set():
                select.select([device.fileno()], [], [], 0.02)
                device.dispatch()

        dispatcher = in_thread(dispatch)
        readers = [in_thread(read, device) for _ in range(3)]
        seen = [answer for reader in readers for answer in reader.result()]
        done.set()
        dispatcher.result()
    assert set(seen) <= {b"won", errno.EIO, errno.ENODATA}
    answered = sorted(str(answer) for answer in seen if answer != errno.ENODATA)
    assert sorted(str(outcome) for outcome in outcomes) == answered


def test_devices_are_unregistered_under_load(serve, in_thread):
    """By a thread that does not serve them, while clients are in all calls."""
    chance = random.Random(4)

    def hammer(path):
        while True:
            try:
                descriptor = os.open(path, os.O_RDWR)
            except OSError:
                return
            try:
                # An empty read is of the file that was below the device.
                while os.read(descriptor, 100 + chance.randrange(4)):
                    os.write(descriptor, b"x")
                return
            except BlockingIOError:
                pass
            except OSError:
                return
            finally:
                os.close(descriptor)

    for round in range(8):
        device = serve(Crowded(f"crowded{round}"))
        done = threading.Event()
        answering = in_thread(device.answer_until, done)
        clients = [in_thread(hammer, device.path) for _ in range(4)]
        done.wait(chance.random() / 20)
        device.unregister()
        for client in clients:
            client.result()
        done.set()
        answering.result()


def test_unregister_ends_other_clients_calls_while_a_callback_runs(in_thread):
    is_inside, may_end = threading.Event(), threading.Event()

    class Slow(pyfusd.Device):
        def read(self, file, buf, offset):
            is_inside.set()
            may_end.wait(DEADLINE)
            return b"late"

        def write(self, file, buf, offset):
            return len(buf)

    device = Slow("slow").register()
    running = in_thread(pyfusd.run, device)
    other = os.open(device.path, os.O_WRONLY)
    assert os.write(other, b"x") == 1
    reader = os.open(device.path, os.O_RDONLY)
    reading = in_thread(os.read, reader, 10)
    assert is_inside.wait(DEADLINE)
    device.unregister()
    with pytest.raises(OSError):
        in_thread(os.write, other, b"x").result()
    with pytest.raises(BrokenPipeError):
        reading.result()
    may_end.set()
    running.result()
    os.close(other)
    os.close(reader)


class Lingering(pyfusd.Device):
    """Its read callback goes on until it may end, answered before that or not."""

    def __init__(self, answers_first):
        super().__init__("lingering", 0o666)
        self.answers_first = answers_first
        self.is_inside, self.may_end = threading.Event(), threading.Event()
        self.events = []
        self.is_closed = threading.Event()

    def read(self, file, buf, offset):
        if self.answers_first:
            file.hold().reply(b"early")
        self.is_inside.set()
        self.may_end.wait(DEADLINE)
        self.events.append("read ends")
        return pyfusd.NOREPLY if self.answers_first else b"late"

    def write(self, file, buf, offset):
        file.is_probe = True
        return len(buf)

    def close(self, file):
        if not hasattr(file, "is_probe"):
            self.events.append("close")
            self.is_closed.set()


@pytest.mark.parametrize("answers_first", [False, True], ids=["killed", "answered"])
def test_close_comes_after_callbacks_in_other_threads(
    in_thread, start_python, transport, answers_first
):
    code = "import os, sys; os.write(1, os.read(os.open(sys.argv[1], 0), 5)); input()"
    device = Lingering(answers_first).register()
    running = [in_thread(pyfusd.run, device) for _ in range(2)]
    try:
        client = start_python(code, device.path)
        assert device.is_inside.wait(DEADLINE)
        if answers_first:
            assert client.stdout.read(5) == b"early"
        client.kill()
        # Elsewhere the killed one waits: for its answer, and on cuse the close.
        if transport == "kfusd" or (transport == "fuse" and answers_first):
            client.wait(DEADLINE)
        # The other thread is given this after the close.
        probe = os.open(device.path, os.O_WRONLY)
        assert os.write(probe, b"x") == 1
        assert device.events == []
        device.may_end.set()
        assert device.is_closed.wait(DEADLINE)
        os.close(probe)
    finally:
        device.may_end.set()
        device.unregister()
    for thread in running:
        thread.result()
    assert device.events == ["read ends", "close"]


def test_one_thread_registers_what_another_unregisters(in_thread):
    device = NamedDevice("contested")
    done = threading.Event()

    def unregister():
        while not done.is_set():
            device.unregister()

    unregistering = in_thread(unregister)
    lost = 0
    for number in range(ROUNDS):
        # Names stay in sysfs for a moment.
        device.name = f"contested{number}"
        with suppress(FileExistsError, RuntimeError):
            device.register()
            callbacks = device._callbacks()
            lost += device.registered and callbacks["read"] is None
    done.set()
    unregistering.result()
    device.unregister()
    assert lost == 0

# SPDX-License-Identifier: BSD-3-Clause
"""`async def` callbacks: what they return, raise, wait for, and when they end."""

import asyncio
import contextvars
import errno
import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
import weakref

import pytest

import pyfusd
from support.waiting import wait_until

EXCHANGE = pyfusd.IOWR("T", 1, 8)
PAIR = pyfusd.IOWR("T", 2, "<II")


class Waiting(pyfusd.Device):
    """Its reads wait for put(), from any thread."""

    def __init__(self, name="waiting"):
        super().__init__(name, 0o666)
        self.waiting = 0
        self.cancelled = 0
        self.closed = 0

    async def open(self, file):
        self.loop = asyncio.get_running_loop()
        file.queue = self.queue = asyncio.Queue()

    def close(self, file):
        self.closed += 1

    async def read(self, file, buf, offset):
        self.waiting += 1
        try:
            return await file.queue.get()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def put(self, item):
        self.loop.call_soon_threadsafe(self.queue.put_nowait, item)


def test_coroutines_that_do_not_wait_answer_at_once(serve_async, opened):
    class Immediate(pyfusd.Device):
        data = b""

        async def open(self, file):
            file.opened = True

        async def read(self, file, buf, offset):
            assert file.opened
            return self.data[offset : offset + len(buf)]

        async def write(self, file, buf, offset):
            self.data = bytes(buf)
            return len(buf)

        async def ioctl(self, file, request, data):
            return data + 1

        @pyfusd.ioctl(PAIR)
        async def swap(self, file, pair):
            return pair[1], pair[0]

    device = serve_async(Immediate("immediate", 0o666))
    descriptor = opened(device)
    assert os.write(descriptor, b"hello") == 5
    assert os.read(opened(device), 10) == b"hello"
    assert fcntl.ioctl(descriptor, 0x1234, 41) == 42
    pair = bytearray(b"\1\0\0\0\2\0\0\0")
    fcntl.ioctl(descriptor, PAIR, pair)
    assert pair == b"\2\0\0\0\1\0\0\0"


async def pause():
    """Waits in each of the ways that a loop knows."""
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    await asyncio.get_running_loop().run_in_executor(None, int)
    await asyncio.wait_for(asyncio.shield(asyncio.sleep(0)), 10)


class Later(pyfusd.Device):
    """Waits in each callback before it does what it is for."""

    data = b""
    closed = 0

    async def open(self, file):
        await pause()
        file.opened = True

    async def close(self, file):
        await pause()
        self.closed += 1

    async def read(self, file, buf, offset):
        assert file.opened
        await pause()
        chunk = self.data[offset : offset + len(buf)]
        buf[: len(chunk)] = chunk
        return len(chunk)

    async def write(self, file, buf, offset):
        await pause()
        self.data = bytes(buf)
        return len(buf)

    async def ioctl(self, file, request, data):
        await pause()
        if isinstance(data, int):
            return data + 1
        data[:] = bytes(data).upper()
        return 3

    @pyfusd.ioctl(PAIR)
    async def swap(self, file, pair):
        await pause()
        return pair[1], pair[0]


def test_reads_and_writes_that_wait_answer_later(serve_async, opened):
    device = serve_async(Later("later", 0o666))
    assert os.write(opened(device), b"hello") == 5
    reader = opened(device)
    assert os.read(reader, 3) == b"hel"
    assert os.read(reader, 3) == b"lo"


def test_ioctls_that_wait_answer_later(serve_async, opened):
    descriptor = opened(serve_async(Later("later", 0o666)))
    assert fcntl.ioctl(descriptor, 0x1234, 41) == 42
    data = bytearray(b"abcdefgh")
    assert fcntl.ioctl(descriptor, EXCHANGE, data) == 3
    assert data == b"ABCDEFGH"
    pair = bytearray(b"\1\0\0\0\2\0\0\0")
    fcntl.ioctl(descriptor, PAIR, pair)
    assert pair == b"\2\0\0\0\1\0\0\0"


def test_a_close_that_waits_comes_to_its_end(serve_async):
    device = serve_async(Later("later", 0o666))
    os.close(os.open(device.path, os.O_RDONLY))
    wait_until(lambda: device.closed == 1, "the close")


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (OSError(errno.ENODATA, "none"), errno.ENODATA),
        (-errno.ENOSPC, errno.ENOSPC),
        (ValueError("a bug"), errno.EIO),
        ("text", errno.EIO),
        (None, errno.EIO),
        (1 << 80, errno.EIO),
        (TimeoutError(), errno.ETIMEDOUT),
        (asyncio.CancelledError(), errno.ECANCELED),
    ],
)
def test_errors_are_those_of_plain_callbacks(
    serve_async, opened, caplog, wait, result, expected
):
    class Failing(pyfusd.Device):
        async def read(self, file, buf, offset):
            if wait:
                await asyncio.sleep(0)
            if isinstance(result, BaseException):
                raise result
            return result

    descriptor = opened(serve_async(Failing("failing")))
    with pytest.raises(OSError) as caught:
        os.read(descriptor, 10)
    assert caught.value.errno == expected
    assert ("read() failed" in caplog.text) == (expected == errno.EIO)


def test_a_refused_open_is_refused_later_too(serve_async):
    class Refusing(pyfusd.Device):
        closed = 0

        async def open(self, file):
            await asyncio.sleep(0)
            raise PermissionError(errno.EACCES, "not today")

        def close(self, file):
            self.closed += 1

    device = serve_async(Refusing("refusing"))
    with pytest.raises(PermissionError):
        os.open(device.path, os.O_RDONLY)
    assert device.closed == 0


def test_many_clients_wait_at_once(serve_async, opened, in_thread):
    class Barrier(pyfusd.Device):
        def __init__(self):
            super().__init__("barrier")
            self.waiters = []

        async def read(self, file, buf, offset):
            self.waiters.append(asyncio.get_running_loop().create_future())
            if len(self.waiters) == 20:
                for waiter in self.waiters:
                    waiter.set_result(None)
            await self.waiters[-1]
            return b"%d" % file.pid

    device = serve_async(Barrier())

    def read():
        descriptor = os.open(device.path, os.O_RDONLY)
        try:
            return os.read(descriptor, 20) == b"%d" % threading.get_native_id()
        finally:
            os.close(descriptor)

    assert all(call.result() for call in [in_thread(read) for _ in range(20)])


def test_sync_and_async_callbacks_mix(serve_async, opened, in_thread):
    class Mixed(Waiting):
        def write(self, file, buf, offset):
            self.queue.put_nowait(bytes(buf))
            return len(buf)

        def poll(self, file):
            return pyfusd.NOTIFY_OUTPUT

    device = serve_async(Mixed())
    writer, reader = opened(device), opened(device)
    reading = in_thread(os.read, reader, 10)
    os.write(writer, b"mixed")
    assert reading.result() == b"mixed"


def test_a_request_s_own_facts_last_across_waits(serve_async, opened, in_thread):
    seen = []

    class Facts(pyfusd.Device):
        async def read(self, file, buf, offset):
            await asyncio.sleep(0)
            seen.append((file.pid, file.uid, file.offset, bool(file.flags & 0o4000)))
            await asyncio.create_task(self.move(file, 100))
            return b"abc"

        async def move(self, file, offset):
            assert file.hold().offset == file.offset
            file.offset = offset

    descriptor = opened(serve_async(Facts("facts")), os.O_RDONLY | os.O_NONBLOCK)
    reading = in_thread(os.read, descriptor, 10)
    assert reading.result() == b"abc"
    assert os.read(descriptor, 10) == b"abc"
    assert seen == [
        (reading.thread.native_id, os.getuid(), 0, True),
        (threading.get_native_id(), os.getuid(), 100, True),
    ]


def test_a_coroutine_may_leave_its_request_held(serve_async, opened, in_thread):
    class Holding(pyfusd.Device):
        requests = ()

        async def read(self, file, buf, offset):
            if offset:
                await asyncio.sleep(0)
            self.requests = (*self.requests, file.hold())
            return file.hold() if offset else pyfusd.NOREPLY

    device = serve_async(Holding("holding"))
    descriptor = opened(device)
    for number, answer in enumerate([b"first", b"second"]):
        reading = in_thread(os.read, descriptor, 10)
        wait_until(lambda n=number: len(device.requests) > n, "the request")
        device.requests[number].reply(answer)
        assert reading.result() == answer


def test_context_variables_belong_to_one_callback(serve_async, opened):
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    class Contexts(pyfusd.Device):
        async def read(self, file, buf, offset):
            seen.append(variable.get())
            token = variable.set("early")
            await asyncio.sleep(0)
            seen.append(variable.get())
            variable.reset(token)
            variable.set("late")
            await asyncio.sleep(0)
            seen.append(variable.get())
            return 0

        async def write(self, file, buf, offset):
            seen.append(variable.get())
            variable.set("written")
            return len(buf)

    descriptor = opened(serve_async(Contexts("contexts")))
    os.read(descriptor, 1)
    os.write(descriptor, b"x")
    os.read(descriptor, 1)
    once = ["unset", "early", "late"]
    assert seen == [*once, "unset", *once]


def test_the_current_task_is_the_same_in_every_line(serve_async, opened):
    tasks = []

    class Tasks(pyfusd.Device):
        async def read(self, file, buf, offset):
            task = asyncio.current_task()
            assert isinstance(task, asyncio.Task)
            tasks.append((id(task), task.get_name()))
            if len(buf) > 1:
                await asyncio.sleep(0)
                assert asyncio.current_task() is task
            return b"x"

    descriptor = opened(serve_async(Tasks("tasks")))
    for length in (1, 1, 1):
        assert os.read(descriptor, length) == b"x"
    # Those that do not wait share one.
    assert len(set(tasks)) == 1
    assert os.read(descriptor, 2) == b"x"


TASK_CHANGES = {
    "set_name": lambda task: task.set_name("mine"),
    "add_done_callback": lambda task: task.add_done_callback(lambda _: None),
    "cancel": lambda task: task.cancel(),
    "attribute": lambda task: setattr(task, "mine", 1),
    "key": lambda task: WEAK_KEYS.setdefault(task, 1),
    "kept": lambda task: KEPT.append(task),
}
WEAK_KEYS = weakref.WeakKeyDictionary()
KEPT = []


@pytest.mark.parametrize("change", TASK_CHANGES)
def test_what_a_coroutine_does_to_its_task_no_other_sees(serve_async, opened, change):
    seen = []
    ended = []

    class Careless(pyfusd.Device):
        async def read(self, file, buf, offset):
            task = asyncio.current_task()
            mine = getattr(task, "mine", None)
            seen.append((task.get_name(), mine, task in WEAK_KEYS))
            if len(seen) % 2:
                TASK_CHANGES[change](task)
                # So that its number is not given to another one.
                self.previous = weakref.ref(task, lambda _: ended.append(change))
                if len(buf) > 1:
                    raise TimeoutError
                return b"changed"
            assert self.previous() is not task
            await asyncio.sleep(0)
            return b"waited"

    descriptor = opened(serve_async(Careless("careless")))
    assert os.pread(descriptor, 1, 0) == b"c"
    assert os.pread(descriptor, 10, 0) == b"waited"
    with pytest.raises(OSError) as caught:
        os.pread(descriptor, 10, 0)
    assert caught.value.errno == errno.ETIMEDOUT
    assert os.pread(descriptor, 10, 0) == b"waited"
    for name, mine, is_key in seen:
        assert (name, mine, is_key) == (seen[0][0], None, False)
    KEPT.clear()


def test_a_done_callback_runs_before_the_next_request(serve_async, opened):
    class Counting(pyfusd.Device):
        ended = 0

        def end(self, task):
            self.ended += 1

        async def read(self, file, buf, offset):
            asyncio.current_task().add_done_callback(self.end)
            return b"%d" % self.ended

    descriptor = opened(serve_async(Counting("counting")))
    for count in range(20):
        assert os.read(descriptor, 10) == b"%d" % count


def test_a_name_given_to_a_task_stays(serve_async, opened):
    class Named(pyfusd.Device):
        async def read(self, file, buf, offset):
            asyncio.current_task().set_name("mine")
            await asyncio.sleep(0)
            return asyncio.current_task().get_name().encode()

    assert os.read(opened(serve_async(Named("named"))), 10) == b"mine"


@pytest.mark.parametrize("first_step", [False, True])
def test_wait_for_ends_with_its_timeout(serve_async, opened, first_step):
    class Timing(Waiting):
        async def read(self, file, buf, offset):
            if not first_step:
                await asyncio.sleep(0)
            try:
                return await asyncio.wait_for(file.queue.get(), 0.01)
            except asyncio.TimeoutError:
                return b"too late"

    assert os.read(opened(serve_async(Timing())), 10) == b"too late"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout() is of 3.11")
@pytest.mark.parametrize("first_step", [False, True])
def test_timeout_ends_what_it_surrounds(serve_async, opened, first_step):
    class Timing(Waiting):
        async def read(self, file, buf, offset):
            if not first_step:
                await asyncio.sleep(0)
            async with asyncio.timeout(0.01):
                return await file.queue.get()

        async def write(self, file, buf, offset):
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
                group.create_task(asyncio.sleep(0.001))
            return len(buf)

    descriptor = opened(serve_async(Timing()))
    with pytest.raises(TimeoutError):
        os.read(descriptor, 10)
    assert os.write(descriptor, b"grouped") == 7


READER = """
import os, signal, sys
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(3))
print(os.read(os.open(sys.argv[1], os.O_RDONLY), 100))
"""


def reader(device):
    return subprocess.Popen([sys.executable, "-c", READER, device.path])


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGKILL])
def test_a_client_that_leaves_cancels_its_callback(serve_async, number):
    device = serve_async(Waiting())
    client = reader(device)
    wait_until(lambda: device.waiting, "the read")
    client.send_signal(number)
    assert client.wait() == (3 if number == signal.SIGUSR1 else -number)
    wait_until(lambda: (device.cancelled, device.closed) == (1, 1), "the end")


def test_unregister_cancels_what_waits(serve_async, opened, in_thread):
    device = serve_async(Waiting())
    reading = in_thread(os.read, opened(device), 10)
    wait_until(lambda: device.waiting, "the read")
    device.unregister()
    with pytest.raises(BrokenPipeError):
        reading.result()
    wait_until(lambda: device.cancelled, "the cancellation")


def test_a_callback_may_unregister_its_own_device(serve_async, opened):
    class Leaving(pyfusd.Device):
        left = False

        async def read(self, file, buf, offset):
            await asyncio.sleep(0)
            self.unregister()
            await asyncio.sleep(0)
            self.left = True
            return b"never seen"

    device = serve_async(Leaving("leaving"))
    with pytest.raises(BrokenPipeError):
        os.read(opened(device), 10)
    wait_until(lambda: device.left, "the end of the callback")


def test_a_task_that_others_cancel_gives_ecanceled(serve_async, opened):
    class Cancelling(pyfusd.Device):
        async def read(self, file, buf, offset):
            # Before it has waited, and so before its task has begun.
            asyncio.current_task().cancel()
            await asyncio.sleep(10 if len(buf) > 1 else 0)
            return b"never seen"

        async def write(self, file, buf, offset):
            await asyncio.sleep(0)
            asyncio.current_task().cancel()
            await asyncio.sleep(10)

    descriptor = opened(serve_async(Cancelling("cancelling")))
    for length in (1, 2, 1):
        with pytest.raises(OSError) as caught:
            os.read(descriptor, length)
        assert caught.value.errno == errno.ECANCELED
    with pytest.raises(OSError) as caught:
        os.write(descriptor, b"x")
    assert caught.value.errno == errno.ECANCELED


def test_a_cancelled_callback_may_answer_all_the_same(serve_async, opened):
    class Stubborn(pyfusd.Device):
        async def read(self, file, buf, offset):
            asyncio.current_task().cancel()
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                await asyncio.sleep(0)
                return b"all the same"

    assert os.read(opened(serve_async(Stubborn("stubborn"))), 20) == b"all the same"


@pytest.mark.parametrize("name", ["poll", "unblock", "mmap"])
def test_what_answers_at_once_cannot_be_a_coroutine(name):
    async def callback(self, *arguments):
        return 0

    kind = type("Refused", (pyfusd.Device,), {name: callback})
    with pytest.raises(TypeError, match=rf"Refused\.{name}\(\) answers at once"):
        kind("refused").register()


@pytest.mark.parametrize("name", ["open", "read", "decorated"])
def test_run_serves_coroutine_functions_with_a_loop(serve, name):
    class Running(pyfusd.Device):
        pass

    async def callback(self, file, *arguments):
        await asyncio.sleep(0)
        return 0

    setattr(Running, name, pyfusd.ioctl(0x1234)(callback))
    descriptor = os.open(serve(Running("running")).path, os.O_RDONLY)
    assert fcntl.ioctl(descriptor, 0x1234) == 0
    os.close(descriptor)


def test_run_without_a_loop_refuses_coroutine_functions_later(serve, opened, caplog):
    class Parent(pyfusd.Device):
        def read(self, file, buf, offset):
            Waiting("child").register()

    with pytest.raises(OSError):
        os.read(opened(serve(Parent("parent"))), 1)
    assert "Waiting.open() is a coroutine function" in caplog.text


def test_dispatch_without_a_loop_is_eio_and_says_so(opened, in_thread, caplog):
    with Waiting() as device:
        opening = in_thread(opened, device)
        while opening.thread.is_alive():
            select.select([device.fileno()], [], [], 0.05)
            device.dispatch()
        with pytest.raises(OSError) as caught:
            opening.result()
    assert caught.value.errno == errno.EIO
    assert "pyfusd.run() or pyfusd.aio.serve()" in caplog.text


def test_a_plain_callback_may_return_any_awaitable(serve_async, opened):
    class Awaitable(pyfusd.Device):
        def read(self, file, buf, offset):
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            loop.call_later(0.001, future.set_result, b"future")
            return future

    assert os.read(opened(serve_async(Awaitable("awaitable"))), 10) == b"future"

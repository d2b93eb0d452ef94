# SPDX-License-Identifier: BSD-3-Clause
"""pyfusd.aio.serve(): how it begins and ends, signals, loops and threads."""

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

import pyfusd
from support.named_device import content
from support.waiting import DEADLINE, wait_until


class AsyncNamedDevice(pyfusd.Device):
    """A read gives its name, after a wait if it is told to."""

    delay = None

    async def read(self, file, buf, offset):
        if self.delay is not None:
            await asyncio.sleep(self.delay)
        return self.name.encode()[offset:]


async def content_of(*devices):
    """From other threads, so that the loop goes on."""
    loop = asyncio.get_running_loop()
    reads = [loop.run_in_executor(None, content, device.path) for device in devices]
    return await asyncio.gather(*reads)


async def until(condition, what):
    end = asyncio.get_running_loop().time() + DEADLINE
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"{what} did not come true"
        await asyncio.sleep(0.002)


async def cancelled(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_serve_registers_and_unregisters():
    async def main():
        devices = [AsyncNamedDevice(f"sub/number{n}") for n in range(12)]
        serving = asyncio.create_task(pyfusd.aio.serve(*devices))
        await until(lambda: devices[-1].registered, "the registration")
        assert await content_of(*devices) == [d.name.encode() for d in devices]
        await cancelled(serving)
        assert not any(device.registered for device in devices)
        assert not os.path.exists(devices[0].path)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_serve_leaves_registered_what_was_so_before():
    async def main():
        with AsyncNamedDevice("before") as device:
            for _ in range(2):
                serving = asyncio.create_task(pyfusd.aio.serve(device))
                assert await content_of(device) == [b"before"]
                await cancelled(serving)
                assert device.registered

    asyncio.run(main())


def test_the_end_of_serve_ends_what_waits(in_thread, opened):
    device = AsyncNamedDevice("waiting")
    device.delay = 3600

    async def main():
        with device:
            serving = asyncio.create_task(pyfusd.aio.serve(device))
            opening = asyncio.get_running_loop().run_in_executor(None, opened, device)
            reading = in_thread(os.read, await opening, 10)
            await until(lambda: len(asyncio.all_tasks()) > 2, "the read")
            await cancelled(serving)
            assert device.registered
            with pytest.raises(BrokenPipeError):
                reading.result()

    asyncio.run(main())


def test_serve_ends_with_its_last_device():
    async def main():
        devices = [AsyncNamedDevice("one"), AsyncNamedDevice("two")]
        serving = asyncio.create_task(pyfusd.aio.serve(*devices))
        await until(lambda: devices[-1].registered, "the registration")
        devices[0].unregister()
        assert await content_of(devices[1]) == [b"two"]
        assert not serving.done()
        await asyncio.get_running_loop().run_in_executor(None, devices[1].unregister)
        await asyncio.wait_for(serving, DEADLINE)

    asyncio.run(main())


def test_serve_without_arguments_serves_what_is_registered():
    async def main():
        with AsyncNamedDevice("one") as one, AsyncNamedDevice("two") as two:
            serving = asyncio.create_task(pyfusd.aio.serve())
            assert await content_of(one, two) == [b"one", b"two"]
            await cancelled(serving)

    asyncio.run(main())


def test_serve_serves_what_is_registered_meanwhile():
    class Parent(pyfusd.Device):
        async def write(self, file, buf, offset):
            self.child = AsyncNamedDevice(bytes(buf).decode()).register()
            return len(buf)

    async def main():
        parent = Parent("parent", 0o666)
        serving = asyncio.create_task(pyfusd.aio.serve(parent))
        await until(lambda: parent.registered, "the registration")

        def write():
            with open(parent.path, "wb", buffering=0) as file:
                file.write(b"child")

        await asyncio.get_running_loop().run_in_executor(None, write)
        parent.unregister()
        assert await content_of(parent.child) == [b"child"]
        assert not serving.done()
        parent.child.unregister()
        await asyncio.wait_for(serving, DEADLINE)

    asyncio.run(main())


def test_several_serves_share_a_loop():
    async def main():
        one, two = AsyncNamedDevice("one"), AsyncNamedDevice("two")
        two.delay = 0.001
        first = asyncio.create_task(pyfusd.aio.serve(one))
        second = asyncio.create_task(pyfusd.aio.serve(two))
        await until(lambda: two.registered, "the registration")
        assert await content_of(one, two) == [b"one", b"two"]
        await cancelled(first)
        assert await content_of(two) == [b"two"]
        await cancelled(second)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_each_thread_may_have_its_loop(serve_async, in_thread):
    devices = [AsyncNamedDevice(f"thread{number}") for number in range(4)]
    for device in devices:
        device.delay = 0
        serve_async(device)

    def read(device):
        return {content(device.path) for _ in range(100)}

    reads = [in_thread(read, device) for device in devices * 2]
    for device, call in zip(devices * 2, reads):
        assert call.result() == {device.name.encode()}


def test_a_device_belongs_to_one_loop(serve_async):
    device = serve_async(AsyncNamedDevice("taken"))
    assert content(device.path) == b"taken"  # So it is being served.
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(pyfusd.aio.serve(device))
    assert content(device.path) == b"taken"


def test_devices_come_and_go_from_other_threads(serve_async):
    keeper = serve_async(AsyncNamedDevice("keeper"))
    done = threading.Event()

    def churn(number):
        for round in range(20):
            device = AsyncNamedDevice(f"churn{number}")
            device.delay = 0
            loop = threading.Thread(
                target=asyncio.run, args=(pyfusd.aio.serve(device.register()),)
            )
            loop.start()
            assert content(device.path) == device.name.encode(), round
            device.unregister()
            loop.join(DEADLINE)
            assert not loop.is_alive()

    threads = [threading.Thread(target=churn, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert content(keeper.path) == b"keeper"
    done.set()


def test_a_loop_that_is_stuck_does_not_keep_a_device(serve_async, in_thread, opened):
    """A callback waits for a thread that waits for the loop, but not for ever."""

    class Stuck(pyfusd.Device):
        def read(self, file, buf, offset):
            unregistering = threading.Thread(target=self.unregister)
            unregistering.start()
            unregistering.join(DEADLINE)
            self.is_gone = not unregistering.is_alive()
            return b"never seen"

    device = serve_async(Stuck("stuck"))
    with pytest.raises(BrokenPipeError):
        os.read(opened(device), 10)
    wait_until(lambda: device._server is None, "the loop to let go")
    assert device.is_gone


@pytest.mark.parametrize("here", [True, False])
def test_a_loop_closed_under_its_coroutines_does_not_keep_a_device(in_thread, here):
    device = AsyncNamedDevice("closed")
    device.delay = 1000
    loop = asyncio.new_event_loop()
    task = loop.create_task(pyfusd.aio.serve(device))

    async def until_asked():
        await until(lambda: device.registered, "serve()")
        reading = in_thread(content, device.path)
        await until(lambda: device._server.tasks, "the read")
        return reading

    reading = loop.run_until_complete(until_asked())
    loop.close()
    if here:
        device.unregister()
    else:
        in_thread(device.unregister).result()
    with pytest.raises(BrokenPipeError):
        reading.result()
    assert not device.registered
    task.get_coro().close()

    async def again():
        serving = asyncio.create_task(pyfusd.aio.serve(device))
        await until(lambda: device.registered, "serve()")
        device.unregister()
        await serving

    asyncio.run(again())


def test_a_failing_register_undoes_the_others():
    async def main():
        devices = [AsyncNamedDevice("fine"), AsyncNamedDevice("not/../fine")]
        with pytest.raises(OSError):
            await pyfusd.aio.serve(*devices)
        assert not devices[0].registered

    asyncio.run(main())


DRIVER = """
import asyncio, contextlib, os, sys
import pyfusd

class Driver(pyfusd.Device):
    async def read(self, file, buf, offset):
        try:
            os.write(1, b"reading\\n")
            if sys.argv[1] == "wait":
                await asyncio.sleep(1000)
            return b"driver"[offset:]
        finally:
            os.write(1, b"read\\n")

async def announce(device):
    while not device.registered:
        await asyncio.sleep(0.001)
    os.write(1, device.path.encode() + b"\\n")

async def main():
    device = Driver("driver")
    announcing = asyncio.create_task(announce(device))
    try:
        await pyfusd.aio.serve(device)
    finally:
        os.write(1, b"unwound\\n")

with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main())
os.write(1, b"ended\\n")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["idle", "wait"])
def test_a_signal_ends_serve_and_leaves_nothing(number, kind, in_thread, start_python):
    driver = start_python(DRIVER, kind)
    path = driver.stdout.readline().decode().strip()
    if kind == "wait":
        reading = in_thread(content, path)
        assert driver.stdout.readline() == b"reading\n"
    else:
        assert content(path) == b"driver"
        driver.stdout.readline(), driver.stdout.readline()
    driver.send_signal(number)
    output, errors = driver.communicate(timeout=DEADLINE)
    assert errors == b""
    assert driver.returncode == 0
    lines = output.splitlines()
    assert lines[-2:] == [b"unwound", b"ended"]
    if kind == "wait":
        assert lines[0] == b"read"
        with pytest.raises(BrokenPipeError):
            reading.result()
    assert not os.path.exists(path)


def test_system_exit_in_a_callback_ends_the_loop(in_thread):
    class Exiting(pyfusd.Device):
        async def read(self, file, buf, offset):
            if self.waits:
                await asyncio.sleep(0)
            sys.exit(7)

    for waits in (False, True):
        device = Exiting("exiting")
        device.waits = waits
        device.register()
        reading = in_thread(content, device.path)
        with pytest.raises(SystemExit):
            asyncio.run(pyfusd.aio.serve(device))
        # Now, as a close may wait for the driver.
        device.unregister()
        with pytest.raises(BrokenPipeError):
            reading.result()


def test_an_exception_that_ends_the_loop_is_not_logged_too():
    driver = subprocess.run(
        [sys.executable, "-c", EXITING],
        capture_output=True,
        timeout=DEADLINE,
    )
    assert (driver.returncode, driver.stderr) == (7, b"")


EXITING = """
import asyncio, os, sys, threading
import pyfusd

class Exiting(pyfusd.Device):
    async def read(self, file, buf, offset):
        await asyncio.sleep(0)
        sys.exit(7)

def read(path):
    try:
        os.read(os.open(path, os.O_RDONLY), 1)
    except OSError:
        pass

with Exiting("exiting") as device:
    threading.Thread(target=read, args=(device.path,)).start()
    asyncio.run(pyfusd.aio.serve(device))
"""

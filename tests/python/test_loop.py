# SPDX-License-Identifier: BSD-3-Clause
"""run() and the other ways to serve: signals, threads, many devices."""

import asyncio
import errno
import os
import select
import selectors
import signal
import subprocess
import sys
import threading

import pytest

import pyfusd
from pyfusd import _errors
from support.named_device import NamedDevice, content
from support.proc import mounts
from support.scale import scaled
from support.serving import serving
from support.waiting import DEADLINE, wait_until


def cat(device):
    return subprocess.run(
        ["cat", device.path], stdout=subprocess.PIPE, timeout=DEADLINE, check=True
    ).stdout


@pytest.mark.parametrize("count", [1, 2, 8, 9, 30])
def test_run_serves_any_number_of_devices(count):
    devices = [NamedDevice(f"dir/number{n}") for n in range(count)]
    with serving(*devices):
        for device in devices:
            assert content(device.path) == device.name.encode()


def test_run_is_for_devices():
    with pytest.raises(TypeError, match=r"not <class .*NamedDevice"):
        pyfusd.run(NamedDevice)


def test_two_threads_run_their_own_devices(serve):
    threads = {}

    class Threaded(pyfusd.Device):
        def open(self, file):
            threads[self.name] = threading.get_ident()

    first, second = serve(Threaded("first")), serve(Threaded("second"))
    content_of = [os.open(d.path, os.O_RDONLY) for d in (first, second)]
    for descriptor in content_of:
        os.close(descriptor)
    assert len(set(threads.values())) == 2


def test_a_signal_amid_a_registration_ends_run_and_the_device(monkeypatch):
    """The loop knows the device, and does not watch its descriptor yet."""
    register = selectors.PollSelector.register

    def interrupted(selector, descriptor, events):
        if selector.get_map():
            raise KeyboardInterrupt
        return register(selector, descriptor, events)

    monkeypatch.setattr(selectors.PollSelector, "register", interrupted)
    device = NamedDevice("half")
    pyfusd.run(device)
    assert not device.registered


def test_a_callback_may_register_and_unregister_devices(serve):
    class Parent(NamedDevice):
        children = ()

        def write(self, file, buf, offset):
            names = bytes(buf).decode().split()
            for child in self.children:
                child.unregister()
            self.children = [NamedDevice(name).register() for name in names]
            return len(buf)

    parent = serve(Parent("parent"))
    for names in (["a"], ["b", "c"], [f"n{n}" for n in range(20)], []):
        before = parent.children
        descriptor = os.open(parent.path, os.O_WRONLY)
        os.write(descriptor, " ".join(names).encode() + b"\n")
        os.close(descriptor)
        for child in before:
            assert not os.path.exists(child.path)
        for child in parent.children:
            assert content(child.path) == child.name.encode()
    assert content(parent.path) == b"parent"


def test_a_callback_may_unregister_its_own_device(serve):
    class Leaving(NamedDevice):
        def read(self, file, buf, offset):
            self.unregister()
            return b"never seen"

    device = serve(Leaving("leaving"))
    with pytest.raises(BrokenPipeError):
        content(device.path)
    assert not os.path.exists(device.path)


def test_a_thread_may_unregister_a_device_that_is_about_to_be_served(serve, in_thread):
    class Leaving(NamedDevice):
        def dispatch(self):
            in_thread(self.unregister).result()
            return super().dispatch()

    stays, leaving = NamedDevice("stays"), Leaving("leaving")
    serve(stays, leaving)
    with pytest.raises(OSError):
        os.open(leaving.path, os.O_RDONLY)
    assert not leaving.registered
    assert content(stays.path) == b"stays"


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("number", ["same", "other"])
def test_a_callback_registers_what_a_thread_unregistered(
    serve, in_thread, count, number
):
    class Parent(NamedDevice):
        def write(self, file, buf, offset):
            in_thread(device.unregister).result()
            # For the node's descriptor, so that the device gets the old number.
            if number == "same":
                os.close(spare)
            device.register()
            return len(buf)

    spare = os.open(os.devnull, os.O_RDONLY)
    device = NamedDevice("device")
    parent = serve(
        Parent("parent"), device, *(NamedDevice(f"{n}") for n in range(count))
    )
    with open(parent.path, "wb", buffering=0) as file:
        file.write(b"x")
    if number == "other":
        os.close(spare)
    # Its descriptor has the number that the device had, if that is free.
    assert in_thread(content, device.path).result() == b"device"


def test_any_loop_can_drive_a_device(in_thread):
    with NamedDevice("polled") as device:
        reading = in_thread(content, device.path)
        while reading.thread.is_alive():
            select.select([device.fileno()], [], [], 0.05)
            device.dispatch()
        assert reading.result() == b"polled"


def test_asyncio_can_drive_a_device(in_thread):
    async def main():
        loop = asyncio.get_running_loop()
        with NamedDevice("async") as device:
            loop.add_reader(device.fileno(), device.dispatch)
            result = await loop.run_in_executor(None, content, device.path)
            loop.remove_reader(device.fileno())
            return result

    assert asyncio.run(main()) == b"async"


def test_two_threads_may_dispatch_one_device(in_thread):
    with NamedDevice("shared") as device:
        done = threading.Event()

        def dispatch():
            while not done.is_set():
                select.select([device.fileno()], [], [], 0.05)
                device.dispatch()

        dispatchers = [in_thread(dispatch) for _ in range(3)]
        clients = [
            in_thread(lambda: {content(device.path) for _ in range(50)})
            for _ in range(4)
        ]
        assert all(client.result() == {b"shared"} for client in clients)
        done.set()
        for dispatcher in dispatchers:
            dispatcher.result()


def test_system_exit_in_a_callback_ends_run(in_thread):
    class Exiting(pyfusd.Device):
        def read(self, file, buf, offset):
            sys.exit(7)

    device = Exiting("exiting").register()
    device.unregister()
    running = in_thread(pyfusd.run, device)
    wait_until(lambda: device.registered, "the registration")
    with pytest.raises(BrokenPipeError):
        content(device.path)
    with pytest.raises(SystemExit):
        running.result()
    assert not device.registered


DRIVER = """
import os, sys, time
import pyfusd

class Driver(pyfusd.Device):
    def read(self, file, buf, offset):
        if sys.argv[1] == "busy":
            os.write(1, b"busy\\n")
            while True:
                time.sleep(0.01)
        return self.name.encode()[offset:]

devices = [Driver(name) for name in ("sub/one", "two")]
for device in devices:
    device.register()
    os.write(1, (device.path + "\\n").encode())
if sys.argv[1] == "exit":
    sys.exit(3)
if sys.argv[1] == "crash":
    os.kill(os.getpid(), 9)
pyfusd.run(*devices)
os.write(1, b"ended\\n")
"""


@pytest.fixture
def start_driver(start_python):
    def start(kind):
        driver = start_python(DRIVER, kind)
        return driver, [driver.stdout.readline().decode().strip() for _ in range(2)]

    return start


def assert_nothing_left(paths):
    root = os.environ["FUSD_DEV_ROOT"]
    wait_until(lambda: root not in mounts(), "the end of the mounts")
    for path in paths:
        wait_until(lambda path=path: not os.path.lexists(path), f"the end of {path}")
    wait_until(lambda: not os.path.exists(root + "/sub"), "the end of sub/")


SAYING = """
import sys
import pyfusd

own = pyfusd.Device("own").register()
others = pyfusd.Device("sub/one"), pyfusd.Device("two")
pyfusd.run(own, *others, **eval(sys.argv[1]))
"""


@pytest.mark.parametrize("options", [{}, {"quiet": True}])
def test_run_says_where_those_devices_are_that_it_registers(
    start_python, device_root, options
):
    """Of others the program knows it, and may have said it."""
    driver = start_python(SAYING, str(options))
    wait_until((device_root / "two").exists, "the devices")
    for name in () if options else ("sub/one", "two"):
        line = f"{name}: {device_root}/{name}\n".encode()
        assert driver.stderr.readline() == line
    driver.send_signal(signal.SIGTERM)
    assert driver.communicate(timeout=DEADLINE) == (b"", b"")


UNREGISTRABLE = """
import pyfusd

class Plain(pyfusd.Device):
    def read(self, file, buf, offset):
        return b""

class Coroutine(pyfusd.Device):
    async def read(self, file, buf, offset):
        return b""

pyfusd.run({kind}("name", transport="pigeon"))
"""


@pytest.mark.parametrize("kind", ["Plain", "Coroutine"])
def test_a_device_that_cannot_be_registered_is_no_traceback_of_ours(tmp_path, kind):
    """Only the lines where run() was called and where it raised."""
    script = tmp_path / "driver.py"
    script.write_text(UNREGISTRABLE.format(kind=kind), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=DEADLINE
    )
    assert result.returncode == 1
    frames = [x for x in result.stderr.splitlines() if x.startswith("  File ")]
    assert len(frames) == 2
    assert str(script) in frames[0]
    assert result.stderr.splitlines()[-1].startswith("OSError: [Errno 22] unknown")


def test_what_a_program_s_own_register_raises_shows_where():
    class Unready(NamedDevice):
        def register(self):
            raise OSError(errno.ENXIO, "the bench is off")

    with pytest.raises(OSError, match="the bench is off") as raised:
        pyfusd.run(Unready("unready"))
    assert raised.traceback[-1].name == "register"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["idle", "busy"])
def test_a_signal_ends_run_and_leaves_nothing(number, kind, in_thread, start_driver):
    driver, paths = start_driver(kind)
    if kind == "busy":
        reading = in_thread(content, paths[0])
        assert driver.stdout.readline() == b"busy\n"
    else:
        assert content(paths[1]) == b"two"
    driver.send_signal(number)
    output, errors = driver.communicate(timeout=DEADLINE)
    assert (driver.returncode, output, errors) == (0, b"ended\n", b"")
    assert_nothing_left(paths)
    if kind == "busy":
        with pytest.raises(BrokenPipeError):
            reading.result()


@pytest.mark.parametrize(("kind", "status"), [("exit", 3), ("crash", -9)])
def test_a_driver_that_ends_otherwise_leaves_nothing(kind, status, start_driver):
    driver, paths = start_driver(kind)
    _, errors = driver.communicate(timeout=DEADLINE)
    assert (driver.returncode, errors) == (status, b"")
    assert_nothing_left(paths)


@pytest.mark.parametrize("kind", ["serve", "serve_async"])
def test_a_loop_tries_again_when_memory_was_short(kind, request, caplog, monkeypatch):
    """And does not say so each time: it tries again at once."""
    monkeypatch.setattr(_errors, "_last_shortage", -60)

    class Short(NamedDevice):
        short_dispatches = 100

        def fall_short(self):
            if self.short_dispatches:
                self.short_dispatches -= 1
                raise OSError(errno.ENOMEM, "no memory")

        def dispatch(self):
            self.fall_short()
            return super().dispatch()

        def _serve(self, *arguments):
            self.fall_short()
            return super()._serve(*arguments)

    device = request.getfixturevalue(kind)(Short("short"))
    assert content(device.path) == b"short"
    assert caplog.text.count("no memory, trying again") < 100
    assert "no memory, trying again" in caplog.text


def test_a_device_taken_away_from_outside_ends_run(caplog, in_thread):
    if os.getuid() != 0:
        pytest.skip("umount(8) needs root")
    device = NamedDevice("taken").register()
    if device.transport != "fuse":
        device.unregister()
        pytest.skip("only a mount can be taken away")
    running = in_thread(pyfusd.run, device)
    subprocess.run(["umount", device.path], check=True)
    running.result()
    assert not device.registered
    assert "taken away" in caplog.text


INTERRUPTED_OFTEN = """
import os, random, signal, subprocess, sys, threading, time, pyfusd

class Busy(pyfusd.Device):
    def read(self, file, buf, offset):
        return b"x" * len(buf)

device = Busy("often").register()
if sys.argv[1] == "busy":
    client = subprocess.Popen(["dd", f"if={device.path}", "of=/dev/null", "bs=1"],
                              stderr=subprocess.DEVNULL)
begins = threading.Event()

def interrupt():
    begins.wait()
    begins.clear()
    # From before the wait is begun to when it surely is.
    end = time.perf_counter() + random.random() / 500
    while time.perf_counter() < end:
        pass
    os.kill(os.getpid(), signal.SIGINT)

for _ in range(int(sys.argv[2])):
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        begins.set()
        pyfusd.run(device)
    except KeyboardInterrupt:
        pass  # run() had not begun.
    thread.join()
if sys.argv[1] == "busy":
    client.kill()
    client.wait()
device.unregister()
print("all ended")
"""


@pytest.mark.parametrize("kind", ["idle", "busy"])
def test_each_ctrl_c_ends_the_loop(kind, start_python):
    process = start_python(INTERRUPTED_OFTEN, kind, str(scaled(300)))
    output, errors = process.communicate(timeout=4 * DEADLINE)
    assert (errors, output) == (b"", b"all ended\n")

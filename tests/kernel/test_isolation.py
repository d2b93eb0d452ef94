# SPDX-License-Identifier: BSD-3-Clause
"""One driver, or one client, cannot stop others, the machine, or itself."""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import select
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from support.background import Background, start
from support.forked_clients import (
    check,
    closes,
    controls,
    maps,
    opens,
    outcome,
    process,
    reads,
    stops,
)
from support.proc import state_of
from support.raw_driver import (
    CALL,
    CLOSE,
    HEADER_SIZE,
    IOCTL,
    MAGIC,
    MMAP,
    OPEN,
    OPTION_UNBLOCK,
    READ,
    STATUS,
    UNBLOCK,
    WRITE,
    Driver,
    Message,
    fails,
    libc,
)
from support.waiting import DEADLINE, wait_until


def has_ended(pid):
    """Whether the process is at its end, which is a good one."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    assert status == 0
    return ended == pid


def end(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def kernel_log():
    return subprocess.run(["dmesg"], stdout=subprocess.PIPE, check=True).stdout


# Drivers


@pytest.fixture
def stalled(tmp_path):
    """A process whose /sys/class is a file system that never answers.

    Registers a device of the class "stall" then, and another without.
    """
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no FUSE here")
    receiver, sender = os.pipe()

    def run(name):
        new_mounts, private, recursive = 0x20000, 1 << 18, 1 << 14
        check(libc.unshare(new_mounts))
        check(libc.mount(None, b"/", None, private | recursive, None))
        fuse = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
        check(libc.mount(b"fuse", b"/sys/class", b"fuse", 0, options))
        os.write(sender, b"s")
        driver = Driver(name, clazz=b"stall")
        driver.wait()

    started = []

    def begin(name):
        started.append(process(run, name))
        assert select.select([receiver], [], [], DEADLINE)[0]
        assert os.read(receiver, 1) == b"s"
        return started[0]

    yield begin
    end(started[0])
    os.close(receiver)
    os.close(sender)


def test_a_driver_s_view_of_the_file_system_stalls_nobody(stalled, name):
    with Driver(name) as driver:
        descriptor = driver.open()
        reading = start(os.read, descriptor, 1)
        driver.expect(READ)
        hostile = stalled(f"{name}-hostile")
        # It waits in there, or has come through.
        wait_until(lambda: state_of(hostile) in "SD", "its registration")
        # Each in a process of its own, to be killed if it hangs.
        helpers = [
            process(lambda: Driver(f"{name}-other").close()),
            process(lambda: Driver(f"{name}-with", clazz=b"another").close()),
            process(lambda: Path(STATUS).read_bytes()),
        ]
        for helper in helpers:
            wait_until(lambda helper=helper: has_ended(helper), "another's call")
        driver.unregister()
        fails(errno.EPIPE, reading.result)
    os.close(descriptor)


@pytest.mark.parametrize("other", ["!", "class"])
def test_a_name_that_is_taken_in_sysfs_leaves_the_log_clean(name, other):
    before = kernel_log()
    with Driver(f"{name}/x"), contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            if other == "!":
                stack.enter_context(Driver(f"{name}!x"))
            else:
                stack.enter_context(Driver(f"{name}-w", clazz=b"workqueue"))
        assert stat.S_ISCHR(os.stat(f"/dev/{name}/x").st_mode)
    added = kernel_log()[len(before) :] if kernel_log().startswith(before) else b""
    assert b"Call Trace" not in added
    assert b"duplicate" not in added
    Driver(f"{name}-w").close()


@pytest.mark.parametrize("clazz", ["misc", "tty", "input", "mem"])
def test_a_class_that_exists_does_not_keep_a_driver_from_registering(name, clazz):
    if not os.path.isdir(f"/sys/class/{clazz}"):
        pytest.skip(f"this kernel has no class {clazz}")
    before = set(os.listdir(f"/sys/class/{clazz}"))
    with Driver(name, clazz=clazz.encode()) as driver:
        assert stat.S_ISCHR(os.stat(driver.path).st_mode)
        descriptor = driver.open()
        second = Driver(f"{name}-2", clazz=clazz.encode())
        second.close()
    os.close(descriptor)
    assert not os.path.exists(driver.path)
    assert set(os.listdir(f"/sys/class/{clazz}")) == before


def test_a_registration_that_fails_leaves_no_client_behind(name, tmp_path):
    """Clients open each number that the device could have had, all the time."""
    with Driver(f"{name}/v") as taken:
        number = os.stat(taken.path).st_rdev
        nodes = [tmp_path / f"node{index}" for index in range(1, 20)]
        for index, node in enumerate(nodes, 1):
            device = os.makedev(os.major(number), os.minor(number) + index)
            os.mknod(node, stat.S_IFCHR | 0o666, device)
        receiver, sender = os.pipe()

        def open_all():
            os.close(taken.fd)
            while True:
                for node in nodes:
                    with contextlib.suppress(OSError):
                        os.close(os.open(node, os.O_RDWR))
                os.write(sender, b"x")

        client = process(open_all)
        for _ in range(20):
            for attempt in (f"{name}!v", f"{name}/v"):
                with contextlib.suppress(OSError):
                    Driver(attempt).close()
        # It gets on: whatever was written before, and then more.
        os.set_blocking(receiver, False)
        for _ in range(2):
            with contextlib.suppress(BlockingIOError):
                while os.read(receiver, 4096):
                    pass
            assert select.select([receiver], [], [], DEADLINE)[0], "a client hangs"
        end(client)
        os.close(receiver)
        os.close(sender)


def receive_into(address, driver):
    return check(libc.read(driver.fd, ctypes.c_void_p(address), HEADER_SIZE))


def test_a_message_that_goes_back_wakes_another_receiver(driver):
    """The first one that waits has a buffer that is none."""
    flags = fcntl.fcntl(driver.fd, fcntl.F_GETFL)
    fcntl.fcntl(driver.fd, fcntl.F_SETFL, flags & ~os.O_NONBLOCK)

    def is_waiting(call):
        return state_of(os.getpid(), call.thread.native_id) == "S"

    bad = start(receive_into, 8, driver)
    wait_until(lambda: is_waiting(bad), "its wait")
    good = start(os.read, driver.fd, HEADER_SIZE)
    wait_until(lambda: is_waiting(good), "its wait")
    opening = start(os.open, driver.path, os.O_RDWR)
    message = Message.from_buffer_copy(good.result())
    fails(errno.EFAULT, bad.result)
    driver.reply(message, -errno.ENXIO)
    fails(errno.ENXIO, opening.result)


PAGE = mmap.PAGESIZE
NO_ACCESS = 0


class Fault:
    """A page whose first access waits until it is let go, and fails then."""

    API, REGISTER, WAKE = 0xC018AA3F, 0xC020AA00, 0x8010AA02
    SYS_USERFAULTFD = 323

    def __init__(self):
        self.fd = libc.syscall(self.SYS_USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0:
            pytest.skip("this kernel has no userfaultfd")
        self._control(self.API, 0xAA, 0, 0)
        anonymous_private = 0x22
        self.page = libc.mmap(None, PAGE, 3, anonymous_private, -1, 0)
        missing = 1
        self._control(self.REGISTER, self.page, PAGE, missing, 0)

    def _control(self, number, *words):
        data = bytearray(b"".join(word.to_bytes(8, "little") for word in words))
        fcntl.ioctl(self.fd, number, data)

    def wait(self):
        assert select.select([self.fd], [], [], DEADLINE)[0], "no access came"

    def let_go(self):
        check(libc.mprotect(ctypes.c_void_p(self.page), PAGE, NO_ACCESS))
        self._control(self.WAKE, self.page, PAGE)

    def close(self):
        os.close(self.fd)


def test_an_unblock_that_goes_back_is_there_once(name, reader):
    """A second signal comes while the driver's memory takes the first's message."""
    fault = Fault()
    with Driver(f"{name}-told", options=OPTION_UNBLOCK) as driver:
        one = reader(reads(10), of=driver)
        message = driver.expect(READ)
        one.interrupt_and_wait()
        driver.wait()
        receiving = start(receive_into, fault.page, driver)
        fault.wait()
        for _ in range(3):
            one.interrupt_and_wait()
        fault.let_go()
        fails(errno.EFAULT, receiving.result)
        count = 0
        while not driver.is_idle():
            assert driver.expect(UNBLOCK).fops.transid == message.fops.transid
            count += 1
        assert count in (1, 2)
        driver.reply(message, 4, b"data")
        assert one.result() == b"data"
        one.kill()
    fault.close()


def test_an_open_that_goes_back_and_is_given_up_then_has_no_close(driver, client):
    fault = Fault()
    one = client(opens(os.O_RDWR), stops, opens(os.O_RDONLY), restart=False)
    driver.wait()
    receiving = start(receive_into, fault.page, driver)
    fault.wait()
    one.interrupt()
    assert one.result() == "EINTR"
    one.wait_for("T")
    fault.let_go()
    fails(errno.EFAULT, receiving.result)
    one.go_on()
    assert one.result() is None
    # In the second open: until then the first one is in the queue.
    one.wait_for("S")
    message = driver.expect(OPEN)
    assert message.fops.flags & os.O_ACCMODE == os.O_RDONLY
    driver.reply(message)
    assert one.result() == 0
    assert driver.is_idle()
    fault.close()


def test_a_second_receiver_does_not_take_data_for_a_header(opened):
    driver, descriptor = opened
    forged = Message(magic=MAGIC, cmd=CALL, subcmd=IOCTL)
    forged.fops.private_info = 0x4141414141414141
    with Background(os.write, descriptor, bytes(forged)) as writing:
        message = driver.header()
        assert message.subcmd == WRITE
        assert message.fops.length == HEADER_SIZE

        def receive():
            try:
                return os.read(driver.fd, HEADER_SIZE)
            except OSError:
                return None

        second = start(receive)
        assert second.result() is None
        data = os.read(driver.fd, message.datalen)
        assert data[: message.fops.length] == bytes(forged)
        assert driver.is_idle()
        driver.reply(message, HEADER_SIZE)
        assert writing.result() == HEADER_SIZE


# Who waits for himself


def test_who_registers_and_opens_before_receiving_gets_edeadlk(name):
    """A process of one thread: nobody else could answer."""

    def run():
        with Driver(name) as driver:
            fails(errno.EDEADLK, os.open, driver.path, os.O_RDWR)

    child = process(run)
    try:
        wait_until(lambda: has_ended(child), "its open")
    finally:
        end(child)


def test_a_serving_thread_may_close_a_file_of_its_device(name):
    """It does not wait for the answer that only it could give."""
    receiver, sender = os.pipe()

    def run():
        driver = Driver(name)
        files = []
        opening = threading.Thread(
            target=lambda: files.append(os.open(driver.path, os.O_RDWR))
        )
        opening.start()
        driver.reply(driver.expect(OPEN))
        opening.join()
        os.close(files[0])
        driver.reply(driver.expect(CLOSE))
        os.write(sender, b"closed")

    child = process(run)
    try:
        assert select.select([receiver], [], [], DEADLINE)[0], "it waits for itself"
        assert os.read(receiver, 10) == b"closed"
    finally:
        end(child)
        os.close(receiver)
        os.close(sender)


# Who waits, and the rest of the machine


def pm(name):
    return Path("/sys/power") / name


@pytest.fixture
def suspend():
    """suspend() stops all tasks as a suspend does, and lets them go on."""
    if not pm("pm_test").exists():
        pytest.skip("this kernel cannot try a suspend")
    delay = Path("/sys/module/suspend/parameters/pm_test_delay")
    before = delay.read_text()
    delay.write_text("0")
    pm("pm_test").write_text("freezer")
    yield lambda: pm("state").write_text("freeze")
    pm("pm_test").write_text("none")
    delay.write_text(before)


def test_a_suspend_works_while_clients_wait(driver, client, reader, suspend):
    calls = {OPEN: client(opens())}
    held = [driver.expect(OPEN)]
    for subcmd, step in (
        (READ, reads(10)),
        (IOCTL, controls(0x1234)),
        (MMAP, maps()),
        (CLOSE, closes),
    ):
        calls[subcmd] = reader(step)
        held.append(driver.expect(subcmd))
    for one in calls.values():
        one.wait_for("SD")
    suspend()
    # The same calls go on.
    assert driver.is_idle()
    for message in held:
        driver.reply(message, -errno.ENXIO)
    results = {subcmd: one.result() for subcmd, one in calls.items()}
    assert results.pop(CLOSE) in (0, "ENXIO")
    assert set(results.values()) == {"ENXIO"}


def test_a_client_that_waits_in_mmap_can_be_looked_at(driver, reader):
    one = reader(maps())
    message = driver.expect(MMAP)
    one.wait_for("SD")
    files = [Path(f"/proc/{one.pid}/{name}") for name in ("maps", "cmdline", "environ")]
    rollup = Path(f"/proc/{one.pid}/smaps_rollup")  # Not in each kernel.
    for file in [*files, *([rollup] if rollup.exists() else [])]:
        helper = process(file.read_bytes)
        try:
            wait_until(lambda helper=helper: has_ended(helper), f"a read of {file}")
        finally:
            end(helper)
    assert driver.is_idle()
    driver.reply(message, -errno.ENXIO)
    assert one.result() == "ENXIO"


def test_threads_of_a_client_that_waits_in_mmap_go_on(driver, reader):
    """They need the memory map, too."""

    def get_memory(client):
        for _ in range(50):
            mmap.mmap(-1, 1 << 20).close()
        return "got"

    def map_in_background(client):
        def body():
            client.say(outcome(maps(), client))

        threading.Thread(target=body).start()
        return "started"

    def wait_for_word(client):
        os.read(receiver, 1)

    receiver, sender = os.pipe()
    one = reader(map_in_background, wait_for_word, get_memory)
    assert one.result() == "started"
    message = driver.expect(MMAP)
    os.write(sender, b"x")
    one.result()
    assert one.result() == "got"
    driver.reply(message, -errno.ENXIO)
    assert one.result() == "ENXIO"
    os.close(receiver)
    os.close(sender)


def test_a_splice_that_waits_leaves_its_pipe_to_others(opened):
    driver, descriptor = opened
    receiver, sender = os.pipe()
    os.set_blocking(receiver, False)

    def splice():
        os.close(driver.fd)
        os.splice(descriptor, sender, 100)

    child = process(splice)
    driver.expect(READ)
    wait_until(lambda: state_of(child) in "SD", "its wait")
    reading = process(lambda: fails(errno.EAGAIN, os.read, receiver, 1))
    try:
        wait_until(lambda: has_ended(reading), "a read that does not block")
    finally:
        end(child)
        end(reading)
        os.close(receiver)
        os.close(sender)

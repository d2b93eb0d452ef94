# SPDX-License-Identifier: BSD-3-Clause
"""FUSD_CONTROL_DESCRIPTOR: what an ioctl's answer brings its client."""

import contextlib
import ctypes
import errno
import fcntl
import itertools
import mmap
import os
import resource
import select
import signal

import pytest

from support.background import Background
from support.forked_clients import Client, check, controls, opens
from support.raw_descriptors import (
    CONTROL_DESCRIPTOR,
    RDONLY,
    RDWR,
    RESULT,
    WRONLY,
    Descriptor,
    add,
    expect_close,
)
from support.raw_driver import (
    CLOSE,
    IOCTL,
    OPTION_STREAM,
    OPTION_UNBLOCK,
    READ,
    UNBLOCK,
    WRITE,
    Driver,
    fails,
    libc,
)
from support.scale import scaled
from support.waiting import wait_until

MOST = 16
# What the client calls: nothing, and 16 bytes each way.
PLAIN = ord("T") << 8 | 1
BOTH = 3 << 30 | 16 << 16 | ord("T") << 8 | 2


def call(descriptor, number=PLAIN, data=None):
    result = libc.ioctl(descriptor, ctypes.c_ulong(number), data)
    return result if result >= 0 else -ctypes.get_errno()


def open_child(driver, parent, **told):
    """The number of a client's new descriptor."""
    with Background(call, parent) as calling:
        message = driver.expect(IOCTL)
        add(driver, message, **told)
        driver.reply(message)
        return calling.result()


def close(driver, descriptor, private=0x77):
    with Background(os.close, descriptor):
        expect_close(driver, private)
    assert driver.is_idle()


def test_a_child_is_an_open_file_like_any_other(opened):
    driver, descriptor = opened
    child = open_child(driver, descriptor, flags=RDWR | os.O_CLOEXEC, private=0x99)
    assert not os.get_inheritable(child)
    with Background(os.pread, child, 5, 7) as reading:
        message = driver.expect(READ)
        assert (message.fops.private_info, message.fops.offset) == (0x99, 7)
        assert message.fops.flags & os.O_ACCMODE == RDWR
        assert message.fops.pid == reading.thread.native_id
        driver.reply(message, 5, b"bytes")
        assert reading.result() == b"bytes"
    with Background(os.write, child, b"written") as writing:
        message = driver.expect(WRITE)
        assert message.bytes == b"written"
        driver.reply(message, 7)
        assert writing.result() == 7
    assert os.lseek(child, 0, os.SEEK_CUR) == 7
    grandchild = open_child(driver, child, private=0x11)
    with Background(call, grandchild) as calling:
        message = driver.expect(IOCTL)
        assert message.fops.private_info == 0x11
        driver.reply(message, 3)
        assert calling.result() == 3
    close(driver, grandchild, 0x11)
    close(driver, child, 0x99)


def test_a_child_can_be_polled_and_outlives_its_parent(driver):
    descriptor = driver.open()
    child = open_child(driver, descriptor)
    close(driver, descriptor, 0)
    with Background(lambda: select.select([child], [], [])) as polling:
        message = driver.receive()
        assert message.name == "poll_diff"
        assert message.fops.private_info == 0x77
        driver.reply(message, 1)
        polling.result()
    with Background(os.close, child):
        message = driver.receive()
        # It may have been asked again meanwhile.
        if message.name == "poll_diff":
            message = driver.receive()
        assert (message.name, message.fops.private_info) == ("close", 0x77)
        driver.reply(message)


def test_a_child_can_be_mapped(client, driver):
    """By another process: a driver that maps its own device would wait for itself."""

    def maps_the_child(client):
        child = call(client.fd)
        with mmap.mmap(child, 4096) as view:
            view[:5] = b"bytes"
        return 0

    memory = mmap.mmap(-1, 4096)
    one = client(opens(), maps_the_child)
    driver.reply(driver.receive())
    assert one.result() == 0
    message = driver.expect(IOCTL)
    add(driver, message)
    driver.reply(message)
    message = driver.receive()
    assert (message.name, message.fops.private_info) == ("mmap", 0x77)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    driver.reply(message, arg=address, length=4096)
    assert one.result() == 0
    assert memory[:5] == b"bytes"


@pytest.mark.parametrize(
    ("flags", "call", "error"),
    [
        (RDONLY, lambda child: os.write(child, b"x"), errno.EBADF),
        (WRONLY, lambda child: os.read(child, 1), errno.EBADF),
    ],
)
def test_a_child_has_the_access_that_it_was_given(opened, flags, call, error):
    driver, descriptor = opened
    child = open_child(driver, descriptor, flags=flags | os.O_NONBLOCK)
    fails(error, call, child)
    assert fcntl.fcntl(child, fcntl.F_GETFL) & os.O_NONBLOCK
    close(driver, child)


def test_a_child_of_a_stream_is_one(name):
    with Driver(name, options=OPTION_STREAM) as driver:
        descriptor = driver.open()
        child = open_child(driver, descriptor)
        fails(errno.ESPIPE, os.lseek, child, 0, os.SEEK_SET)
        fails(errno.ESPIPE, os.pread, child, 1, 1)
        close(driver, child)
        close(driver, descriptor, 0)


def test_numbers_come_in_the_answer_s_data(opened):
    driver, descriptor = opened
    data = ctypes.create_string_buffer(b"sixteen bytes...", 16)
    with Background(call, descriptor, BOTH, data) as calling:
        message = driver.expect(IOCTL)
        add(driver, message, offset=12, private=1)
        add(driver, message, offset=3, private=2)
        driver.reply(message, 5, b"................")
        assert calling.result() == 5
    first, second = (int.from_bytes(data.raw[at : at + 4], "little") for at in (12, 3))
    assert data.raw[:3] + data.raw[7:12] == b"........"
    close(driver, first, 1)
    close(driver, second, 2)


@pytest.mark.parametrize("flags", [0, os.O_CLOEXEC])
def test_a_descriptor_of_the_driver_s_is_the_client_s(opened, flags):
    driver, descriptor = opened
    reader, writer = os.pipe()
    child = open_child(driver, descriptor, descriptor=writer, flags=flags)
    os.close(writer)
    assert os.get_inheritable(child) == (not flags)
    os.write(child, b"through")
    assert os.read(reader, 10) == b"through"
    os.close(child)
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert driver.is_idle()


def test_an_error_makes_no_open_file(opened):
    driver, descriptor = opened
    reader, writer = os.pipe()
    with Background(call, descriptor, PLAIN) as calling:
        message = driver.expect(IOCTL)
        add(driver, message)
        add(driver, message, descriptor=writer, flags=0)
        driver.reply(message, -errno.ENOSPC)
        assert calling.result() == -errno.ENOSPC
    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert driver.is_idle()


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"descriptor": 1000}, errno.EBADF),
        ({"descriptor": -2}, errno.EINVAL),
        ({"descriptor": 0, "flags": os.O_NONBLOCK}, errno.EINVAL),
        ({"flags": os.O_ACCMODE}, errno.EINVAL),
        ({"flags": os.O_APPEND}, errno.EINVAL),
        ({"offset": 13}, errno.EINVAL),
        ({"offset": 0xFFFFFFFE}, errno.EINVAL),
    ],
)
def test_what_cannot_be_given_changes_nothing(opened, told, error):
    driver, descriptor = opened
    data = ctypes.create_string_buffer(16)
    with Background(call, descriptor, BOTH, data) as calling:
        message = driver.expect(IOCTL)
        told = {"flags": 0 if "descriptor" in told else RDWR} | told
        fails(error, add, driver, message, **told)
        driver.reply(message, 0, b"................")
        assert calling.result() == 0
    assert driver.is_idle()


def test_a_device_s_own_descriptors_are_not_given(opened):
    """A request that kept its driver's descriptor would never end."""
    driver, descriptor = opened
    path_only = os.open("/dev", os.O_PATH)
    with Background(call, descriptor) as calling:
        message = driver.expect(IOCTL)
        fails(errno.EINVAL, add, driver, message, descriptor=driver.fd, flags=0)
        fails(errno.EBADF, add, driver, message, descriptor=path_only, flags=0)
        driver.reply(message)
        assert calling.result() == 0
    os.close(path_only)


def test_only_what_waits_is_given_descriptors(opened):
    driver, descriptor = opened
    with Background(os.write, descriptor, b"data") as writing:
        message = driver.expect(WRITE)
        fails(errno.EINVAL, add, driver, message, offset=0)
        driver.reply(message, 4)
        writing.result()
    fails(errno.EPIPE, add, driver, message, offset=0)
    with Background(call, descriptor) as calling:
        message = driver.expect(IOCTL)
        message.fops.transid += 1
        fails(errno.EPIPE, add, driver, message)
        message.fops.transid -= 1
        driver.reply(message)
        assert calling.result() == 0
    fails(errno.EPIPE, add, driver, message)


def test_a_device_that_is_not_registered_has_no_requests():
    with Driver() as driver:
        told = bytes(Descriptor(1, 1, 1, -1, 0, RDWR, RESULT))
        fails(errno.ENODEV, fcntl.ioctl, driver.fd, CONTROL_DESCRIPTOR, told)


def test_an_answer_brings_sixteen(opened):
    driver, descriptor = opened
    with Background(call, descriptor) as calling:
        message = driver.expect(IOCTL)
        for _ in range(MOST):
            add(driver, message)
        fails(errno.E2BIG, add, driver, message)
        fails(errno.E2BIG, add, driver, message, descriptor=0, flags=0)
        driver.reply(message, -errno.EPERM)
        assert calling.result() == -errno.EPERM
    assert driver.is_idle()


def test_a_user_s_children_count_as_its_open_files(opened, parameter):
    driver, descriptor = opened
    parameter("max_open_files", 2)
    child = open_child(driver, descriptor)
    with Background(call, descriptor) as calling:
        message = driver.expect(IOCTL)
        fails(errno.ENFILE, add, driver, message)
        driver.reply(message, -errno.ENFILE)
        assert calling.result() == -errno.ENFILE
    close(driver, child)
    close(driver, open_child(driver, descriptor))


def test_an_answer_without_the_data_for_a_number_is_eio(opened):
    driver, descriptor = opened
    data = ctypes.create_string_buffer(16)
    with Background(call, descriptor, BOTH, data) as calling:
        message = driver.expect(IOCTL)
        add(driver, message, offset=0, flags=RDWR | os.O_CLOEXEC)
        driver.reply(message)
        # Its client waits for it, as close(2) does.
        closing = driver.expect(CLOSE)
        assert closing.fops.flags & ~os.O_LARGEFILE == RDWR
        driver.reply(closing)
        assert calling.result() == -errno.EIO
    assert driver.is_idle()


def test_a_client_without_room_gets_nothing(driver):
    """Neither memory for the data, nor numbers."""

    def has_no_numbers(client):
        before = len(os.listdir("/proc/self/fd"))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        # One of the two finds a number.
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, limits[1]))
        result = call(client.fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        return result, len(os.listdir("/proc/self/fd")) - before

    def has_no_memory(client):
        before = len(os.listdir("/proc/self/fd"))
        result = call(client.fd, 2 << 30 | 16 << 16 | PLAIN, 8)
        return result, len(os.listdir("/proc/self/fd")) - before

    client = Client(driver, opens(), has_no_numbers, has_no_memory)
    try:
        driver.reply(driver.receive())
        assert client.result() == 0
        for error in (errno.EMFILE, errno.EFAULT):
            message = driver.expect(IOCTL)
            add(driver, message, private=1)
            add(driver, message, private=2)
            data = b"." * 16 if error == errno.EFAULT else None
            driver.reply(message, 0, data)
            closed = set()
            for _ in range(2):
                closing = driver.expect(CLOSE)
                closed.add(closing.fops.private_info)
                driver.reply(closing)
            assert closed == {1, 2}
            assert client.result() == (-error, 0)
    finally:
        client.kill()


def test_a_client_that_is_killed_before_the_answer_gets_it_closed(reader, driver):
    client = reader(controls(PLAIN))
    message = driver.expect(IOCTL)
    add(driver, message)
    client.kill()
    expect_close(driver, 0)
    # The answer is taken, as an open's is: so the driver waits for the close.
    driver.reply(message)
    expect_close(driver)
    assert driver.is_idle()
    fails(errno.EPIPE, driver.reply, message)


def test_a_killed_client_s_error_is_the_end(reader, driver):
    client = reader(controls(PLAIN))
    message = driver.expect(IOCTL)
    add(driver, message)
    client.kill()
    expect_close(driver, 0)
    fails(errno.EPIPE, add, driver, message)
    driver.reply(message, -errno.EIO)
    assert driver.is_idle()


def test_a_client_killed_between_answer_and_descriptor_gets_it_closed(reader, driver):
    """It is stopped, and so does not take the answer before it dies."""
    client = reader(controls(PLAIN))
    message = driver.expect(IOCTL)
    add(driver, message)
    client.stop()
    driver.reply(message)
    client.kill()
    closed = []
    for _ in range(2):
        closing = driver.expect(CLOSE)
        closed.append(closing.fops.private_info)
        driver.reply(closing)
    assert sorted(closed) == [0, 0x77]
    assert driver.is_idle()


def test_a_stopped_client_takes_its_answer_later(client, driver):
    def gets_a_child(client):
        child = call(client.fd)
        return check(libc.write(child, b"written", 7))

    one = client(opens(), gets_a_child)
    driver.reply(driver.receive())
    assert one.result() == 0
    message = driver.expect(IOCTL)
    one.stop()
    add(driver, message)
    driver.reply(message)
    one.go_on()
    message = driver.expect(WRITE)
    assert message.fops.private_info == 0x77
    driver.reply(message, 7)
    assert one.result() == 7


def test_a_client_that_sees_eintr_has_its_child_closed(client, willing):
    """It goes on with something else; nobody comes back for the answer."""
    one = client(opens(), lambda one: call(one.fd), of=willing, restart=False)
    willing.reply(willing.receive())
    assert one.result() == 0
    message = willing.expect(IOCTL)
    add(willing, message)
    one.interrupt()
    willing.expect(UNBLOCK)
    assert one.result() == -errno.EINTR
    willing.reply(message)
    expect_close(willing)


def test_a_device_s_end_leaves_no_descriptor(opened):
    driver, descriptor = opened
    reader, writer = os.pipe()
    with Background(call, descriptor) as calling:
        message = driver.expect(IOCTL)
        add(driver, message)
        add(driver, message, descriptor=writer, flags=0)
        os.close(writer)
        driver.unregister()
        assert calling.result() == -errno.EPIPE
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_child_of_a_device_that_is_gone_can_be_closed(opened):
    driver, descriptor = opened
    child = open_child(driver, descriptor)
    driver.unregister()
    fails(errno.EPIPE, os.read, child, 1)
    os.close(child)


def test_children_come_and_go(opened):
    driver, descriptor = opened
    before = len(os.listdir("/proc/self/fd"))
    kept = []
    for number in range(scaled(10000)):
        child = open_child(driver, descriptor, private=number)
        assert child >= 0
        if number % 100 == 0:
            kept.append((child, number))
            continue
        close(driver, child, number)
    for child, number in kept:
        close(driver, child, number)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_client_that_is_killed_at_any_moment_leaks_nothing(driver, client):
    """Each child that the driver gave is closed once, and each pipe ends."""

    def calls_for_ever(client):
        while call(client.fd) >= 0:
            pass

    given = itertools.count(1)
    for _ in range(40):
        one = client(opens(), calls_for_ever)
        reader, writer = os.pipe()
        children = serve_until_killed(driver, one, given, writer)
        os.close(writer)
        assert not children, "children were not closed"
        assert os.read(reader, 1) == b""
        os.close(reader)
    assert driver.is_idle()


def serve_until_killed(driver, client, given, pipe):
    """Kills the client after some answers; what is not closed when it is."""
    children = set()
    answers = 0
    open_files = 1
    while open_files:
        try:
            message = driver.receive()
        except BlockingIOError:
            continue  # a call that was not received ends with its client
        private = message.fops.private_info
        if message.subcmd == IOCTL:
            child = next(given)
            try:
                add(driver, message, private=child)
                add(driver, message, descriptor=pipe, flags=0)
                # Taken, or it never was.
                driver.reply(message)
                children.add(child)
            except BrokenPipeError:
                if child in children:
                    raise
            answers += 1
            if answers == 5:
                os.kill(client.pid, signal.SIGKILL)
            continue
        driver.reply(message)
        if message.subcmd == CLOSE and private:
            children.remove(private)
        elif message.subcmd == CLOSE:
            open_files -= 1
    # The thread that was killed has let go of its last request by now.
    client.kill()
    wait_until(lambda: drained(driver, children), "the last closes")
    return children


def drained(driver, children):
    while not driver.is_idle():
        message = driver.expect(CLOSE)
        driver.reply(message)
        children.discard(message.fops.private_info)
    return not children


@pytest.mark.parametrize("option", [0, OPTION_UNBLOCK])
def test_two_threads_may_answer_one_request(name, option):
    """One wins; the other adds to nothing."""
    with Driver(name, options=option) as driver:
        descriptor = driver.open()
        before = children_here()
        for _ in range(200):
            with Background(call, descriptor) as calling:
                message = driver.expect(IOCTL)
                with Background(give_and_answer, driver, message) as other:
                    mine = give_and_answer(driver, message)
                assert mine + other.result() == 1
                child = calling.result()
            # Both may have added one before either answered.
            children = children_here() - before
            assert child in children and len(children) <= 2
            for child in children:
                close(driver, child)
        close(driver, descriptor, 0)


def give_and_answer(driver, message):
    """Whether this one answered."""
    try:
        add(driver, message)
        driver.reply(message)
    except BrokenPipeError:
        return 0
    return 1


def children_here():
    """This process's descriptors that are children, of any device."""
    names = {}
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            names[int(number)] = os.readlink(f"/proc/self/fd/{number}")
    return {number for number, name in names.items() if name == "anon_inode:[fusd]"}

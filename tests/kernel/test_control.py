# SPDX-License-Identifier: BSD-3-Clause
"""The control descriptor: registering, receiving, and what is malformed."""

import ctypes
import errno
import fcntl
import os
import select
import stat
import threading

import pytest

from support.background import Background, start
from support.raw_driver import (
    CALL,
    CLOSE,
    CONTROL,
    HEADER_SIZE,
    MAGIC,
    OPEN,
    OPTION_ALWAYS_READY,
    OPTION_CLIENT_BITS,
    OPTION_FLUSH,
    OPTION_FSYNC,
    OPTION_NONBLOCK,
    OPTION_SEEK,
    OPTION_STREAM,
    OPTION_UNBLOCK,
    READ,
    REGISTER,
    REPLY,
    WRITE,
    Driver,
    Message,
    fails,
    libc,
    registration,
)


def test_the_control_file_is_root_s_alone():
    status = os.stat(CONTROL)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert stat.S_ISCHR(status.st_mode)
    assert status.st_uid == 0


def test_register_makes_a_character_device_with_its_mode(name):
    with Driver(name, mode=0o640):
        status = os.stat(f"/dev/{name}")
        assert stat.S_ISCHR(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o640
    assert not os.path.exists(f"/dev/{name}")


def test_register_tells_udev_the_name_and_the_mode(name):
    with Driver(name, mode=0o640):
        assert os.path.exists(f"/sys/class/fusd/{name}/dev")
        with open(f"/sys/class/fusd/{name}/uevent", encoding="ascii") as file:
            uevent = file.read()
        assert f"DEVNAME={name}\n" in uevent
        assert "DEVMODE=0640\n" in uevent
    assert not os.path.exists(f"/sys/class/fusd/{name}")


def test_slashes_make_directories_that_go_with_the_device(name):
    with Driver(f"{name}/a/b"):
        assert stat.S_ISCHR(os.stat(f"/dev/{name}/a/b").st_mode)
    assert not os.path.exists(f"/dev/{name}")


def test_a_class_and_a_name_in_it_are_made(name):
    clazz = f"class-{name}"
    with Driver(name, clazz=clazz.encode(), devname=b"inside"):
        assert os.path.exists(f"/sys/class/{clazz}/inside/dev")
        assert os.path.exists(f"/dev/{name}")
        other = f"{name}-2"
        with Driver(other, clazz=clazz.encode()):
            assert os.path.exists(f"/sys/class/{clazz}/{other}/dev")
        inside = {"clazz": clazz.encode(), "devname": b"inside"}
        fails(errno.EEXIST, lambda: Driver(f"{name}-3", **inside))
    assert not os.path.exists(f"/sys/class/{clazz}")


@pytest.mark.parametrize(
    "wrong",
    [b"", b"..", b".", b"a/../b", b"/a", b"a/", b"a//b", b"a\tb", b"x" * 48, b"\x7f"],
)
def test_a_wrong_name_is_einval_and_another_may_follow(name, wrong):
    with Driver() as driver:
        fails(errno.EINVAL, driver.write, registration(wrong))
        assert driver.write(registration(name)) == HEADER_SIZE


@pytest.mark.parametrize("wrong", [b"..", b"a/b", b"a\nb", b"x" * 48])
def test_a_wrong_class_is_einval(name, wrong):
    fails(errno.EINVAL, lambda: Driver(name, clazz=wrong))


@pytest.mark.parametrize("taken", ["null", "fusd/control", "pts", "null/below"])
def test_a_node_of_others_stays(taken):
    """The module looks up no path; to refuse the name is the library's part."""
    before = os.stat("/dev/" + taken.removesuffix("/below"))
    Driver(taken).close()
    assert os.stat("/dev/" + taken.removesuffix("/below")).st_rdev == before.st_rdev


def test_a_name_that_has_a_live_device_in_its_path_is_refused(driver, name):
    fails(errno.ENOTDIR, lambda: Driver(driver.path[5:] + "/below"))
    with Driver(f"{name}-2/below"):
        fails(errno.EEXIST, lambda: Driver(f"{name}-2"))


def test_a_live_device_s_name_is_taken_and_free_at_its_end(name):
    with Driver(name):
        fails(errno.EEXIST, lambda: Driver(name))
    Driver(name).close()


def test_a_descriptor_registers_one_device_at_most(driver, name):
    fails(errno.EBUSY, driver.write, registration(f"{name}-2"))


def test_a_name_is_free_while_a_dead_driver_s_files_are_open(name):
    first = Driver(name)
    descriptor = first.open()
    first.close()
    with Driver(name) as second:
        fails(errno.EPIPE, os.read, descriptor, 1)
        other = second.open()
    os.close(other)
    os.close(descriptor)


@pytest.mark.parametrize("size", [0, 1, 175, 177, 352])
def test_a_message_of_another_size_is_einval(driver, size):
    message = (bytes(registration("never")) * 3)[:size]
    fails(errno.EINVAL, os.write, driver.fd, message)


def test_a_wrong_magic_is_eio(driver):
    for magic in (0, MAGIC + 1, MAGIC ^ 0xFFFFFFFF):
        fails(errno.EIO, driver.write, Message(magic=magic, cmd=REPLY))


@pytest.mark.parametrize("cmd", [CALL, 4, 6, 7, 100, -1, -32768, 32767])
def test_an_unknown_command_is_einval(driver, cmd):
    fails(errno.EINVAL, driver.write, Message(magic=MAGIC, cmd=cmd))


@pytest.mark.parametrize("datalen", [-1, 1, 176, 1 << 30, -(1 << 31), (128 << 10) + 1])
def test_lengths_that_do_not_add_up_are_einval(driver, datalen):
    fails(errno.EINVAL, driver.write, Message(magic=MAGIC, cmd=REPLY, datalen=datalen))
    fails(
        errno.EINVAL,
        driver.write,
        Message(magic=MAGIC, cmd=REGISTER, datalen=datalen),
    )


def test_a_message_in_bad_memory_is_efault(driver):
    assert libc.write(driver.fd, ctypes.c_void_p(8), 176) == -1
    assert ctypes.get_errno() == errno.EFAULT


def test_an_unregistered_descriptor_has_no_messages():
    with Driver() as driver:
        fails(errno.ENODEV, os.read, driver.fd, HEADER_SIZE)
        assert driver.is_idle()
        fails(errno.ENODEV, driver.unregister)


def test_with_nothing_waiting_a_read_is_eagain(driver):
    fails(errno.EAGAIN, os.read, driver.fd, HEADER_SIZE)


@pytest.fixture
def opening(driver):
    """The message of an open with O_NONBLOCK, and the thread that makes it."""
    with Background(os.open, driver.path, os.O_RDWR | os.O_NONBLOCK) as call:
        message = driver.expect(OPEN)
        yield message, call.thread
        driver.reply(message, -errno.ENXIO)
        fails(errno.ENXIO, call.result)


def test_a_header_is_a_call_and_says_how_long_its_data_is(opening):
    message, _ = opening
    assert message.magic == MAGIC
    assert message.cmd == CALL
    assert message.datalen == 0


def test_a_header_tells_the_caller_and_the_flags(opening):
    message, thread = opening
    assert message.fops.pid == thread.native_id
    assert (message.fops.uid, message.fops.gid) == (os.getuid(), os.getgid())
    assert message.fops.flags & os.O_NONBLOCK
    assert message.fops.flags & os.O_ACCMODE == os.O_RDWR


def test_a_header_s_ids_are_no_addresses_of_the_kernel_s(opening):
    message, _ = opening
    assert message.fops.device_info == 0x1122334455667788
    assert message.fops.private_info == 0
    assert 0 < message.fops.fusd_file < 1 << 32
    assert 0 < message.fops.transid < 1 << 32


def test_a_header_has_what_the_driver_keeps_with_the_open_file(driver):
    with Background(os.open, driver.path, os.O_RDWR) as call:
        driver.reply(driver.expect(OPEN), private_info=0xABCDEF0123456789)
        descriptor = call.result()
    with Background(os.pread, descriptor, 5, 1 << 40):
        message = driver.expect(READ)
        assert message.fops.private_info == 0xABCDEF0123456789
        assert (message.fops.length, message.fops.offset) == (5, 1 << 40)
        driver.reply(message)
    with Background(os.close, descriptor):
        message = driver.expect(CLOSE)
        assert message.fops.private_info == 0xABCDEF0123456789
        driver.reply(message)


def test_any_other_length_is_einval_and_nothing_is_lost(opened):
    driver, descriptor = opened
    with Background(os.write, descriptor, b"hello") as writing:
        driver.wait()
        for size in (0, 1, 175, 177, 4096):
            fails(errno.EINVAL, os.read, driver.fd, size)
        message = driver.header()
        assert message.datalen == 5
        driver.wait()
        for size in (1, 4, 6, 176):
            fails(errno.EINVAL, os.read, driver.fd, size)
        assert os.read(driver.fd, 5) == b"hello"
        assert driver.is_idle()
        driver.reply(message, 5)
        assert writing.result() == 5


def test_a_receive_into_bad_memory_loses_nothing(opened):
    driver, descriptor = opened
    with Background(os.write, descriptor, b"hello"):
        driver.wait()
        assert libc.read(driver.fd, ctypes.c_void_p(8), 176) == -1
        assert ctypes.get_errno() == errno.EFAULT
        message = driver.header()
        assert libc.read(driver.fd, ctypes.c_void_p(8), 5) == -1
        assert os.read(driver.fd, 5) == b"hello"
        driver.reply(message, 5)


def test_the_descriptor_polls_readable_when_a_message_waits(driver):
    poller = select.epoll()
    poller.register(driver.fd, select.EPOLLIN)
    assert poller.poll(0) == []
    with Background(os.open, driver.path, os.O_RDONLY) as opening:
        assert poller.poll(20) == [(driver.fd, select.EPOLLIN)]
        driver.reply(driver.expect(OPEN), -errno.EACCES)
        assert poller.poll(0) == []
        fails(errno.EACCES, opening.result)
    poller.close()


def test_a_blocking_read_waits_for_a_message(driver):
    flags = fcntl.fcntl(driver.fd, fcntl.F_GETFL)
    fcntl.fcntl(driver.fd, fcntl.F_SETFL, flags & ~os.O_NONBLOCK)
    with Background(os.read, driver.fd, HEADER_SIZE) as receiving:
        opening = start(os.open, driver.path, os.O_RDONLY)
        message = Message.from_buffer_copy(receiving.result())
        assert message.subcmd == OPEN
        driver.reply(message, -errno.ENXIO)
        fails(errno.ENXIO, opening.result)


def test_two_threads_receive_on_one_descriptor(opened):
    driver, descriptor = opened
    lock = threading.Lock()
    count, served = 200, []

    def serve():
        while len(served) < count:
            poller = select.poll()
            poller.register(driver.fd, select.POLLIN)
            if not poller.poll(100):
                continue
            # A header and its data are one message: one thread at a time.
            with lock:
                try:
                    header = os.read(driver.fd, HEADER_SIZE)
                except BlockingIOError:
                    continue
                message = Message.from_buffer_copy(header)
                data = os.read(driver.fd, message.datalen)
            served.append(data)
            driver.reply(message, len(data))

    threads = [threading.Thread(target=serve) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(count):
        assert os.write(descriptor, b"%d" % number) == len(b"%d" % number)
    for thread in threads:
        thread.join()
    assert served == [b"%d" % number for number in range(count)]


def test_threads_that_do_not_agree_get_einval_but_harm_nothing(opened):
    """Both read headers; who finds data waiting is told, and nothing is lost."""
    driver, descriptor = opened
    with Background(os.write, descriptor, b"x" * 1000) as writing:
        message = driver.header()
        fails(errno.EINVAL, os.read, driver.fd, HEADER_SIZE)
        assert os.read(driver.fd, 1000) == b"x" * 1000
        driver.reply(message, 1000)
        assert writing.result() == 1000


def test_options_are_granted_only_if_known(name):
    with Driver() as driver:
        assert driver.options(0xFFFFFFFFFFFFFFFF) == (
            OPTION_UNBLOCK
            | OPTION_ALWAYS_READY
            | OPTION_STREAM
            | OPTION_CLIENT_BITS
            | OPTION_SEEK
            | OPTION_FLUSH
            | OPTION_FSYNC
            | OPTION_NONBLOCK
        )
        assert driver.options(0) == 0
        driver.write(registration(name))
        fails(errno.EBUSY, driver.options, OPTION_UNBLOCK)
        fails(errno.ENOTTY, fcntl.ioctl, driver.fd, 0x1234, 0)


def test_unregister_ends_the_device_and_its_clients_calls(opened):
    driver, descriptor = opened
    reading = start(os.read, descriptor, 10)
    driver.expect(READ)
    assert driver.unregister() == HEADER_SIZE
    fails(errno.EPIPE, reading.result)
    assert not os.path.exists(driver.path)
    fails(errno.EPIPE, os.write, descriptor, b"x")


def test_a_descriptor_whose_device_was_unregistered_is_of_no_more_use(opened):
    driver, descriptor = opened
    reading = start(os.read, descriptor, 10)
    message = driver.expect(READ)
    driver.unregister()
    fails(errno.EPIPE, reading.result)
    fails(errno.EPIPE, driver.reply, message, 0)
    fails(errno.ENODEV, os.read, driver.fd, HEADER_SIZE)
    fails(errno.ENODEV, driver.unregister)
    fails(errno.EBUSY, driver.write, registration("again"))


def test_a_blocked_receiver_wakes_when_its_device_ends(driver):
    flags = fcntl.fcntl(driver.fd, fcntl.F_GETFL)
    fcntl.fcntl(driver.fd, fcntl.F_SETFL, flags & ~os.O_NONBLOCK)
    receiving = start(os.read, driver.fd, HEADER_SIZE)
    driver.unregister()
    fails(errno.ENODEV, receiving.result)


def test_data_up_to_the_limit_is_one_message_and_longer_is_cut(opened):
    driver, descriptor = opened
    for size in (1, 63, 64, 65, 4096, 128 << 10, (128 << 10) + 1, 1 << 20):
        with Background(os.write, descriptor, b"d" * size) as writing:
            message = driver.expect(WRITE)
            expected = min(size, 128 << 10)
            assert message.datalen == message.fops.length == expected
            assert message.bytes == b"d" * expected
            driver.reply(message, expected)
            assert writing.result() == expected

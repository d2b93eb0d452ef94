# SPDX-License-Identifier: BSD-3-Clause
"""Device numbers that a driver chooses, with raw messages."""

import contextlib
import errno
import fcntl
import os
import stat
import struct

import pytest

from support.background import Background
from support.raw_driver import CLOSE, CONTROL_NUMBER, OPEN, Driver, fails, registration

MAJOR = 120  # for experiments, says the kernel: devices.txt


def ask(driver, major, minor, *reserved):
    told = struct.pack("4I", major, minor, *(reserved or (0, 0)))
    fcntl.ioctl(driver.fd, CONTROL_NUMBER, told)


@contextlib.contextmanager
def numbered(name, major, minor):
    with Driver() as driver:
        ask(driver, major, minor)
        driver.path = f"/dev/{name}"
        driver.write(registration(name))
        yield driver


def number_of(driver):
    number = os.stat(driver.path).st_rdev
    return os.major(number), os.minor(number)


@pytest.fixture
def own(name):
    with Driver(f"{name}-own") as driver:
        return number_of(driver)[0]


def test_the_device_has_the_number(name):
    with numbered(name, MAJOR, 70000) as driver:
        assert number_of(driver) == (MAJOR, 70000)
        os.close(driver.open())
        driver.expect(CLOSE)


@pytest.mark.parametrize(
    "told", [(512, 0), (2**32 - 1, 0), (0, 1 << 20), (0, 0, 1, 0), (0, 0, 0, 1)]
)
def test_what_is_no_number_is_einval(name, told):
    with Driver() as driver:
        fails(errno.EINVAL, ask, driver, *told)
        driver.write(registration(name))


def test_a_registered_device_keeps_its_number(driver):
    before = number_of(driver)
    fails(errno.EBUSY, ask, driver, 0, 7)
    assert number_of(driver) == before


def test_the_last_choice_counts_and_may_be_none(name, own):
    with Driver() as driver:
        ask(driver, MAJOR, 1)
        ask(driver, 0, 0)
        driver.path = f"/dev/{name}"
        driver.write(registration(name))
        assert number_of(driver)[0] == own


@pytest.mark.parametrize("major", [0, MAJOR])
def test_a_number_that_is_taken_is_ebusy_and_another_may_follow(name, major):
    with numbered(name, major, 9), Driver() as other:
        ask(other, major, 9)
        fails(errno.EBUSY, other.write, registration(f"{name}-2"))
        ask(other, major, 10)
        other.path = f"/dev/{name}-2"
        other.write(registration(f"{name}-2"))
        assert number_of(other)[1] == 10


@pytest.mark.parametrize("number", [(1, 3), (5, 0), (10, 200)])
def test_a_number_of_the_kernel_s_is_ebusy(name, number):
    with Driver() as driver:
        ask(driver, *number)
        fails(errno.EBUSY, driver.write, registration(name))
    assert not os.path.exists(f"/dev/{name}")


def test_a_number_that_got_no_device_is_free_again(name):
    """The name was taken, so the number was not."""
    with Driver(name), Driver() as other:
        ask(other, MAJOR, 3)
        fails(errno.EEXIST, other.write, registration(name))
    with numbered(name, MAJOR, 3):
        pass


def test_only_the_privileged_take_other_major_numbers(name, own):
    with Driver() as driver:
        pid = os.fork()
        if pid == 0:
            os.setresuid(65534, 65534, 65534)
            fails(errno.EPERM, ask, driver, MAJOR, 1)
            ask(driver, 0, 77)
            ask(driver, own, 77)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0


def open_node(driver, node):
    with Background(os.open, node, os.O_RDWR) as opening:
        driver.reply(driver.expect(OPEN))
        return opening.result()


def test_a_number_is_free_though_files_are_open(name, tmp_path):
    """A node of somebody's own keeps what it was opened by."""
    node = tmp_path / "node"
    os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(MAJOR, 4))
    with numbered(name, MAJOR, 4) as driver:
        descriptor = open_node(driver, node)
    fails(errno.EPIPE, os.read, descriptor, 1)
    fails(errno.ENXIO, os.open, node, os.O_RDWR)
    with numbered(name, MAJOR, 4) as driver:
        other = open_node(driver, node)
        os.close(descriptor)
        assert driver.is_idle()
        os.close(other)
        driver.expect(CLOSE)
    fails(errno.ENXIO, os.open, node, os.O_RDWR)


def test_two_that_want_a_number_do_not_both_get_it(name):
    def one(index):
        got = 0
        for _ in range(50):
            with contextlib.suppress(OSError), numbered(f"{name}-{index}", MAJOR, 6):
                with open(f"/sys/dev/char/{MAJOR}:6/uevent", encoding="ascii") as file:
                    assert f"DEVNAME={name}-{index}\n" in file.read()
                got += 1
        return got

    with Background(one, 1) as first, Background(one, 2) as second:
        assert first.result() + second.result() > 0


def test_a_choice_beside_a_registration_takes_nothing_else_away(name):
    """The number that goes with a device is the one that it got."""
    for turn in range(50):
        with Driver() as driver:
            ask(driver, 0, 1000)

            def choose(driver=driver):
                with contextlib.suppress(OSError):
                    for minor in range(2000, 2050):
                        ask(driver, 0, minor)

            with Background(choose):
                driver.write(registration(f"{name}-{turn}"))
    with contextlib.ExitStack() as stack:
        for minor in (1000, *range(2000, 2050)):
            stack.enter_context(numbered(f"{name}-{minor}", 0, minor))

# SPDX-License-Identifier: BSD-3-Clause
"""Attributes in sysfs, and uevents, with raw messages."""

import contextlib
import ctypes
import errno
import fcntl
import os
import select
import struct

import pytest

from support.background import Background
from support.raw_driver import (
    CONTROL_ATTRIBUTE,
    CONTROL_CHANGE,
    CONTROL_VARIABLES,
    Driver,
    fails,
    libc,
    registration,
)
from support.scale import scaled
from support.uevents import Uevents

MOST = 64
MOST_BYTES = 4095


def set_attribute(driver, name, value=b"", *, size=None, reserved=0):
    memory = ctypes.create_string_buffer(value, len(value) + 1)
    size = len(value) if size is None else size
    address = ctypes.addressof(memory)
    told = struct.pack("QII48s", address, size, reserved, name)
    fcntl.ioctl(driver.fd, CONTROL_ATTRIBUTE, told)


def tell(driver, request, *texts, size=None, reserved=0):
    block = b"".join(text + b"\0" for text in texts)
    memory = ctypes.create_string_buffer(block, len(block) + 1)
    size = len(block) if size is None else size
    told = struct.pack("QII", ctypes.addressof(memory), size, reserved)
    fcntl.ioctl(driver.fd, request, told)


def register(driver, name, **options):
    driver.name = name
    driver.directory = f"/sys/class/fusd/{name}"
    driver.write(registration(name, **options))


def read(driver, name):
    with open(f"{driver.directory}/{name}", "rb") as file:
        return file.read()


@pytest.fixture
def unregistered():
    with Driver() as driver:
        yield driver


@pytest.fixture
def described(unregistered, name):
    """A device with attributes."""
    set_attribute(unregistered, b"name", b"fake\n")
    set_attribute(unregistered, b"device/name", b"deep\n")
    set_attribute(unregistered, b"device/vendor", b"0x1209\n")
    register(unregistered, name)
    return unregistered


def test_attributes_are_files(described):
    assert read(described, "name") == b"fake\n"
    assert read(described, "device/name") == b"deep\n"
    assert read(described, "device/vendor") == b"0x1209\n"
    assert os.stat(f"{described.directory}/name").st_mode & 0o777 == 0o444
    described.unregister()
    assert not os.path.exists(described.directory)


def test_a_device_without_has_none(driver):
    assert sorted(os.listdir(f"/sys/class/fusd/{driver.path[5:]}")) == [
        "dev",
        "power",
        "subsystem",
        "uevent",
    ]


def test_a_value_is_changed_before_and_after_the_registration(unregistered, name):
    set_attribute(unregistered, b"name", b"one")
    set_attribute(unregistered, b"name", b"another")
    register(unregistered, name)
    assert read(unregistered, "name") == b"another"
    for value in (b"", b"x" * MOST_BYTES, b"\0\n\xff"):
        set_attribute(unregistered, b"name", value)
        assert read(unregistered, "name") == value


def test_whoever_polls_an_attribute_is_woken(described):
    with open(f"{described.directory}/device/name", "rb", buffering=0) as file:
        file.read()
        poller = select.poll()
        poller.register(file, select.POLLPRI)
        assert poller.poll(0) == []
        set_attribute(described, b"device/name", b"new")
        assert poller.poll(0)
        file.seek(0)
        assert file.read() == b"new"


@pytest.mark.parametrize(
    "wrong",
    [b"", b".", b"..", b"a/", b"/a", b"a//b", b"a/..", b"a/b/c", b"a\nb", b"x" * 48],
)
def test_a_name_that_cannot_be_is_einval(unregistered, name, wrong):
    fails(errno.EINVAL, set_attribute, unregistered, wrong)
    register(unregistered, name)


@pytest.mark.parametrize(
    "taken", [b"dev", b"uevent", b"power", b"subsystem", b"power/control", b"dev/a"]
)
def test_a_name_of_the_kernel_s_is_eexist(unregistered, name, taken):
    fails(errno.EEXIST, set_attribute, unregistered, taken)
    register(unregistered, name)


def test_a_file_is_no_directory_as_well(unregistered, name):
    set_attribute(unregistered, b"a/b")
    fails(errno.EEXIST, set_attribute, unregistered, b"a")
    set_attribute(unregistered, b"b")
    fails(errno.EEXIST, set_attribute, unregistered, b"b/a")
    register(unregistered, name)
    assert read(unregistered, "a/b") == read(unregistered, "b") == b""


def test_there_is_a_most(unregistered, name):
    fails(errno.EINVAL, set_attribute, unregistered, b"a", size=MOST_BYTES + 1)
    fails(errno.EINVAL, set_attribute, unregistered, b"a", size=2**32 - 1)
    fails(errno.EINVAL, set_attribute, unregistered, b"a", reserved=1)
    for number in range(MOST):
        # Each in a directory of its own, or all in one.
        directory = number if number % 2 else "odd"
        set_attribute(unregistered, b"%b/a%d" % (str(directory).encode(), number), b"v")
    fails(errno.E2BIG, set_attribute, unregistered, b"one-more")
    set_attribute(unregistered, b"odd/a0", b"changed")
    register(unregistered, name)
    assert read(unregistered, "odd/a0") == b"changed"
    assert read(unregistered, "odd/a62") == read(unregistered, "63/a63") == b"v"


def test_a_registered_device_gets_no_more(described):
    fails(errno.ENOENT, set_attribute, described, b"other")
    described.unregister()
    fails(errno.ENODEV, set_attribute, described, b"name")
    fails(errno.ENODEV, tell, described, CONTROL_VARIABLES, b"A=b")
    fails(errno.ENODEV, tell, described, CONTROL_CHANGE)


def test_memory_that_is_not_there_is_efault(unregistered):
    told = struct.pack("QII48s", 8, 4, 0, b"name")
    fails(errno.EFAULT, fcntl.ioctl, unregistered.fd, CONTROL_ATTRIBUTE, told)
    told = struct.pack("QII", 8, 4, 0)
    fails(errno.EFAULT, fcntl.ioctl, unregistered.fd, CONTROL_VARIABLES, told)
    for request in (CONTROL_ATTRIBUTE, CONTROL_VARIABLES, CONTROL_CHANGE):
        assert libc.ioctl(unregistered.fd, ctypes.c_ulong(request), None) == -1
        assert ctypes.get_errno() == errno.EFAULT


def test_a_registration_that_failed_may_be_tried_again(unregistered, name):
    set_attribute(unregistered, b"name", b"x")
    with Driver(name):
        fails(errno.EEXIST, unregistered.write, registration(name))
        set_attribute(unregistered, b"more/name", b"y")
    register(unregistered, name)
    assert read(unregistered, "more/name") == b"y"


def test_udev_hears_of_variables(unregistered, name):
    tell(unregistered, CONTROL_VARIABLES, b"ID_MODEL=Fake", b"EMPTY=")
    with Uevents() as uevents:
        set_attribute(unregistered, b"name", b"there\n")
        register(unregistered, name)
        variables = uevents.next("add", name)
        assert (variables["ID_MODEL"], variables["EMPTY"]) == ("Fake", "")
        assert b"ID_MODEL=Fake\n" in read(unregistered, "uevent")
        tell(unregistered, CONTROL_VARIABLES, b"ID_MODEL=Other")
        tell(unregistered, CONTROL_CHANGE, b"HOTPLUG=1")
        variables = uevents.next("change", name)
        assert (variables["ID_MODEL"], variables["HOTPLUG"]) == ("Other", "1")
        assert "EMPTY" not in variables
        tell(unregistered, CONTROL_CHANGE)
        assert "HOTPLUG" not in uevents.next("change", name)
        unregistered.unregister()
        assert uevents.next("remove", name)["ID_MODEL"] == "Other"


@pytest.mark.parametrize(
    "wrong",
    [b"", b"A", b"=b", b"1A=b", b"a=b", b"A B=c", b"A=b\nACTION=remove", b"A=\x7f"],
)
@pytest.mark.parametrize("request_number", [CONTROL_VARIABLES, CONTROL_CHANGE])
def test_what_is_no_variable_is_einval(driver, wrong, request_number):
    fails(errno.EINVAL, tell, driver, request_number, b"FIRST=1", wrong)


@pytest.mark.parametrize("key", [b"ACTION", b"DEVPATH", b"DEVNAME", b"SEQNUM"])
@pytest.mark.parametrize("request_number", [CONTROL_VARIABLES, CONTROL_CHANGE])
def test_a_variable_of_the_kernel_s_is_eexist(driver, key, request_number):
    fails(errno.EEXIST, tell, driver, request_number, key + b"=x")


def test_variables_have_a_most(driver):
    for request in (CONTROL_VARIABLES, CONTROL_CHANGE):
        many = [b"A%d=" % number for number in range(16)]
        tell(driver, request, *many)
        fails(errno.EINVAL, tell, driver, request, *many, b"B=")
        tell(driver, request, b"A=" + b"x" * 509)
        fails(errno.EINVAL, tell, driver, request, b"A=" + b"x" * 510)
        fails(errno.EINVAL, tell, driver, request, b"A=b", reserved=1)
        fails(errno.EINVAL, tell, driver, request, b"A=b", size=3)
        tell(driver, request)


def test_the_largest_uevent_is_sent(unregistered):
    """The kernel warns of one that does not fit."""
    name = "n" * 47
    many = [b"%b%d=%b" % (b"K" * 10, number, b"v" * 19) for number in range(10, 26)]
    tell(unregistered, CONTROL_VARIABLES, *many[:15])
    with Uevents() as uevents:
        register(unregistered, name, clazz=b"c" * 47, devname=b"d" * 47)
        tell(unregistered, CONTROL_CHANGE, *many[:15])
        assert len(uevents.next("change", name)) >= 15 + 7
    path = f"/sys/class/{'c' * 47}/{'d' * 47}/uevent"
    # What root adds to one may leave no room.
    synthetic = b"change fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed "
    for length in (100, 500, 700, 1000):
        with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
            file.write(synthetic + b"A=" + b"x" * length)


def test_variables_are_for_the_privileged(driver):
    pid = os.fork()
    if pid == 0:
        os.setresuid(65534, 65534, 65534)
        for request in (CONTROL_VARIABLES, CONTROL_CHANGE):
            fails(errno.EPERM, tell, driver, request, b"A=b")
            tell(driver, request)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_readers_meet_the_end_of_the_device_and_new_values(name):
    """Each finds a value as it was set, or no file."""
    values = [bytes([byte]) * size for byte in b"ab" for size in (1, 2000, MOST_BYTES)]
    path = f"/sys/class/fusd/{name}/dir/name"
    rounds = scaled(200)
    ended = []

    def look():
        seen = 0
        while not ended:
            with contextlib.suppress(OSError), open(path, "rb") as file:
                while not ended:
                    file.seek(0)
                    assert file.read() in values
                    seen += 1
        return seen

    def stir():
        while not ended:
            with contextlib.suppress(OSError), open(f"{path}/../../uevent", "rb") as f:
                f.read()

    with Background(look) as looking, Background(stir):
        for turn in range(rounds):
            with Driver() as driver:
                set_attribute(driver, b"dir/name", values[turn % len(values)])
                tell(driver, CONTROL_VARIABLES, b"TURN=%d" % turn)
                register(driver, name)
                for value in values:
                    set_attribute(driver, b"dir/name", value)
                    tell(driver, CONTROL_VARIABLES, b"VALUE=%b" % value[:500])
                tell(driver, CONTROL_CHANGE)
        ended.append(True)
        assert looking.result() > 0


def test_two_threads_tell_and_register_at_once(name):
    for turn in range(scaled(100)):
        with Driver() as driver:

            def add(driver=driver):
                with contextlib.suppress(OSError):
                    for number in range(MOST + 1):
                        set_attribute(driver, b"%d/a" % (number % 7), b"x")
                        set_attribute(driver, b"b%d" % number, b"x")

            with Background(add):
                register(driver, f"{name}-{turn}")
            for directory in os.listdir(driver.directory):
                if directory.isdigit():
                    assert read(driver, f"{directory}/a") == b"x"

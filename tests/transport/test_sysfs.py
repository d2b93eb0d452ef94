# SPDX-License-Identifier: BSD-3-Clause
"""What a device shows in sysfs, in C: fusd_sysfs.h; and its number."""

import os

import pytest

from support.uevents import Uevents

SYSFS = "/sys/dev/char/120:77"


@pytest.fixture
def opened(c_program, client):
    shown, caller = c_program("sysfs", "sysfs:sysfs"), client()
    return caller, caller("open", shown.path, os.O_RDWR), shown.path


def read(name):
    with open(f"{SYSFS}/{name}", encoding="ascii") as file:
        return file.read()


def test_the_number_is_what_was_asked_for(opened, holds):
    if not holds("device-number"):
        pytest.skip("the node has none here")
    assert os.stat(opened[2]).st_rdev == os.makedev(120, 77)


def test_elsewhere_nothing_happens(opened, holds):
    if holds("sysfs"):
        pytest.skip("something happens here")
    caller, descriptor, _ = opened
    for text in ("a name=second", "v ID_MODEL=Other", "u HOTPLUG=1"):
        assert caller("write", descriptor, text) == len(text)


def test_attributes_are_there_and_change(opened, holds):
    if not holds("sysfs"):
        pytest.skip("there are none here")
    caller, descriptor, _ = opened
    assert (read("name"), read("device/name")) == ("first\n", "deep\n")
    caller("write", descriptor, "a name=second")
    assert read("name") == "second\n"
    assert caller.fails("write", descriptor, "a other=x") == "ENOENT"
    assert caller.fails("write", descriptor, "a uevent=x") == "EEXIST"
    assert caller.fails("write", descriptor, "a name=" + "x" * 4096) == "EINVAL"


def test_udev_hears_of_variables(opened, holds):
    if not holds("sysfs"):
        pytest.skip("it hears of none here")
    caller, descriptor, path = opened
    assert "ID_MODEL=Fake\n" in read("uevent")
    caller("write", descriptor, "v ID_MODEL=Other")
    with Uevents() as uevents:
        caller("write", descriptor, "u HOTPLUG=1")
        variables = uevents.next("change", path.removeprefix("/dev/"))
    assert (variables["ID_MODEL"], variables["HOTPLUG"]) == ("Other", "1")
    assert caller.fails("write", descriptor, "v a=x") == "EINVAL"
    assert caller.fails("write", descriptor, "u DEVNAME=x") == "EEXIST"

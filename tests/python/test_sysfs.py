# SPDX-License-Identifier: BSD-3-Clause
"""What a device shows in sysfs, and udev hears."""

import errno
import os

import pytest

import pyfusd
from support.uevents import Uevents


def directory_of(device):
    number = os.stat(device.path).st_rdev
    return f"/sys/dev/char/{os.major(number)}:{os.minor(number)}"


def read(device, name):
    with open(f"{directory_of(device)}/{name}", encoding="utf-8") as file:
        return file.read()


@pytest.fixture
def shown(holds):
    if not holds("sysfs"):
        pytest.skip("there are no attributes here")


def adapter(**options):
    attributes = {"name": "Fake\n", "device/vendor": "0x1209"}
    return pyfusd.Device("adapter", attributes=attributes, **options)


def test_attributes_are_there_and_change(serve, shown):
    device = serve(adapter())
    assert (read(device, "name"), read(device, "device/vendor")) == (
        "Fake\n",
        "0x1209\n",
    )
    for text, shown_text in (
        ("D\u00fcse", "D\u00fcse\n"),
        ("", "\n"),
        ("a\nb\n", "a\nb\n"),
    ):
        device.set_attribute("name", text)
        assert read(device, "name") == shown_text
    device.unregister()
    device.set_attribute("name", "next")
    assert read(serve(device), "name") == "next\n"


@pytest.mark.parametrize(
    ("wrong", "number", "sentence"),
    [
        ({"uevent": "x"}, errno.EEXIST, "another attribute, has that name"),
        ({"a/b/c": "x"}, errno.EINVAL, "no name of an attribute"),
        ({"x" * 48: "x"}, errno.EINVAL, "too long for an attribute"),
        ({"name": "x" * 4096}, errno.EINVAL, "at most 4095 bytes"),
        ({str(n): "x" for n in range(65)}, errno.E2BIG, "at most 64"),
    ],
)
def test_a_wrong_attribute_is_told(shown, wrong, number, sentence):
    with pytest.raises(OSError, match=sentence) as caught:
        pyfusd.Device("wrong", attributes=wrong).register()
    assert caught.value.errno == number


def test_what_cannot_be_changed_is_told(serve, shown):
    device = serve(adapter())
    with pytest.raises(FileNotFoundError, match="that it was registered with"):
        device.set_attribute("other", "x")
    with pytest.raises(ValueError, match="null"):
        device.set_attribute("name", "\0")
    device.unregister()
    assert read(serve(device), "name") == "Fake\n"


def test_udev_hears_of_variables(serve, shown):
    with Uevents() as uevents:
        device = serve(adapter(uevent={"ID_MODEL": "Fake"}))
        assert uevents.next("add", "adapter")["ID_MODEL"] == "Fake"
        device.set_uevent({"ID_MODEL": "Other"})
        device.send_uevent({"HOTPLUG": "1"})
        variables = uevents.next("change", "adapter")
        assert (variables["ID_MODEL"], variables["HOTPLUG"]) == ("Other", "1")
        device.send_uevent()
        assert "HOTPLUG" not in uevents.next("change", "adapter")
    assert "ID_MODEL=Other\n" in read(device, "uevent")


@pytest.mark.parametrize(
    ("wrong", "number", "sentence"),
    [
        ({"DEVNAME": "x"}, errno.EEXIST, "the kernel's own"),
        ({"a": "x"}, errno.EINVAL, "keys of A-Z"),
        ({"A": "x\ny"}, errno.EINVAL, "no control characters"),
        ({"A": "x" * 511}, errno.EINVAL, "512 bytes"),
    ],
)
def test_a_wrong_variable_is_told(serve, shown, wrong, number, sentence):
    with pytest.raises(OSError, match=sentence) as caught:
        pyfusd.Device("wrong", uevent=wrong).register()
    assert caught.value.errno == number
    device = serve(adapter())
    for tell in (device.set_uevent, device.send_uevent):
        with pytest.raises(OSError, match=sentence) as caught:
            tell(wrong)
        assert caught.value.errno == number


def test_a_class_of_the_kernel_s_is_told(serve, shown, caplog):
    device = serve(pyfusd.Device("classed", clazz="mem", devname="other"))
    assert os.path.basename(os.readlink(f"{directory_of(device)}/subsystem")) == "fusd"
    assert os.path.exists("/sys/class/fusd/other")
    assert '"mem" is the kernel\'s' in caplog.text
    caplog.clear()
    serve(pyfusd.Device("own", clazz="a-class-of-ours"))
    assert not caplog.text


def test_elsewhere_they_do_nothing(serve, holds):
    if holds("sysfs"):
        pytest.skip("they do something here")
    device = serve(adapter(uevent={"ID_MODEL": "Fake"}))
    device.set_attribute("name", "x")
    device.set_uevent({"ID_MODEL": "y"})
    device.send_uevent({"HOTPLUG": "1"})


def test_a_uevent_needs_a_device():
    with pytest.raises(ValueError, match="not registered"):
        pyfusd.Device("none").send_uevent()

# SPDX-License-Identifier: BSD-3-Clause
"""Device numbers that drivers choose."""

import errno
import os
import stat

import pytest

import pyfusd

MAJOR = 120  # for experiments, says the kernel: devices.txt


def number_of(device):
    number = os.stat(device.path).st_rdev
    return os.major(number), os.minor(number)


@pytest.fixture
def numbered(holds):
    if not holds("device-number"):
        pytest.skip("the node has no number here")


def test_a_device_has_the_number_that_it_asks_for(serve, opened, numbered):
    class Numbered(pyfusd.Device):
        def read(self, file, buf, offset):
            return b"me"

    device = serve(Numbered("numbered", 0o640, major=MAJOR, minor=12345))
    assert number_of(device) == (MAJOR, 12345)
    assert os.path.exists(f"/sys/dev/char/{MAJOR}:12345")
    assert os.read(opened(device), 2) == b"me"
    device.unregister()
    serve(device)
    assert number_of(device) == (MAJOR, 12345)


def test_any_node_of_the_number_is_the_device(serve, numbered, tmp_path):
    class Numbered(pyfusd.Device):
        def read(self, file, buf, offset):
            return b"me"

    serve(Numbered("numbered", major=MAJOR, minor=7))
    os.mknod(tmp_path / "node", 0o600 | stat.S_IFCHR, os.makedev(MAJOR, 7))
    assert (tmp_path / "node").open("rb", buffering=0).read(2) == b"me"


def test_a_minor_alone_is_one_of_the_transport_s_major(serve, numbered, transport):
    devices = [serve(pyfusd.Device(f"minor-{n}", minor=n)) for n in (1000, 1001)]
    assert [number_of(device)[1] for device in devices] == [1000, 1001]
    if transport == "kfusd":
        own = number_of(serve(pyfusd.Device("any")))[0]
        assert [number_of(device)[0] for device in devices] == [own, own]
        zero = serve(pyfusd.Device("minor-0", major=own))
        assert number_of(zero) == (own, 0)


def test_a_number_that_is_taken_is_told(serve, numbered):
    serve(pyfusd.Device("first", major=MAJOR, minor=5))
    for major, minor in ((MAJOR, 5), (1, 3)):
        with pytest.raises(OSError, match="/proc/devices") as caught:
            pyfusd.Device("second", major=major, minor=minor).register()
        assert caught.value.errno == errno.EBUSY
        assert not os.path.lexists("/dev/second")


def test_no_other_device_gets_a_number_that_was_chosen(serve, numbered):
    own = number_of(serve(pyfusd.Device("first")))
    serve(pyfusd.Device("next", major=own[0], minor=own[1] + 1))
    assert number_of(serve(pyfusd.Device("last"))) != (own[0], own[1] + 1)


@pytest.mark.parametrize("number", [{"major": 512}, {"minor": 1 << 20}])
def test_a_number_that_cannot_be_is_einval(number):
    with pytest.raises(OSError, match="is no device number") as caught:
        pyfusd.Device("wrong", **number).register()
    assert caught.value.errno == errno.EINVAL


def test_a_node_without_a_number_ignores_it(serve, holds):
    if holds("device-number"):
        pytest.skip("it has one here")
    device = serve(pyfusd.Device("ignored", major=MAJOR, minor=3))
    assert stat.S_ISREG(os.stat(device.path).st_mode)

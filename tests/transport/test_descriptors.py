# SPDX-License-Identifier: BSD-3-Clause
"""Descriptors that an ioctl gives its client, in C: fusd_descriptor.h."""

import errno
import os

import pytest


def number(code, direction=0, size=0):
    return direction << 30 | size << 16 | ord("c") << 8 | code


AS_RESULT, PIPE, FAILING, HELD, REFUSED = (number(code) for code in (1, 3, 4, 5, 6))
IN_DATA = number(2, direction=3, size=8)


@pytest.fixture
def opened(c_program, client):
    giving, caller = c_program("descriptors", "descriptors:descriptors"), client()
    return giving, caller, caller("open", giving.path, os.O_RDWR)


@pytest.fixture
def given(opened, holds):
    if not holds("ioctl-descriptor"):
        pytest.skip("the transport gives clients no descriptors")
    return opened


def test_a_transport_that_cannot_says_what_can(opened, holds):
    served, caller, descriptor = opened
    if holds("ioctl-descriptor"):
        pytest.skip("this one can")
    for request in (AS_RESULT, PIPE, HELD):
        assert caller.fails("ioctl", descriptor, request, 0) == "ENOTTY"
    result, data, error = caller("ioctl", descriptor, IN_DATA, "abcdefgh")
    assert (result, data, error) == (-1, "abcdefghguard", errno.ENOTTY)
    assert "the transport kfusd can" in served.expect("error")


@pytest.mark.parametrize("request_number", [AS_RESULT, HELD])
def test_a_new_open_file_has_its_own_private_data(given, request_number):
    served, caller, descriptor = given
    children = [caller("ioctl", descriptor, request_number, 0)[0] for _ in range(2)]
    assert [caller("read", child, 10) for child in children] == ["child 1", "child 2"]
    assert caller("read", descriptor, 10) == "child 0"
    for index, child in enumerate(children, start=1):
        caller("close", child)
        assert served.expect("closed") == f"closed {index}"


def test_its_number_comes_where_the_driver_says(given):
    served, caller, descriptor = given
    _, data, _ = caller("ioctl", descriptor, IN_DATA, "abcdefgh")
    child = int.from_bytes(data[4:8].encode("latin-1"), "little")
    assert data.startswith("abcd") and data.endswith("guard")
    assert caller("read", child, 10) == "child 1"
    caller("close", child)
    assert served.expect("closed") == "closed 1"


def test_a_descriptor_of_the_driver_s_arrives(given):
    _, caller, descriptor = given
    pipe = caller("ioctl", descriptor, PIPE, 0)[0]
    assert caller("read", pipe, 10) == "piped"
    assert caller("read", pipe, 10) == ""


def test_what_fails_opens_nothing(given):
    served, caller, descriptor = given
    assert caller.fails("ioctl", descriptor, FAILING, 0) == "EBUSY"
    child = caller("ioctl", descriptor, AS_RESULT, 0)[0]
    caller("close", child)
    # The first that was closed, though the other was made before.
    assert served.expect("closed") == "closed 2"


def test_what_cannot_be_given_is_refused(given):
    _, caller, descriptor = given
    assert caller("ioctl", descriptor, REFUSED, 0)[0] == 0

# SPDX-License-Identifier: BSD-3-Clause
"""The tracepoints: what each request is told with, from queue to answer."""

import os
import re

import pytest

from support.background import Background
from support.raw_driver import CLOSE, OPEN, READ
from support.tracefs import TRACEFS, skip_without_tracefs
from support.waiting import wait_until

INSTANCE = f"{TRACEFS}/instances/test-kfusd"


def read(name):
    with open(f"{INSTANCE}/{name}", encoding="utf-8", errors="replace") as file:
        return file.read()


def write(name, text):
    with open(f"{INSTANCE}/{name}", "w", encoding="utf-8") as file:
        file.write(text)


@pytest.fixture
def events():
    """events() gives (event, fields) of each, once there are so many."""
    skip_without_tracefs()
    os.mkdir(INSTANCE)
    write("events/kfusd/enable", "1")

    def found():
        return [
            (event, dict(re.findall(r"(\w+)=(\S+)", fields)))
            for event, fields in re.findall(r"kfusd_request_(\w+): (.*)", read("trace"))
        ]

    def wait(count):
        wait_until(lambda: len(found()) >= count, f"{count} events")
        return found()

    yield wait
    write("events/kfusd/enable", "0")
    os.rmdir(INSTANCE)


def test_a_request_is_told_when_queued_received_and_answered(driver, name, events):
    with Background(os.open, f"/dev/{name}", os.O_RDONLY) as opening:
        driver.reply(driver.expect(OPEN))
        descriptor = opening.result()
    told = events(3)
    assert [event for event, _ in told] == ["queued", "received", "answered"]
    assert {fields["operation"] for _, fields in told} == {"open"}
    assert {fields["device"] for _, fields in told} == {name}
    assert len({fields["transid"] for _, fields in told}) == 1
    assert told[2][1]["pid"] == told[0][1]["pid"]
    assert int(told[1][1]["waited_ns"]) > 0
    assert told[2][1]["waited_ns"] == told[1][1]["waited_ns"]
    assert int(told[2][1]["served_ns"]) > 0
    with Background(os.close, descriptor):
        driver.reply(driver.expect(CLOSE))


def test_what_the_device_s_end_answers_shows_its_errno(opened, events):
    driver, descriptor = opened
    with Background(os.read, descriptor, 7) as reading:
        driver.expect(READ)
        driver.unregister()
        with pytest.raises(BrokenPipeError):
            reading.result()
    event, fields = events(3)[2]
    assert (event, fields["operation"], fields["length"]) == ("answered", "read", "7")
    assert fields["result"] == "-32"

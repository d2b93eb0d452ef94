# SPDX-License-Identifier: BSD-3-Clause
"""rtc, with hwclock(8)."""

import errno
import fcntl
import os
import struct
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

import pyfusd
from support.example_checks import assert_ends_with_its_device
from support.waiting import DEADLINE

RTC_RD_TIME = pyfusd.IOR("p", 9, "9i")
RTC_SET_TIME = pyfusd.IOW("p", 10, "9i")


@pytest.fixture
def hwclock(device, client_environment):
    path = device("rtc", f"rtc-test{os.getpid()}")

    def run(*arguments):
        # Nothing is to be noted in the machine's own /etc/adjtime.
        return subprocess.run(
            ["hwclock", "--rtc", path, "--utc", "--noadjfile", *arguments],
            capture_output=True,
            env=client_environment,
            text=True,
            timeout=DEADLINE,
        )

    return run


def shown(clock):
    assert (clock.returncode, clock.stderr) == (0, ""), clock
    return datetime.fromisoformat(clock.stdout.strip())


def test_hwclock_reads_the_clock(hwclock):
    begin = datetime.now(timezone.utc)
    time = shown(hwclock("-r"))
    end = datetime.now(timezone.utc)
    second = timedelta(seconds=1)  # The clock's unit.
    assert begin - second <= time <= end + second


def test_hwclock_waits_for_the_update_interrupt(hwclock):
    """It says so only if it could not, and reads the clock in a loop instead."""
    clock = hwclock("-r", "--verbose")
    assert "got clock tick" in clock.stdout
    assert "does not have interrupt functions" not in clock.stdout
    assert "Timed out" not in clock.stdout + clock.stderr


def test_hwclock_sets_the_clock(hwclock):
    for text in ("2001-02-03 04:05:06", "2038-01-19 03:14:08"):
        set_to = datetime.fromisoformat(text + "+00:00")
        assert hwclock("--set", "--date", text).returncode == 0
        # Not the machine's time any more; how fast this one is does not matter.
        assert abs(shown(hwclock("-r")) - set_to) < timedelta(minutes=5)


def test_a_read_waits_for_the_next_second(device):
    descriptor = os.open(device("rtc", f"rtc-test{os.getpid()}"), os.O_RDONLY)
    fcntl.ioctl(descriptor, 0x7003)  # RTC_UIE_ON
    for _ in range(2):
        value = int.from_bytes(os.read(descriptor, 8), sys.byteorder)
        assert (value >> 8, value & 0xFF) == (1, 0x90)
    os.close(descriptor)


@pytest.mark.parametrize(
    "time",
    [
        (60, 0, 0, 1, 0, 101),
        (0, 60, 0, 1, 0, 101),
        (0, 0, 24, 1, 0, 101),
        (0, 0, 0, 0, 0, 101),
        (0, 0, 0, 1, 12, 101),
        (0, 0, 0, 1, 0, 69),
        (0, 0, 0, 1, 0, 8100),
        (0, 0, 0, 1, 0, (1 << 31) - 1),
    ],
)
def test_the_clock_refuses_what_is_no_time(device, time):
    path = device("rtc", f"rtc-test{os.getpid()}")
    with open(path, "rb", buffering=0) as clock:
        before = struct.unpack("9i", fcntl.ioctl(clock, RTC_RD_TIME, bytes(36)))
        with pytest.raises(OSError) as refused:
            fcntl.ioctl(clock, RTC_SET_TIME, struct.pack("9i", *time, 0, 0, 0))
        after = struct.unpack("9i", fcntl.ioctl(clock, RTC_RD_TIME, bytes(36)))
    assert refused.value.errno == errno.EINVAL
    assert before[5] <= after[5] <= before[5] + 1  # The year.


def test_a_read_of_the_clock_has_room_for_the_answer(device):
    path = device("rtc", f"rtc-test{os.getpid()}")
    clock = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError) as refused:
        os.read(clock, 7)
    assert refused.value.errno == errno.EINVAL
    with pytest.raises(BlockingIOError):
        os.read(clock, 8)
    os.close(clock)


def test_rtc_ends_with_its_device(start, take_away):
    assert_ends_with_its_device(start("rtc", "taken-rtc"), take_away)

# SPDX-License-Identifier: BSD-3-Clause
"""thermometer, with a sensor that the test plays."""

import signal
import socket
import sys
from contextlib import suppress

import pytest

from support.example_checks import assert_ends_with_its_device
from support.shell import Reader, failure, output
from support.waiting import DEADLINE


def test_thermometer_asks_its_own_sensor(device):
    path = device("thermometer")
    assert output(f"cat {path}; cat {path}; cat {path}") == "20.0\n20.1\n20.2\n"


@pytest.fixture
def sensor():
    """A sensor that the test plays."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        yield server


def test_thermometer_serves_others_while_a_client_waits(device, sensor):
    path = device("thermometer", "thermometer", str(sensor.getsockname()[1]))
    first = Reader(path)
    answer_first = sensor.accept()[0]
    second = Reader(path)
    with sensor.accept()[0] as answer_second:
        answer_second.sendall(b"-3.5\n")
    assert second.rest() == "-3.5\n"
    with answer_first:
        answer_first.sendall(b"40.0\n")
    assert first.rest() == "40.0\n"


def test_thermometer_collects_the_sensor_s_line(device, sensor):
    path = device("thermometer", "thermometer", str(sensor.getsockname()[1]))
    first = Reader(path)
    with sensor.accept()[0] as slow:
        for part in (b"-1", b"2.", b"5\nand more"):
            slow.sendall(part)
            # Once another client has its answer, this part was received.
            other = Reader(path)
            with sensor.accept()[0] as quick:
                quick.sendall(b"1.0\n")
            assert other.rest() == "1.0\n"
        assert first.rest() == "-12.5\n"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"9" * 64 + b"\n", "9" * 64 + "\n"),
        (b"9" * 65 + b"\n", "Protocol error"),
        (b"9" * 1000, "Protocol error"),
        (b"20.", "Protocol error"),
        (b"", "Protocol error"),
    ],
    ids=["64", "65", "1000", "no-end", "nothing"],
)
def test_thermometer_takes_lines_of_at_most_64_bytes(device, sensor, line, shown):
    path = device("thermometer", "thermometer", str(sensor.getsockname()[1]))
    reader = Reader(path, "export LC_ALL=C; exec cat 2>&1")
    with sensor.accept()[0] as answer:
        answer.sendall(line)
        with suppress(OSError):  # It may have hung up.
            answer.shutdown(socket.SHUT_WR)
        assert shown in reader.rest()


# Python reads again after a signal.
READER_WITH_A_HANDLER = """
import os, signal, sys

signal.signal(signal.SIGUSR1, lambda *_: None)
print(os.read(os.open(sys.argv[1], os.O_RDONLY), 100).decode(), end="")
"""


def test_thermometer_hangs_up_when_a_signal_ends_a_read(device, sensor):
    path = device("thermometer", "thermometer", str(sensor.getsockname()[1]))
    reader = Reader(path, f"exec {sys.executable} -c '{READER_WITH_A_HANDLER}'")
    with sensor.accept()[0] as given_up:
        given_up.settimeout(DEADLINE)
        reader.process.send_signal(signal.SIGUSR1)
        with sensor.accept()[0] as answer:
            assert given_up.recv(1) == b""
            answer.sendall(b"17.0\n")
    assert reader.rest() == "17.0\n"


def test_thermometer_says_that_there_is_no_sensor(device, sensor):
    port = sensor.getsockname()[1]
    sensor.close()
    path = device("thermometer", "thermometer", str(port))
    assert "Connection refused" in failure(f"cat {path}")


def test_thermometer_goes_on_when_a_waiting_client_is_killed(device, sensor):
    path = device("thermometer", "thermometer", str(sensor.getsockname()[1]))
    gone = Reader(path)
    with sensor.accept()[0] as unanswered:
        gone.kill()
        staying = Reader(path)
        with sensor.accept()[0] as answer:
            answer.sendall(b"15.0\n")
        assert staying.rest() == "15.0\n"
        assert unanswered.fileno() >= 0


def test_thermometer_ends_with_its_device(start, take_away):
    assert_ends_with_its_device(start("thermometer", "taken-thermometer"), take_away)

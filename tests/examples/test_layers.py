# SPDX-License-Identifier: BSD-3-Clause
"""The examples that hand on what others make: random_bytes, proxy, thermometer."""

import errno
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress

import pytest

import pyfusd
from support.shell import Reader, failure, output
from support.waiting import DEADLINE

DIAL_RESET = pyfusd.IO("D", 1)
DIAL_GET = pyfusd.IOR("D", 2, "2i")
DIAL_SET = pyfusd.IOW("D", 3, "2i")
NO_SIZE = 1 << 31 | DIAL_RESET  # It says that bytes come back, but not how many.


def test_random_bytes_feeds_dd(device):
    path = device("random_bytes")
    assert output(f"dd if={path} bs=128K count=64 status=none | wc -c") == "8388608\n"
    # It does not compress, so it is no pattern; and it is never twice the same.
    assert int(output(f"head -c 1000000 {path} | gzip -c | wc -c")) > 1000000
    assert output(f"head -c 16 {path} | od -x") != output(f"head -c 16 {path} | od -x")


def test_random_bytes_fills_odd_lengths(device):
    path = device("random_bytes")
    assert output(f"head -c 3 {path} | wc -c; head -c 100001 {path} | wc -c") == (
        "3\n100001\n"
    )


def test_random_bytes_takes_nothing(device):
    path = device("random_bytes")
    # To root the mode, 0444, is no obstacle.
    error = "Permission denied" if os.getuid() else "Invalid argument"
    assert error in failure(f"echo seed | dd of={path}")


def test_proxy_hands_on_and_logs(start, tmp_path):
    (tmp_path / "target").write_bytes(b"hello")
    proxy = start("proxy", str(tmp_path / "target"))
    path = proxy.device()
    client = subprocess.run(
        ["dd", f"if={path}", "bs=100", "status=none"], stdout=subprocess.PIPE
    )
    assert client.stdout == b"hello"
    # The kernel does not always say who closed.
    calls = [re.sub("[0-9]+", "N", proxy.line(), count=1) for _ in range(4)]
    assert re.fullmatch(r"proxy: N open\(0\) = [0-9]+", calls[0])
    assert calls[1:] == [
        "proxy: N read(100) = 5",
        "proxy: N read(100) = 0",
        "proxy: N close() = 0",
    ]


def test_proxy_writes_and_seeks(start, tmp_path, holds):
    (tmp_path / "target").write_bytes(b"hello")
    path = start("proxy", str(tmp_path / "target"), "sub/proxy").device()
    output(f"printf J | dd of={path} conv=notrunc status=none")
    if not holds("position"):
        assert output(f"cat {path}") == "Jello"
        return
    output(f"printf y | dd of={path} bs=1 seek=4 conv=notrunc status=none")
    assert output(f"cat {path}; dd if={path} bs=1 skip=3 status=none") == "Jellyly"


def test_proxy_is_a_device_on_a_device(device, tmp_path):
    path = device("echo")
    top = device("proxy", device("proxy", path, "middle"), "top")
    output(f"echo through > {top}")
    assert output(f"cat {top} {path}") == "through\nthrough\n"


def test_proxy_hands_on_ioctls(device, program):
    path = device("proxy", device("ioctl"))
    talk = subprocess.run([*program("ioctl_client"), path], capture_output=True)
    assert b"turned by -75: now at 35" in talk.stdout
    assert b"set to 40 of 40: Invalid argument" in talk.stdout


def test_proxy_keeps_arguments_of_no_size_to_itself(start):
    safe = start("ioctl").device()
    proxy = start("proxy", safe)
    with open(proxy.device(), "r+b", buffering=0) as client:
        fcntl.ioctl(client, DIAL_SET, struct.pack("2i", 30, 40))
        # A mark itself to the safe; to another device it might be an address.
        for number in (DIAL_RESET, NO_SIZE):
            with pytest.raises(OSError) as refused:
                fcntl.ioctl(client, number, 7)
            assert refused.value.errno == errno.ENOTTY
    with open(safe, "r+b", buffering=0) as client:
        dial = fcntl.ioctl(client, DIAL_GET, bytes(8))
    assert struct.unpack("2i", dial) == (30, 40)
    results = [proxy.line().split(" ", 2)[2] for _ in range(4)]
    assert results[1:] == [
        f"ioctl({DIAL_SET:#x}) = 0",
        f"ioctl({DIAL_RESET:#x}) = -25",
        f"ioctl({NO_SIZE:#x}) = -25",
    ]


def test_proxy_hands_on_errors(start, tmp_path):
    proxy = start("proxy", str(tmp_path / "target"))
    path = proxy.device()
    assert "No such file or directory" in failure(f"cat {path}")
    assert proxy.line().endswith(" open(0) = -2")
    os.mkdir(tmp_path / "target")
    assert "Is a directory" in failure(f"cat {path}")


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

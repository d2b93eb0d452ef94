# SPDX-License-Identifier: BSD-3-Clause
"""serial_port, with pyserial and stty(1)."""

import os
import subprocess
import termios
import threading

import pytest
import serial

from support.example_checks import assert_a_signal_loses_nothing
from support.proc import has_open, state_of
from support.shell import output
from support.waiting import DEADLINE, wait_until


@pytest.fixture
def port_path(device):
    return device("serial_port", f"ttyTEST{os.getpid()}")


@pytest.fixture
def port(port_path):
    with serial.Serial(port_path, 115200, timeout=DEADLINE) as port:
        yield port


def test_pyserial_exchanges_data(port):
    for data in (b"hello", bytes(range(256)), b"x" * 5000):
        assert port.write(data) == len(data)
        assert port.read(len(data)) == data
    port.write(b"one\ntwo\n")
    assert port.readline() == b"one\n"
    assert port.read_until(b"o") == b"two"[:3]


def test_pyserial_times_out(port):
    port.timeout = 0.01
    assert port.read(1) == b""
    port.timeout = 0
    assert port.read(1) == b""


def test_pyserial_is_woken_by_what_comes(port):
    received = []
    reader = threading.Thread(target=lambda: received.append(port.read(5)))
    reader.start()
    port.write(b"he")
    port.write(b"llo")
    reader.join(DEADLINE)
    assert received == [b"hello"]


def test_pyserial_configures(port_path):
    options = {"bytesize": 7, "parity": "E", "stopbits": 2, "rtscts": True}
    with serial.Serial(port_path, 9600, **options) as port:
        speed = termios.tcgetattr(port.fd)
        assert speed[4:6] == [termios.B9600] * 2
        assert speed[2] & termios.CSIZE == termios.CS7
        assert speed[2] & termios.PARENB
        assert speed[2] & termios.CSTOPB
        port.baudrate = 230400
        assert termios.tcgetattr(port.fd)[4] == termios.B230400
        port.baudrate = 12345  # Of a termios2.
        assert port.baudrate == 12345


def test_pyserial_sees_the_modem_lines(port):
    assert (port.cts, port.dsr, port.cd, port.ri) == (True, True, True, False)
    port.rts = False
    assert (port.cts, port.dsr) == (False, True)
    port.dtr = False
    assert (port.dsr, port.cd) == (False, False)
    port.rts = port.dtr = True
    assert (port.cts, port.dsr) == (True, True)


def test_pyserial_counts_and_flushes(port, holds):
    port.write(b"waiting")
    port.flush()
    if holds("ioctl-vfs"):
        assert (port.in_waiting, port.out_waiting) == (7, 0)
    port.reset_input_buffer()
    port.reset_output_buffer()
    port.timeout = 0
    assert port.read(10) == b""
    port.send_break(0)
    port.exclusive = True


def test_a_plain_read_waits_until_bytes_come(port_path):
    cat = subprocess.Popen(["head", "-c", "5", port_path], stdout=subprocess.PIPE)
    output(f"printf hello > {port_path}")
    assert cat.communicate(timeout=DEADLINE)[0] == b"hello"


def test_a_signal_takes_no_bytes_with_it(port_path):
    assert_a_signal_loses_nothing(port_path)


def test_a_killed_reader_takes_no_bytes_with_it(port_path):
    reader = subprocess.Popen(["cat", port_path])
    wait_until(
        lambda: has_open(reader.pid, port_path) and state_of(reader.pid) == "S",
        "a read that waits",
    )
    reader.kill()
    reader.wait(DEADLINE)
    output(f"printf hello > {port_path}")
    assert output(f"head -c 5 {port_path}") == "hello"


def test_stty_configures(port_path, client_environment):
    def stty(arguments):
        return output(f"stty -F {port_path} {arguments}", env=client_environment)

    stty("115200 raw -echo cs7 parenb")
    shown = stty("-a")
    assert "speed 115200 baud" in shown
    assert {"cs7", "parenb", "-echo", "-icanon"} <= set(shown.replace(";", "").split())

# SPDX-License-Identifier: BSD-3-Clause
"""The mocks of hardware among the examples, with their real clients."""

import errno
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import threading
from datetime import datetime, timedelta, timezone

import pytest
import serial
from smbus2 import SMBus, i2c_msg

import pyfusd
from support.shell import output
from support.waiting import DEADLINE

RTC_RD_TIME = pyfusd.IOR("p", 9, "9i")
RTC_SET_TIME = pyfusd.IOW("p", 10, "9i")
SENSOR = 0x48
I2C_PEC = 0x708


@pytest.fixture
def client_environment():
    """Administrators' programs, and their words in English."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return {**os.environ, "PATH": path, "LC_ALL": "C", "TZ": "UTC"}


# rtc and hwclock(8)


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


# i2c_sensor, with smbus2 and i2c-tools


@pytest.fixture
def bus(device):
    with SMBus(device("i2c_sensor", f"i2c-{os.getpid()}")) as bus:
        yield bus


def test_smbus2_reads_the_temperature(bus):
    high, low = bus.read_i2c_block_data(SENSOR, 0, 2)
    assert (high << 8 | low) / 256 == 21.5


def test_smbus2_reads_what_it_wrote(bus):
    bus.write_byte_data(SENSOR, 5, 0x77)
    assert bus.read_byte_data(SENSOR, 5) == 0x77
    bus.write_word_data(SENSOR, 6, 0x1234)
    assert bus.read_word_data(SENSOR, 6) == 0x1234
    assert bus.read_byte_data(SENSOR, 6) == 0x34
    bus.write_byte(SENSOR, 5)
    assert bus.read_byte(SENSOR) == 0x77
    assert bus.process_call(SENSOR, 8, 0x4321) == 0
    assert bus.read_word_data(SENSOR, 8) == 0x4321
    bus.write_quick(SENSOR)


@pytest.mark.parametrize("length", [1, 2, 31, 32])
def test_smbus2_moves_blocks(bus, length):
    data = [(7 * n + length) % 256 for n in range(length)]
    bus.write_i2c_block_data(SENSOR, 16, data)
    assert bus.read_i2c_block_data(SENSOR, 16, length) == data
    bus.write_block_data(SENSOR, 64, data)
    assert bus.read_block_data(SENSOR, 64) == data


def test_smbus2_combines_messages(bus):
    data = bytes(n % 251 for n in range(200))
    bus.i2c_rdwr(i2c_msg.write(SENSOR, [10, *data]))
    select, first, second = (
        i2c_msg.write(SENSOR, [10]),
        i2c_msg.read(SENSOR, 150),
        i2c_msg.read(SENSOR, 50),
    )
    bus.i2c_rdwr(select, first, second)
    assert bytes(first) + bytes(second) == data


def test_smbus2_is_promised_everything_but_error_checks(bus):
    messages, all_of_smbus_1 = 0x1, 0x0FFF0000
    assert bus.funcs == messages | all_of_smbus_1
    with pytest.raises(OSError) as refused:
        fcntl.ioctl(bus.fd, I2C_PEC, 1)
    assert refused.value.errno == errno.ENOTTY


def test_smbus2_sends_messages_without_bytes(bus):
    bus.write_byte_data(SENSOR, 5, 0x77)
    select = i2c_msg.write(SENSOR, [5])
    byte = i2c_msg.read(SENSOR, 1)
    # They only ask whether the chip is there.
    bus.i2c_rdwr(select, i2c_msg.write(SENSOR, []), i2c_msg.read(SENSOR, 0), byte)
    assert bytes(byte) == b"\x77"
    bus.write_quick(SENSOR)
    for message in (i2c_msg.write(0x49, []), i2c_msg.read(0x49, 0)):
        with pytest.raises(OSError) as absent:
            bus.i2c_rdwr(message)
        assert absent.value.errno == errno.ENXIO
    with pytest.raises(OSError) as absent:
        bus.write_quick(0x49)
    assert absent.value.errno == errno.ENXIO


def test_smbus2_sees_that_nothing_answers(bus):
    def fails(call, *arguments):
        with pytest.raises(OSError) as caught:
            call(*arguments)
        return errno.errorcode[caught.value.errno]

    assert fails(bus.read_byte, 0x49) == "ENXIO"
    assert fails(bus.i2c_rdwr, i2c_msg.read(0x49, 2)) == "ENXIO"
    assert fails(bus.i2c_rdwr, i2c_msg.read(SENSOR, 8193)) == "EINVAL"
    assert bus.read_byte_data(SENSOR, 0) == 21


@pytest.fixture
def bus_number(device, environment):
    """The number of a bus in /dev, where i2c-tools look for it."""
    if os.getuid() != 0:
        pytest.skip("only root makes devices in /dev")
    environment["FUSD_DEV_ROOT"] = "/dev"
    number = os.getpid() % 0xFFFFF
    assert device("i2c_sensor", f"i2c-{number}") == f"/dev/i2c-{number}"
    return number


def test_i2c_tools_find_and_read_the_sensor(bus_number, client_environment):
    def tool(command):
        return output(command.format(bus_number), env=client_environment)

    found = re.findall(
        r"\b[0-9a-f]{2}\b(?!:)", tool("i2cdetect -y {}").split("\n", 1)[1]
    )
    assert found == ["48"]
    assert tool("i2cget -y {} 0x48 0 b") == "0x15\n"
    assert tool("i2cget -y {} 0x48 0 w") == "0x8015\n"
    tool("i2cset -y {} 0x48 9 0x42")
    assert tool("i2cget -y {} 0x48 9") == "0x42\n"
    assert tool("i2ctransfer -y {} w1@0x48 0 r2") == "0x15 0x80\n"
    assert "I2C                              yes" in tool("i2cdetect -F {}")


# serial_port, with pyserial and stty(1)


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


def test_stty_configures(port_path, client_environment):
    def stty(arguments):
        return output(f"stty -F {port_path} {arguments}", env=client_environment)

    stty("115200 raw -echo cs7 parenb")
    shown = stty("-a")
    assert "speed 115200 baud" in shown
    assert {"cs7", "parenb", "-echo", "-icanon"} <= set(shown.replace(";", "").split())

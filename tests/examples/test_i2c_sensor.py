# SPDX-License-Identifier: BSD-3-Clause
"""i2c_sensor, with smbus2 and i2c-tools."""

import errno
import fcntl
import os
import re

import pytest
from smbus2 import SMBus, i2c_msg

from support.shell import output

SENSOR = 0x48
I2C_PEC = 0x708


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

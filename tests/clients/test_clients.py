# SPDX-License-Identifier: BSD-3-Clause
"""Programs that nobody here wrote, on drivers of a few lines."""

import importlib.util
import os
import struct
import threading

import pytest

from clients.drivers import (
    EV_KEY,
    EV_SYN,
    KEY_A,
    Camera,
    GpioChip,
    Hid,
    I2cAdapter,
    Ipmi,
    Keyboard,
    ScsiDisk,
    SpiLoop,
    Tpm,
    Uinput,
    Watchdog,
)
from support import TOP
from support.waiting import DEADLINE, wait_until


def lines_until(process, text):
    """What a program printed, to the line that has a text."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    pytest.fail(f"no {text!r}: {''.join(lines)}")


def test_evtest_grabs_a_keyboard_and_reads(fusd_device, begin, holds):
    keyboard = fusd_device(Keyboard)
    printed = lines_until(begin("evtest", "--grab", keyboard), "SYN_REPORT")
    assert 'Input device name: "FUSD keyboard"' in printed
    assert f"Event code {KEY_A} (KEY_A)" in printed
    assert f"code {KEY_A} (KEY_A), value 1" in printed
    assert ("grabbed by another" in printed) == (not holds("client-evtest"))
    assert keyboard.device.grabs[:1] == ([1] if holds("client-evtest") else [])


EVDEV = """
import sys, evdev
keyboard = evdev.InputDevice(sys.argv[1])
with keyboard.grab_context():
    print(keyboard.name, keyboard.read_one().code)
"""


def test_evdev_grabs_a_keyboard_and_reads(fusd_device, python, holds):
    keyboard = fusd_device(Keyboard)
    if holds("client-evtest"):
        assert python("evdev", EVDEV, keyboard) == f"FUSD keyboard {KEY_A}\n"
        assert keyboard.device.grabs == [1, 0]
    else:
        with pytest.raises(AssertionError, match="Bad address"):
            python("evdev", EVDEV, keyboard)


UINPUT = """
import sys, evdev
from evdev import ecodes
keys = {ecodes.EV_KEY: [ecodes.KEY_A]}
with evdev.UInput(keys, name="virtual", devnode=sys.argv[1]) as keyboard:
    keyboard.write(ecodes.EV_KEY, ecodes.KEY_A, 1)
    keyboard.syn()
"""


def test_evdev_makes_a_virtual_keyboard(fusd_device, python, holds):
    uinput = fusd_device(Uinput)
    if not holds("client-uinput"):
        with pytest.raises(AssertionError, match="not a character device"):
            python("evdev", UINPUT, uinput)
        return
    python("evdev", UINPUT, uinput)
    device = uinput.device
    assert (EV_KEY in device.types, device.keys) == (True, [KEY_A])
    assert device.label == b"virtual"
    assert device.events == [(EV_KEY, KEY_A, 1), (EV_SYN, 0, 0)]
    wait_until(lambda: not device.is_created, "its end")


def test_wdctl_shows_a_watchdog(fusd_device, run):
    watchdog = fusd_device(Watchdog)
    printed = run("wdctl", watchdog)
    assert "FUSD watchdog [version 7]" in printed
    assert "Timeout:" in printed and "30 seconds" in printed
    assert "KEEPALIVEPING" in printed


def test_busybox_sets_and_kicks_a_watchdog(fusd_device, begin):
    watchdog = fusd_device(Watchdog)
    begin("busybox", "watchdog", "-F", "-t", "100ms", "-T", "5", watchdog)
    wait_until(lambda: watchdog.device.kicks > 2, "kicks")
    assert watchdog.device.seconds == 5
    # Through a pointer to a constant.
    assert watchdog.device.options == [2]


def test_sg_inq_asks_a_disk(fusd_device, run):
    printed = run("sg_inq", fusd_device(ScsiDisk))
    assert "Vendor identification: FUSD" in printed
    assert "Product identification: Disk of Python" in printed


def test_sg_raw_reads_a_mebibyte_at_once(fusd_device, run, tmp_path):
    size = 1 << 20
    command = [f"{byte:02x}" for byte in (0x3C, 2, 0, 0, 0, 0, 0x10, 0, 0, 0)]
    run("sg_raw", "-r", size, "-o", tmp_path / "data", fusd_device(ScsiDisk), *command)
    assert (tmp_path / "data").read_bytes() == bytes(range(256)) * (size // 256)


def test_ipmitool_asks_a_controller(fusd_device, run, in_dev):
    fusd_device(Ipmi, name=in_dev("ipmi0"))
    printed = run("ipmitool", "mc", "info")
    assert "Device ID                 : 32" in printed
    assert "IPMI Version              : 2.0" in printed


def test_i2cdetect_lists_an_adapter(fusd_device, run, in_dev, holds):
    if not holds("client-i2cdetect"):
        pytest.skip("it looks in /sys/class/i2c-dev")
    if os.path.exists("/sys/class/i2c-dev"):
        pytest.skip("the kernel has the class i2c-dev, and adapters of its own")
    fusd_device(I2cAdapter, name=in_dev("i2c-99"))
    assert run("i2cdetect", "-l").split() == [
        "i2c-99",
        "smbus",
        "FUSD",
        "adapter",
        "SMBus",
        "adapter",
    ]


def test_tpm2_tools_get_random_bytes(fusd_device, run):
    tpm = fusd_device(Tpm)
    assert run("tpm2_getrandom", "-T", f"device:{tpm}", "--hex", 8) == "2a" * 8


def test_v4l2_ctl_shows_a_camera(fusd_device, run, in_dev, holds):
    if not holds("client-v4l2"):
        pytest.skip("it takes character devices only")
    camera = fusd_device(Camera, name=in_dev("video0"))
    listed = run("v4l2-ctl", "--list-devices")
    assert "FUSD camera (platform:fusd):\n\t/dev/video0\n" in listed
    printed = run("v4l2-ctl", "-d", camera, "--all")
    assert "Card type        : FUSD camera" in printed
    assert "Width/Height      : 64/32" in printed
    assert "Pixel Format      : 'GREY'" in printed


def test_v4l2_ctl_streams_from_mapped_memory(fusd_device, run, in_dev, holds, tmp_path):
    if not holds("client-v4l2-stream"):
        pytest.skip("clients cannot map the driver's memory")
    camera = fusd_device(Camera, name=in_dev("video0"))
    frames = tmp_path / "frames"
    options = ("--stream-mmap", "--stream-count=3", f"--stream-to={frames}")
    run("v4l2-ctl", "-d", camera, *options)
    size = Camera.SIZE
    assert frames.read_bytes() == b"A" * size + b"B" * size + b"C" * size


FIND_CHIPS = "mount --bind /sys/devices/virtual/fusd /sys/bus/gpio/devices"


@pytest.fixture
def chip(fusd_device, in_dev, holds):
    """Lines of kfusd's, and the command with which programs find them.

    They look for a chip in /sys/bus/gpio, where only the kernel can put one.
    """
    if not holds("client-gpio"):
        pytest.skip("ioctls give no descriptors here")
    served = fusd_device(GpioChip, name=in_dev("gpiochip99"))
    return served, ["unshare", "-m", "sh", "-c", f'{FIND_CHIPS} && exec "$@"', "sh"]


def test_gpiodetect_and_gpioinfo_find_a_chip(chip, run):
    _, found = chip
    assert "gpiochip99 [FUSD chip] (4 lines)" in run(*found, "gpiodetect")
    printed = run(*found, "gpioinfo", "gpiochip99").split()
    assert '"led"' in printed and '"relay"' in printed


def test_gpioget_and_gpioset_have_lines(chip, run):
    served, found = chip
    assert run(*found, "gpioget", "gpiochip99", 0, 1, 2, 3) == "0 1 0 1\n"
    run(*found, "gpioset", "gpiochip99", "0=1", "3=0")
    assert served.device.levels == [1, 1, 0, 0]


def test_gpiomon_sees_edges(chip, run, begin):
    served, found = chip
    monitor = begin(*found, "gpiomon", "--num-events=2", "gpiochip99", 1)
    wait_until(lambda: served.device.watching, "that it watches")
    for level in (0, 1):
        run(*found, "gpioset", "gpiochip99", f"1={level}")
    printed, _ = monitor.communicate(timeout=DEADLINE)
    assert "FALLING EDGE" in printed and "RISING EDGE" in printed
    wait_until(lambda: not served.device.watching, "that it closed its line")


def test_gpiod_finds_no_chip_by_itself(chip, begin):
    client = begin("gpioget", "gpiochip99", 0)
    printed, _ = client.communicate(timeout=DEADLINE)
    assert client.returncode != 0
    assert "Inappropriate ioctl for device" in printed


SPIDEV = """
import spidev
client = spidev.SpiDev()
client.open(99, 0)
client.max_speed_hz = 1_000_000
print(client.max_speed_hz, list(client.xfer2([1, 2, 3])))
data = [number % 251 for number in range(100 << 10)]
print(list(client.xfer3(data)) == data)
"""


def test_spidev_exchanges_much(fusd_device, python, in_dev):
    fusd_device(SpiLoop, name=in_dev("spidev99.0"))
    assert python("spidev", SPIDEV) == "1000000 [1, 2, 3]\nTrue\n"


HIDAPI = """
import sys, hidraw
client = hidraw.device()
client.open_path(sys.argv[1].encode())
print(client.send_feature_report([1, 2, 3, 4]), client.get_feature_report(1, 8))
print(client.write([1, 9, 9]), client.read(8))
"""


def test_hidapi_has_reports(fusd_device, python):
    assert python("hidraw", HIDAPI, fusd_device(Hid, name="hidraw99")) == (
        "4 [1, 2, 3, 4]\n3 [1, 9, 9]\n"
    )


def serial_port_example():
    """The module of the example, with its SerialPort."""
    path = TOP / "examples" / "python" / "serial_port.py"
    spec = importlib.util.spec_from_file_location("serial_port", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def crc_of(data):
    """Modbus' checksum."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return struct.pack("<H", crc)


def modbus_port():
    """The serial port of the examples, with a slave of Modbus at its other end."""
    example = serial_port_example()

    class Port(example.SerialPort):
        def write(self, file, buf, offset):
            slave, function, start, count = struct.unpack(">BBHH", buf[:6])
            assert function == 3 and crc_of(buf[:6]) == bytes(buf[6:])
            words = struct.pack(f">{count}H", *range(start, start + count))
            answer = bytes([slave, function, len(words)]) + words
            self.received += answer + crc_of(answer)
            self.answer()
            return len(buf)

    return Port("ttyMODBUS", mode=0o666)


def test_pymodbus_reads_registers(fusd_device):
    modbus = pytest.importorskip("pymodbus.client")
    port = fusd_device(modbus_port())
    # On fuse, where FIONREAD says 0, it waits for that long, and reads then.
    client = modbus.ModbusSerialClient(port=port.path, baudrate=19200, timeout=1)
    assert client.connect()
    answer = client.read_holding_registers(7, count=3)
    assert answer.registers == [7, 8, 9]
    client.close()


def test_pyserial_sends_while_it_waits(fusd_device):
    serial = pytest.importorskip("serial")
    example = serial_port_example()
    port = fusd_device(example.SerialPort, name="ttyDUPLEX")
    with serial.Serial(port.path, timeout=DEADLINE) as client:
        got = []
        reader = threading.Thread(target=lambda: got.append(client.read(5)))
        reader.start()
        assert client.write(b"hello") == 5
        reader.join(DEADLINE)
    assert got == [b"hello"]

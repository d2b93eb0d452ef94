# SPDX-License-Identifier: BSD-3-Clause
"""Drivers as short as clients that nobody here wrote let them be."""

import ctypes
import errno
import mmap
import struct

import pyfusd
from pyfusd import IO, IOR, IOW, IOWR

EV_SYN, EV_KEY, KEY_A = 0, 1, 30


class Keyboard(pyfusd.Device):
    """An input device with one key, which was pressed once."""

    def __init__(self, name):
        super().__init__(name, 0o666)
        self.events = [
            struct.pack("qqHHi", 1, 0, EV_KEY, KEY_A, 1),
            struct.pack("qqHHi", 1, 0, EV_SYN, 0, 0),
        ]
        self.grabs = []

    def read(self, file, buf, offset):
        return self.events.pop(0) if self.events else file.hold()

    def poll(self, file):
        return pyfusd.Notify.INPUT if self.events else pyfusd.Notify(0)

    @pyfusd.ioctl(IOR("E", 0x01, "i"))
    def version(self, file, _):
        return 0x010001

    @pyfusd.ioctl(IOR("E", 0x84, "i"))
    def effects(self, file, _):
        return 0

    @pyfusd.ioctl(IOR("E", 0x02, "4H"))
    def identity(self, file, _):
        return 3, 0x1209, 0x0001, 0x0100

    @pyfusd.ioctl_family(IOR("E", 0x06, 0))
    def name_of(self, file, data):
        name = b"FUSD keyboard\0"[: len(data)]
        data[: len(name)] = name
        return len(name)

    @pyfusd.ioctl_family(IOR("E", 0x20, 0))
    def types(self, file, data):
        return set_bits(data, EV_SYN, EV_KEY)

    @pyfusd.ioctl_family(IOR("E", 0x20 + EV_KEY, 0))
    def keys(self, file, data):
        return set_bits(data, KEY_A)

    @pyfusd.ioctl_family(IOR("E", 0x09, 0))  # properties
    @pyfusd.ioctl_family(IOR("E", 0x18, 0))  # keys that are down
    @pyfusd.ioctl_family(IOR("E", 0x19, 0))  # LEDs
    @pyfusd.ioctl_family(IOR("E", 0x1B, 0))  # switches
    def nothing(self, file, data):
        return len(data)

    @pyfusd.ioctl_family(IOR("E", 0x07, 0))
    @pyfusd.ioctl_family(IOR("E", 0x08, 0))
    def no_such_name(self, file, data):
        return -errno.ENOENT

    @pyfusd.ioctl(IOW("E", 0x90, "i"), direction="value")
    def grab(self, file, grabbed):
        self.grabs.append(grabbed)


def set_bits(data, *bits):
    for bit in bits:
        data[bit // 8] |= 1 << bit % 8
    return len(data)


class Uinput(pyfusd.Device):
    """Takes the description of an input device, and its events."""

    def __init__(self, name):
        super().__init__(name, 0o666)
        self.types, self.keys, self.events = [], [], []
        self.label = b""
        self.is_created = False

    @pyfusd.ioctl(IOW("U", 100, "i"), direction="value")
    def enable_type(self, file, kind):
        self.types.append(kind)

    @pyfusd.ioctl(IOW("U", 101, "i"), direction="value")
    def enable_key(self, file, key):
        self.keys.append(key)

    @pyfusd.ioctl(IOW("U", 108, "P"), direction="value")
    def set_place(self, file, address):
        return 0

    @pyfusd.ioctl(IOW("U", 3, 92))
    def set_up(self, file, data):
        self.label = bytes(data[8:88]).rstrip(b"\0")

    @pyfusd.ioctl(IO("U", 1))
    def create(self, file, argument):
        self.is_created = True

    @pyfusd.ioctl(IO("U", 2))
    def destroy(self, file, argument):
        self.is_created = False

    @pyfusd.ioctl(IOR("U", 45, "I"))
    def version(self, file, _):
        return 5

    def write(self, file, buf, offset):
        self.events.append(struct.unpack("16xHHi", buf))
        return len(buf)


class Watchdog(pyfusd.Device):
    def __init__(self, name):
        super().__init__(name, 0o666)
        self.seconds = 30
        self.options = []
        self.kicks = 0

    def write(self, file, buf, offset):
        self.kicks += 1
        return len(buf)

    @pyfusd.ioctl(IOR("W", 0, "II32s"))
    def support(self, file, _):
        return 0x8180, 7, b"FUSD watchdog"  # SETTIMEOUT, KEEPALIVEPING, MAGICCLOSE

    @pyfusd.ioctl(IOR("W", 1, "i"))
    @pyfusd.ioctl(IOR("W", 2, "i"))
    def status(self, file, _):
        return 0x8000

    @pyfusd.ioctl(IOR("W", 4, "i"), direction="in")
    def set_options(self, file, values):
        self.options.append(values[0])

    @pyfusd.ioctl(IOR("W", 5, "i"), direction="value")
    def keep_alive(self, file, _):
        self.kicks += 1

    @pyfusd.ioctl(IOWR("W", 6, "i"))
    def set_timeout(self, file, values):
        self.seconds = values[0]
        return self.seconds

    @pyfusd.ioctl(IOR("W", 7, "i"))
    def timeout(self, file, _):
        return self.seconds

    @pyfusd.ioctl(IOR("W", 10, "i"))
    def time_left(self, file, _):
        return self.seconds - 3


class ScsiHeader(ctypes.Structure):
    """struct sg_io_hdr of <scsi/sg.h>."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("direction", ctypes.c_int),
        ("command_length", ctypes.c_ubyte),
        ("max_sense_length", ctypes.c_ubyte),
        ("vector_count", ctypes.c_ushort),
        ("data_length", ctypes.c_uint),
        ("data", ctypes.c_void_p),
        ("command", ctypes.c_void_p),
        ("sense", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("message_status", ctypes.c_ubyte),
        ("sense_length", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("residue", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


class ScsiDisk(pyfusd.Device):
    """What an INQUIRY and a READ BUFFER of any size find."""

    INQUIRY = (
        bytes([0, 0, 6, 2, 31, 0, 0, 0])
        + b"FUSD".ljust(8)
        + b"Disk of Python".ljust(16)
        + b"0.2 "
    )

    @pyfusd.ioctl(0x2282, direction="out", type="i")
    def version(self, file, _):
        return 30536

    @pyfusd.ioctl(0x2285, direction="inout", type=ScsiHeader)
    def transfer(self, file, header):
        command = bytes(file.client_memory(header.command, header.command_length))
        data = file.client_memory(header.data, header.data_length, write=True)
        header.status = header.host_status = header.driver_status = 0
        header.residue = header.sense_length = header.info = 0
        if command[0] == 0x12 and not command[1] & 1:
            size = min(len(data), len(self.INQUIRY))
            data[:size] = self.INQUIRY[:size]
            header.residue = len(data) - size
        elif command[0] == 0x3C:
            data[:] = bytes(range(256)) * (len(data) // 256)
        else:
            header.status = 2  # CHECK CONDITION


class IpmiRequest(ctypes.Structure):
    """struct ipmi_req of <linux/ipmi.h>, with its struct ipmi_msg."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("address_length", ctypes.c_uint),
        ("id", ctypes.c_long),
        ("net_function", ctypes.c_ubyte),
        ("command", ctypes.c_ubyte),
        ("length", ctypes.c_ushort),
        ("data", ctypes.c_void_p),
    )


class IpmiReceived(ctypes.Structure):
    """struct ipmi_recv."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("address", ctypes.c_void_p),
        ("address_length", ctypes.c_uint),
        ("id", ctypes.c_long),
        ("net_function", ctypes.c_ubyte),
        ("command", ctypes.c_ubyte),
        ("length", ctypes.c_ushort),
        ("data", ctypes.c_void_p),
    )


class Ipmi(pyfusd.Device):
    """A management controller that answers "Get Device ID"."""

    DEVICE_ID = bytes([0, 0x20, 1, 2, 0x34, 2, 0xBF, 0xDC, 0x05, 0, 0x01, 0])

    def __init__(self, name):
        super().__init__(name, 0o666)
        self.answers = []

    def poll(self, file):
        return pyfusd.Notify.INPUT if self.answers else pyfusd.Notify(0)

    # It is _IOR, and the driver reads what it points at.
    @pyfusd.ioctl(IOR("i", 13, IpmiRequest), direction="in")
    def send(self, file, request):
        is_known = (request.net_function, request.command) == (6, 1)
        data = self.DEVICE_ID if is_known else b"\xc1"
        self.answers.append((request.id, request.net_function, request.command, data))
        self.poll_changed()

    @pyfusd.ioctl(IOWR("i", 11, IpmiReceived))
    @pyfusd.ioctl(IOWR("i", 12, IpmiReceived))
    def receive(self, file, received):
        if not self.answers:
            return -errno.EAGAIN
        number, net_function, command, data = self.answers[0]
        memory = file.client_memory(received.data, len(data), write=True)
        del self.answers[0]
        memory[:] = data
        received.type, received.id = 1, number
        received.net_function, received.command = net_function | 1, command
        received.length = len(data)
        return 0

    @pyfusd.ioctl(IOR("i", 16, "i"), direction="in")
    @pyfusd.ioctl(IOR("i", 17, "I"), direction="in")
    def settings(self, file, values):
        pass


class SpiTransfer(ctypes.Structure):
    """struct spi_ioc_transfer of <linux/spi/spidev.h>."""

    _fields_ = (
        ("sent", ctypes.c_uint64),
        ("received", ctypes.c_uint64),
        ("length", ctypes.c_uint32),
        ("speed", ctypes.c_uint32),
        ("rest", ctypes.c_uint8 * 8),
    )


class SpiLoop(pyfusd.Device):
    """A bus whose output is wired to its input."""

    speed = 500_000

    @pyfusd.ioctl(IOR("k", 1, "B"))  # mode
    @pyfusd.ioctl(IOR("k", 3, "B"))  # bits per word
    def modes(self, file, _):
        return 0

    @pyfusd.ioctl(IOR("k", 4, "I"))
    def get_speed(self, file, _):
        return self.speed

    @pyfusd.ioctl(IOW("k", 4, "I"))
    def set_speed(self, file, values):
        self.speed = values[0]

    @pyfusd.ioctl(IOW("k", 1, "B"))
    @pyfusd.ioctl(IOW("k", 3, "B"))
    @pyfusd.ioctl(IOW("k", 5, "I"))
    def settings(self, file, values):
        pass

    @pyfusd.ioctl_family(IOW("k", 0, 0))
    def exchange(self, file, data):
        transfers = (SpiTransfer * (len(data) // 32)).from_buffer(data)
        for one in transfers:
            if one.sent and one.received:
                sent = file.client_memory(one.sent, one.length)
                file.client_memory(one.received, one.length, write=True)[:] = sent
        return sum(one.length for one in transfers)


class ReportDescriptor(ctypes.Structure):
    """struct hidraw_report_descriptor of <linux/hidraw.h>."""

    _fields_ = (("size", ctypes.c_uint32), ("value", ctypes.c_uint8 * 4096))


class Hid(pyfusd.Device):
    """A device with feature reports, which keeps the last, and echoes output."""

    DESCRIPTOR = bytes.fromhex("06 00ff 0901 a101 8501 0902 7508 9508 b102 c0")
    feature = bytes(8)
    echo = None
    waiting = None

    def write(self, file, buf, offset):
        self.echo = bytes(buf)
        if self.waiting:
            self.waiting.reply(self.take_echo())
            self.waiting = None
        self.poll_changed()
        return len(buf)

    def take_echo(self):
        echo, self.echo = self.echo, None
        return echo

    def read(self, file, buf, offset):
        if self.echo:
            return self.take_echo()
        self.waiting = file.hold()
        return self.waiting

    def poll(self, file):
        return pyfusd.Notify.INPUT if self.echo else pyfusd.Notify(0)

    @pyfusd.ioctl(IOR("H", 1, "i"))
    def descriptor_size(self, file, _):
        return len(self.DESCRIPTOR)

    # It is _IOR, and the driver reads the size in it.
    @pyfusd.ioctl(IOR("H", 2, ReportDescriptor), direction="inout")
    def descriptor(self, file, report):
        size = min(report.size, len(self.DESCRIPTOR))
        ctypes.memmove(report.value, self.DESCRIPTOR, size)

    @pyfusd.ioctl(IOR("H", 3, "Ihh"))
    def identity(self, file, _):
        return 3, 0x1209, 1

    @pyfusd.ioctl_family(IOR("H", 4, 0))
    @pyfusd.ioctl_family(IOR("H", 5, 0))
    def name_of(self, file, data):
        name = b"FUSD\0"[: len(data)]
        data[: len(name)] = name
        return len(name)

    @pyfusd.ioctl_family(IOWR("H", 6, 0))
    def set_feature(self, file, data):
        self.feature = bytes(data)
        return len(data)

    @pyfusd.ioctl_family(IOWR("H", 7, 0))
    def get_feature(self, file, data):
        size = min(len(data), len(self.feature))
        data[:size] = self.feature[:size]
        return size


class I2cAdapter(pyfusd.Device):
    """An adapter that says what it can, which is as much as SMBus."""

    def __init__(self, name):
        super().__init__(
            name, 0o666, clazz="i2c-dev", attributes={"name": "FUSD adapter"}
        )

    @pyfusd.ioctl(0x0705, direction="out", type="L")
    def functions(self, file, _):
        return 0x0EFF0008


class Tpm(pyfusd.Device):
    """A TPM 2.0 that has random bytes, all of them alike."""

    def __init__(self, name):
        super().__init__(name, 0o666, stream=True)

    def open(self, file):
        file.answer = b""

    def write(self, file, buf, offset):
        _, _, command = struct.unpack(">HII", buf[:10])
        code, data = 0, b""
        if command == 0x17B:  # TPM2_GetRandom
            (count,) = struct.unpack(">H", buf[10:12])
            data = struct.pack(">H", count) + b"\x2a" * count
        elif command == 0x17A:  # TPM2_GetCapability: the largest digest, and no more
            data = struct.pack(">BIIII", 0, 6, 1, 0x120, 32)
        else:
            code = 0x143  # TPM_RC_COMMAND_CODE
        file.answer = struct.pack(">HII", 0x8001, 10 + len(data), code) + data
        return len(buf)

    def read(self, file, buf, offset):
        answer, file.answer = file.answer[: len(buf)], file.answer[len(buf) :]
        return answer

    def poll(self, file):
        return pyfusd.Notify.INPUT if file.answer else pyfusd.Notify.OUTPUT


class Camera(pyfusd.Device):
    """A camera with one format, whose frames are in memory that its clients map."""

    WIDTH, HEIGHT = 64, 32
    SIZE = WIDTH * HEIGHT
    GREY = int.from_bytes(b"GREY", "little")
    CAPTURE, MAPPED = 1, 1
    BUFFER = "=5I4x2q16x2IQI12x"  # struct v4l2_buffer

    def __init__(self, name):
        super().__init__(name, 0o666)
        self.frames = mmap.mmap(-1, 4 * mmap.PAGESIZE)
        self.queued = []
        self.sequence = 0

    def mmap(self, file, offset, length, prot, flags):
        return self.frames

    @pyfusd.ioctl(IOR("V", 0, "16s32s32s6I"))
    def capabilities(self, file, _):
        can = 0x04000001  # STREAMING, VIDEO_CAPTURE
        return b"fusd", b"FUSD camera", b"platform:fusd", 0x60100, can, can, 0, 0, 0

    @pyfusd.ioctl(IOWR("V", 2, "3I32s5I"))
    def formats(self, file, asked):
        if asked[:2] != (0, self.CAPTURE):
            raise OSError(errno.EINVAL, "there is one, to capture")
        return 0, self.CAPTURE, 0, b"Greyscale", self.GREY, 0, 0, 0, 0

    @pyfusd.ioctl(IOWR("V", 4, "=I4x7I172x"))
    @pyfusd.ioctl(IOWR("V", 5, "=I4x7I172x"))
    def format(self, file, asked):
        if asked[0] != self.CAPTURE:
            raise OSError(errno.EINVAL, "there is one, to capture")
        size = self.WIDTH, self.HEIGHT
        return self.CAPTURE, *size, self.GREY, 1, self.WIDTH, self.SIZE, 8

    @pyfusd.ioctl(IOWR("V", 8, "5I"))
    def request_buffers(self, file, asked):
        return min(asked[0], 4), *asked[1:]

    def buffer(self, index, flags):
        self.sequence += flags >> 2 & 1
        time = divmod(self.sequence, 30)
        place = index * mmap.PAGESIZE
        kinds = flags | 0x2000, 1, *time, self.sequence, self.MAPPED
        return index, self.CAPTURE, self.SIZE, *kinds, place, self.SIZE

    @pyfusd.ioctl(IOWR("V", 9, BUFFER))
    def query_buffer(self, file, asked):
        return self.buffer(asked[0], 1)

    @pyfusd.ioctl(IOWR("V", 15, BUFFER))
    def queue(self, file, given):
        self.queued.append(given[0])
        return self.buffer(given[0], 3)

    @pyfusd.ioctl(IOWR("V", 17, BUFFER))
    def take(self, file, _):
        if not self.queued:
            raise BlockingIOError(errno.EAGAIN, "no buffer is queued")
        index = self.queued.pop(0)
        start = index * mmap.PAGESIZE
        self.frames[start : start + self.SIZE] = bytes([65 + self.sequence]) * self.SIZE
        return self.buffer(index, 5)

    @pyfusd.ioctl(IOW("V", 18, "i"))
    def start(self, file, _):
        pass

    @pyfusd.ioctl(IOW("V", 19, "i"))
    def stop(self, file, _):
        self.queued.clear()


class LineRequest(ctypes.Structure):
    """struct gpiohandle_request of <linux/gpio.h>."""

    _fields_ = (
        ("numbers", ctypes.c_uint32 * 64),
        ("flags", ctypes.c_uint32),
        ("levels", ctypes.c_uint8 * 64),
        ("consumer", ctypes.c_char * 32),
        ("count", ctypes.c_uint32),
        ("descriptor", ctypes.c_int),
    )


class GpioChip(pyfusd.Device):
    """Lines that anybody may drive; those who watch one see its edges."""

    OUTPUT = 2
    NAMES = b"led", b"button", b"", b"relay"

    def __init__(self, name):
        super().__init__(name, 0o666)
        self.levels = [0, 1, 0, 1]
        self.watching = []

    @pyfusd.ioctl(IOR(0xB4, 1, "32s32sI"))
    def chip(self, file, _):
        return self.name.encode(), b"FUSD chip", len(self.levels)

    @pyfusd.ioctl(IOWR(0xB4, 2, "2I32s32s"))
    def line(self, file, asked):
        return asked[0], 0, self.NAMES[asked[0]], b""

    @pyfusd.ioctl(IOWR(0xB4, 3, LineRequest))
    def request_lines(self, file, request):
        lines = file.open_child(at=LineRequest.descriptor.offset)
        lines.numbers = request.numbers[: request.count]
        if request.flags & self.OUTPUT:
            self.drive(lines.numbers, request.levels)

    @pyfusd.ioctl(IOWR(0xB4, 4, "3I32si"))
    def request_edges(self, file, request):
        line = file.open_child(at=44)
        line.numbers, line.edges = request[:1], []
        self.watching.append(line)
        return request

    @pyfusd.ioctl(IOWR(0xB4, 8, "64B"))
    def get_levels(self, file, _):
        levels = [self.levels[number] for number in file.numbers]
        return *levels, *[0] * (64 - len(levels))

    @pyfusd.ioctl(IOWR(0xB4, 9, "64B"))
    def set_levels(self, file, levels):
        self.drive(file.numbers, levels)
        return levels

    def drive(self, numbers, levels):
        for number, level in zip(numbers, levels):
            if level == self.levels[number]:
                continue
            self.levels[number] = level
            for line in self.watching:
                if number in line.numbers:
                    line.edges.append(struct.pack("QI4x", 1_000_000_000, 2 - level))
                    line.poll_changed()

    def read(self, file, buf, offset):
        return file.edges.pop(0) if file.edges else -errno.EAGAIN

    def poll(self, file):
        has_edges = file in self.watching and file.edges
        return pyfusd.Notify.INPUT if has_edges else pyfusd.Notify(0)

    def close(self, file):
        if file in self.watching:
            self.watching.remove(file)

# SPDX-License-Identifier: BSD-3-Clause
"""A serial port with a loopback plug: the terminal interface (termios, modem lines),
held reads and poll.

What is sent is received; RTS is wired to CTS, and DTR to DSR and CD.

Try it:  python serial_port.py &  (prints where the device is)
         stty -F /dev/ttyMOCK0 115200 raw -echo
and, with pyserial:
         python -c "import serial; port = serial.Serial(
         '/dev/ttyMOCK0', 115200, timeout=1); port.write(b'hello'); print(
         port.read(5), port.cts)"
"""

import ctypes
import errno
import os
import sys
import termios
from contextlib import suppress

import pyfusd

# <asm-generic/termbits.h>; the numbers without a size are in Python's termios.
NCCS = 19
DEFAULT_CC = bytes([3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22]) + bytes(
    NCCS - 16
)
TCSBRKP = 0x5425
TIOCSBRK = 0x5427
TIOCCBRK = 0x5428

OUTPUT_LINES = termios.TIOCM_DTR | termios.TIOCM_RTS
BUFFER_SIZE = 1 << 16


class Termios(ctypes.Structure):
    _fields_ = (
        ("iflag", ctypes.c_uint32),
        ("oflag", ctypes.c_uint32),
        ("cflag", ctypes.c_uint32),
        ("lflag", ctypes.c_uint32),
        ("line", ctypes.c_uint8),
        ("cc", ctypes.c_uint8 * NCCS),
    )


class Termios2(Termios):
    _fields_ = (("ispeed", ctypes.c_uint32), ("ospeed", ctypes.c_uint32))


TCGETS2 = pyfusd.IOR("T", 0x2A, Termios2)
TCSETS2, TCSETSW2, TCSETSF2 = (pyfusd.IOW("T", n, Termios2) for n in (0x2B, 0x2C, 0x2D))
# Those of 1.0 have no size: a struct termios without the speeds is meant.
TCGETS, TCSETS, TCSETSW, TCSETSF = range(0x5401, 0x5405)


class SerialPort(pyfusd.Device):
    def __init__(self, name="ttyMOCK0", **options):
        # A port has no positions, and sends while it waits for what comes.
        super().__init__(name, stream=True, **options)
        self.received = bytearray()
        self.waiting = []  # held reads, in the order they came
        self.lines = 0
        self.settings = Termios2(
            0x500,
            0x5,
            0xCBD,
            0x8A3B,
            0,
            (ctypes.c_uint8 * NCCS)(*DEFAULT_CC),
            9600,
            9600,
        )

    def open(self, file):
        self.lines |= OUTPUT_LINES

    def close(self, file):
        # The client may have been killed while its reads waited.
        for request in [one for one in self.waiting if one.file is file]:
            self.waiting.remove(request)
            with suppress(BrokenPipeError):
                request.fail(errno.EINTR)

    # Bytes.

    def write(self, file, buf, offset):
        room = BUFFER_SIZE - len(self.received)
        if not room:
            return -errno.EAGAIN
        self.received += buf[:room]
        self.answer()
        return min(len(buf), room)

    def read(self, file, buf, offset):
        if self.received:
            data = bytes(self.received[: len(buf)])
            del self.received[: len(buf)]
            return data
        if file.flags & os.O_NONBLOCK:
            return -errno.EAGAIN
        request = file.hold()
        self.waiting.append(request)
        return request

    def answer(self):
        """There are bytes for those who wait for some."""
        while self.waiting and self.received:
            request = self.waiting.pop(0)
            data = self.received[: len(request.buffer)]
            try:
                request.reply(data)
            except BrokenPipeError:
                continue  # A signal ended that read: the next one gets the bytes.
            del self.received[: len(data)]
        self.poll_changed()

    def unblock(self, file, request):
        self.waiting.remove(request)
        request.fail(errno.EINTR)

    def poll(self, file):
        readable = pyfusd.NOTIFY_INPUT if self.received else 0
        writable = pyfusd.NOTIFY_OUTPUT if len(self.received) < BUFFER_SIZE else 0
        return readable | writable

    # Settings.

    @pyfusd.ioctl(TCGETS, direction="out", type=Termios)
    def get(self, file, settings):
        ctypes.pointer(settings)[0] = Termios.from_buffer_copy(self.settings)

    @pyfusd.ioctl(TCSETS, direction="in", type=Termios)
    @pyfusd.ioctl(TCSETSW, direction="in", type=Termios)
    def set(self, file, settings):
        speeds = bytes(self.settings)[ctypes.sizeof(Termios) :]
        self.settings = Termios2.from_buffer_copy(bytes(settings) + speeds)

    @pyfusd.ioctl(TCSETSF, direction="in", type=Termios)
    def set_and_flush(self, file, settings):
        self.set(file, settings)
        self.discard(file, termios.TCIFLUSH)

    @pyfusd.ioctl(TCGETS2)
    def get2(self, file, settings):
        ctypes.pointer(settings)[0] = self.settings

    @pyfusd.ioctl(TCSETS2)
    @pyfusd.ioctl(TCSETSW2)
    def set2(self, file, settings):
        self.settings = Termios2.from_buffer_copy(settings)

    @pyfusd.ioctl(TCSETSF2)
    def set2_and_flush(self, file, settings):
        self.set2(file, settings)
        self.discard(file, termios.TCIFLUSH)

    @pyfusd.ioctl(termios.TCFLSH)
    def discard(self, file, queue):
        if queue not in (termios.TCIFLUSH, termios.TCOFLUSH, termios.TCIOFLUSH):
            raise OSError(errno.EINVAL, "no such queue")
        if queue != termios.TCOFLUSH:
            self.received.clear()
            self.poll_changed()

    @pyfusd.ioctl(termios.TCSBRK)  # A tcdrain(3), if its argument is not 0.
    @pyfusd.ioctl(TCSBRKP)
    @pyfusd.ioctl(TIOCSBRK)
    @pyfusd.ioctl(TIOCCBRK)
    @pyfusd.ioctl(termios.TCXONC)
    @pyfusd.ioctl(termios.TIOCEXCL)
    @pyfusd.ioctl(termios.TIOCNXCL)
    def ignore(self, file, argument):
        """Everything is sent at once, and breaks go unnoticed."""

    @pyfusd.ioctl(termios.TIOCGWINSZ, direction="out", type=8)
    def get_window(self, file, window):
        """stty(1) asks any terminal for its size; a serial port has none."""

    # Modem lines and counts: ints that the argument points at.

    @pyfusd.ioctl(termios.TIOCMGET, direction="out", type="i")
    def get_lines(self, file, _):
        lines = self.lines
        if lines & termios.TIOCM_RTS:
            lines |= termios.TIOCM_CTS
        if lines & termios.TIOCM_DTR:
            lines |= termios.TIOCM_DSR | termios.TIOCM_CD
        return lines

    @pyfusd.ioctl(termios.TIOCMSET, direction="in", type="i")
    def set_lines(self, file, values):
        self.lines = values[0] & OUTPUT_LINES

    @pyfusd.ioctl(termios.TIOCMBIS, direction="in", type="i")
    def raise_lines(self, file, values):
        self.lines |= values[0] & OUTPUT_LINES

    @pyfusd.ioctl(termios.TIOCMBIC, direction="in", type="i")
    def drop_lines(self, file, values):
        self.lines &= ~values[0]

    @pyfusd.ioctl(termios.TIOCINQ, direction="out", type="i")
    def count_received(self, file, _):
        return len(self.received)

    @pyfusd.ioctl(termios.TIOCOUTQ, direction="out", type="i")
    def count_sent(self, file, _):
        return 0


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "ttyMOCK0"
    if len(sys.argv) > 2 or name.startswith("-"):
        sys.exit("usage: serial_port.py [NAME]")
    try:
        with SerialPort(name, mode=0o666) as device:
            print("serial_port:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"serial_port: {error.strerror}")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: BSD-3-Clause
"""An I2C bus with a temperature sensor: ioctls that point into their client, whose
structures point further.

The sensor, at address 0x48, has 256 registers: 0 and 1 are the temperature in
1/256 degrees, high byte first; the others keep what is written to them.

Try it:  python i2c_sensor.py i2c-9 &   (prints where the device is)
         i2cdetect -y 9
         i2cget -y 9 0x48 0 w
or, with smbus2:
         python -c "from smbus2 import SMBus; print(
         SMBus('/dev/i2c-9').read_i2c_block_data(0x48, 0, 2))"
"""

import ctypes
import errno
import sys

import pyfusd

# <linux/i2c-dev.h> and <linux/i2c.h>: numbers that code for no size.
I2C_RETRIES = 0x0701
I2C_TIMEOUT = 0x0702
I2C_SLAVE = 0x0703
I2C_FUNCS = 0x0705
I2C_SLAVE_FORCE = 0x0706
I2C_RDWR = 0x0707
I2C_SMBUS = 0x0720

I2C_M_RD = 0x0001
I2C_RDWR_MAX_MESSAGES = 42
MAX_MESSAGE = 8192
FUNCTIONS = 0x0FFF0001  # I2C messages; all of SMBus 1 but error checks

(
    SMBUS_QUICK,
    SMBUS_BYTE,
    SMBUS_BYTE_DATA,
    SMBUS_WORD_DATA,
    SMBUS_PROC_CALL,
    SMBUS_BLOCK_DATA,
    _,
    _,
    SMBUS_I2C_BLOCK_DATA,
) = range(9)
SMBUS_BLOCK_MAX = 32


class Message(ctypes.Structure):
    _fields_ = (
        ("address", ctypes.c_uint16),
        ("flags", ctypes.c_uint16),
        ("length", ctypes.c_uint16),
        ("buffer", ctypes.c_void_p),
    )


class Messages(ctypes.Structure):
    _fields_ = (("messages", ctypes.c_void_p), ("count", ctypes.c_uint32))


class SmbusCall(ctypes.Structure):
    _fields_ = (
        ("is_read", ctypes.c_uint8),
        ("command", ctypes.c_uint8),
        ("size", ctypes.c_uint32),
        ("data", ctypes.c_void_p),
    )


class Sensor:
    """256 registers and a pointer, as most small chips have them."""

    def __init__(self, celsius=21.5):
        self.registers = bytearray(256)
        self.registers[0:2] = int(celsius * 256).to_bytes(2, "big", signed=True)
        self.pointer = 0

    def write(self, data):
        """The first byte is the register to go on from."""
        if data:
            self.pointer = data[0]
        for byte in data[1:]:
            self.registers[self.pointer] = byte
            self.pointer = (self.pointer + 1) % 256

    def read(self, length):
        data = bytes(self.registers[(self.pointer + n) % 256] for n in range(length))
        self.pointer = (self.pointer + length) % 256
        return data


class Bus(pyfusd.Device):
    def __init__(self, name="i2c-9", **options):
        super().__init__(name, **options)
        self.chips = {0x48: Sensor()}

    def open(self, file):
        file.address = 0

    def chip(self, address):
        try:
            return self.chips[address]
        except KeyError:
            raise OSError(errno.ENXIO, f"no chip answers at {address:#x}") from None

    def read(self, file, buf, offset):
        return self.chip(file.address).read(min(len(buf), MAX_MESSAGE))

    def write(self, file, buf, offset):
        data = bytes(buf[:MAX_MESSAGE])
        self.chip(file.address).write(data)
        return len(data)

    @pyfusd.ioctl(I2C_SLAVE)
    @pyfusd.ioctl(I2C_SLAVE_FORCE)
    def set_address(self, file, address):
        if address > 0x7F:
            raise OSError(errno.EINVAL, "an address has 7 bits")
        file.address = address

    @pyfusd.ioctl(I2C_RETRIES)
    @pyfusd.ioctl(I2C_TIMEOUT)
    def ignore(self, file, value):
        return 0

    @pyfusd.ioctl(I2C_FUNCS)
    def functions(self, file, argument):
        view = file.client_memory(argument, ctypes.sizeof(ctypes.c_ulong), write=True)
        ctypes.c_ulong.from_buffer(view).value = FUNCTIONS

    @pyfusd.ioctl(I2C_RDWR)
    def transfer(self, file, argument):
        """Messages in a row, in an array of pointers; all or none are there."""
        head = client_structure(file, argument, Messages)
        if not 0 < head.count <= I2C_RDWR_MAX_MESSAGES:
            raise OSError(errno.EINVAL, "so many messages are not sent at once")
        messages = client_structure(file, head.messages, Message * head.count)
        if any(message.length > MAX_MESSAGE for message in messages):
            raise OSError(errno.EINVAL, "a message is too long")
        # All memory first: on cuse this may begin again until it is there.
        buffers = [
            file.client_memory(
                message.buffer, message.length, write=bool(message.flags & I2C_M_RD)
            )
            for message in messages
        ]
        for message, buffer in zip(messages, buffers):
            chip = self.chip(message.address)
            if message.flags & I2C_M_RD:
                buffer[:] = chip.read(len(buffer))
            else:
                chip.write(bytes(buffer))
        return head.count

    @pyfusd.ioctl(I2C_SMBUS)
    def smbus(self, file, argument):
        call = client_structure(file, argument, SmbusCall)
        if call.size not in SMBUS_DATA_SIZES:
            raise OSError(errno.EOPNOTSUPP, "no such kind of call")
        # As in the kernel: a quick call, and a byte that is written, have no data.
        size = SMBUS_DATA_SIZES[call.size]
        if call.size == SMBUS_BYTE and not call.is_read:
            size = 0
        does_read = call.is_read or call.size == SMBUS_PROC_CALL
        data = file.client_memory(call.data, size, write=bool(does_read))
        smbus_call(self.chip(file.address), call, data)


#: What a call's data pointer points at: bytes, by the kind of the call.
SMBUS_DATA_SIZES = {
    SMBUS_QUICK: 0,
    SMBUS_BYTE: 1,
    SMBUS_BYTE_DATA: 1,
    SMBUS_WORD_DATA: 2,
    SMBUS_PROC_CALL: 2,
    SMBUS_BLOCK_DATA: SMBUS_BLOCK_MAX + 2,
    SMBUS_I2C_BLOCK_DATA: SMBUS_BLOCK_MAX + 2,
}


def client_structure(file, address, kind):
    return kind.from_buffer_copy(file.client_memory(address, ctypes.sizeof(kind)))


def smbus_call(chip, call, data):
    """SMBus in terms of plain I2C messages."""
    command = bytes([call.command])
    if call.size == SMBUS_QUICK:
        return
    if call.size == SMBUS_BYTE:
        if call.is_read:
            data[:] = chip.read(1)
        else:
            chip.write(command)
    elif call.size in (SMBUS_BYTE_DATA, SMBUS_WORD_DATA):
        if call.is_read:
            chip.write(command)
            data[:] = chip.read(len(data))
        else:
            chip.write(command + data)
    elif call.size == SMBUS_PROC_CALL:
        chip.write(command + data)
        data[:] = chip.read(2)
    else:
        smbus_block(chip, call, data)


def smbus_block(chip, call, data):
    """The first byte of the data is the count of those that follow."""
    has_count = call.size == SMBUS_BLOCK_DATA  # on the wire, too
    command = bytes([call.command])
    if not call.is_read:
        if not 1 <= data[0] <= SMBUS_BLOCK_MAX:
            raise OSError(errno.EINVAL, "a block has 1 to 32 bytes")
        chip.write(command + bytes(data[0 if has_count else 1 : 1 + data[0]]))
        return
    chip.write(command)
    count = chip.read(1)[0] if has_count else data[0]
    if not 1 <= count <= SMBUS_BLOCK_MAX:
        raise OSError(errno.EPROTO, "a block has 1 to 32 bytes")
    data[0] = count
    data[1 : 1 + count] = chip.read(count)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "i2c-9"
    if len(sys.argv) > 2 or name.startswith("-"):
        sys.exit("usage: i2c_sensor.py [NAME]")
    try:
        with Bus(name, mode=0o666) as device:
            print("i2c_sensor:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"i2c_sensor: {error.strerror}")


if __name__ == "__main__":
    main()

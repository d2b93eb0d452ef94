# SPDX-License-Identifier: BSD-3-Clause
"""ioctl methods with a direction of their own, families, and discarded data."""

import asyncio
import ctypes
import errno
import fcntl
import mmap
import os

import pytest

import pyfusd
from pyfusd import IO, IOR, IOW, IOWR
from support.gate32 import Gate

libc = ctypes.CDLL(None, use_errno=True)
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]

# As Linux has them.
EVIOCGRAB = IOW("E", 0x90, "i")
WDIOC_SETOPTIONS = IOR("W", 4, "i")
WDIOC_KEEPALIVE = IOR("W", 5, "i")
EVIOCGNAME = IOR("E", 6, 0)
TCGETS = 0x5401
SG_IO = 0x2285


class Header(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_uint32))


class Odd(pyfusd.Device):
    def __init__(self, name="odd"):
        super().__init__(name, 0o666)
        self.seen = []

    @pyfusd.ioctl(EVIOCGRAB, direction="value")
    @pyfusd.ioctl(WDIOC_KEEPALIVE, direction="value")
    def take_value(self, file, value):
        assert value == file.argument
        self.seen.append(value)

    @pyfusd.ioctl(WDIOC_SETOPTIONS, direction="in")
    def set_options(self, file, values):
        self.seen.append(values)

    @pyfusd.ioctl(TCGETS, direction="out", type="8s")
    def get(self, file, values):
        assert values == ()
        return b"settings"

    @pyfusd.ioctl(SG_IO, direction="inout", type=Header)
    def transfer(self, file, header):
        memory = file.client_memory(header.data, header.length, write=True)
        memory[-5:] = bytes(memory[:5])
        header.length = 5

    @pyfusd.ioctl_family(EVIOCGNAME)
    def give_name(self, file, data):
        data[:] = b"keyboard"[: len(data)].ljust(len(data), b".")
        return len(data)

    @pyfusd.ioctl(IOR("E", 6, 3))
    def give_three(self, file, data):
        data[:] = b"odd"
        return 33

    @pyfusd.ioctl(IOWR("x", 1, 4))
    def look_only(self, file, data):
        self.seen.append(bytes(data))
        data[:] = b"????"
        file.discard_data()
        return 4


@pytest.fixture
def odd(serve):
    return serve(Odd())


@pytest.fixture
def client(odd, opened):
    return opened(odd)


def call(descriptor, number, argument):
    result = libc.ioctl(descriptor, number, argument)
    return result if result >= 0 else errno.errorcode[ctypes.get_errno()]


@pytest.fixture
def const():
    """Memory with 2 as an int at its beginning, which cannot be written."""
    memory = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:4] = (2).to_bytes(4, "little")
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for access in (mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE):
        libc.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(mmap.PAGESIZE), access)
        if access == mmap.PROT_READ:
            yield start


@pytest.mark.parametrize("value", [1, 0, 0x123456789ABC])
def test_a_value_is_no_pointer(odd, client, holds, value):
    assert call(client, WDIOC_KEEPALIVE, value) == 0
    if holds("ioctl-declared-value"):
        assert call(client, EVIOCGRAB, value) == 0
        assert odd.seen == [value, value]
    else:
        assert call(client, EVIOCGRAB, value) == "EFAULT"
        assert odd.seen == [value]


def test_what_is_only_for_the_driver_may_be_const(odd, client, const):
    assert call(client, WDIOC_SETOPTIONS, const) == 0
    assert odd.seen == [(2,)]


def test_a_number_without_a_size_has_the_type_that_is_declared(client):
    data = ctypes.create_string_buffer(b"????????and more")
    assert call(client, TCGETS, data) == 0
    assert data.value == b"settingsand more"


@pytest.mark.parametrize("length", [5, 4096, 64 << 10, 128 << 10, 1 << 20])
def test_a_structure_may_point_at_much_memory(client, length):
    data = ctypes.create_string_buffer(b"hello", length)
    header = Header(ctypes.addressof(data), length)
    assert call(client, SG_IO, ctypes.byref(header)) == 0
    assert data.raw[-5:] == b"hello"
    assert header.length == 5


def test_a_family_is_one_method_s(client):
    for size in (0, 1, 8, 16383):
        data = ctypes.create_string_buffer(size + 1)
        assert call(client, EVIOCGNAME | size << 16, data) == size
        assert data.raw == b"keyboard"[:size].ljust(size, b".") + b"\0"
    data = ctypes.create_string_buffer(3)
    assert call(client, IOR("E", 6, 3), data) == 33
    assert data.raw == b"odd"


def test_discarded_data_leaves_the_client_s(odd, client, const):
    assert call(client, IOWR("x", 1, 4), const) == 4
    assert odd.seen == [b"\2\0\0\0"]
    data = ctypes.create_string_buffer(b"abcd", 4)
    assert call(client, IOWR("x", 1, 4), data) == 4
    assert data.raw == b"abcd"


def test_a_wrong_pointer_is_efault(odd, client):
    for number in (WDIOC_SETOPTIONS, TCGETS, SG_IO):
        assert call(client, number, None) == "EFAULT"
    assert odd.seen == []


def test_other_client_memory_goes_back_beside_discarded_data(serve, opened):
    class Beside(pyfusd.Device):
        @pyfusd.ioctl(IOWR("x", 1, 8))
        def both(self, file, data):
            address = int.from_bytes(data, "little")
            file.client_memory(address, 4, write=True)[:] = b"more"
            data[:] = b"????????"
            file.discard_data()

    text = ctypes.create_string_buffer(b"less", 4)
    data = ctypes.c_uint64(ctypes.addressof(text))
    assert (
        call(opened(serve(Beside("beside"))), IOWR("x", 1, 8), ctypes.byref(data)) == 0
    )
    assert data.value == ctypes.addressof(text)
    assert text.raw == b"more"


def test_a_device_bounds_its_clients_memory(serve, opened):
    class Small(pyfusd.Device):
        @pyfusd.ioctl(IO("x", 1))
        def take(self, file, argument):
            file.client_memory(argument, 4096, write=True)
            file.client_memory(argument + 4096, 1)

    data = ctypes.create_string_buffer(8192)
    device = serve(Small("small", 0o666, max_client_memory=4096))
    assert call(opened(device), IO("x", 1), data) == "E2BIG"
    device = serve(Small("enough", 0o666, max_client_memory=4097))
    assert call(opened(device), IO("x", 1), data) == 0
    with pytest.raises(ValueError, match="max_client_memory"):
        Small("none", max_client_memory=0)


def test_the_argument_is_there_with_data_too(serve, opened):
    class Where(pyfusd.Device):
        def ioctl(self, file, request, data):
            self.argument = file.argument
            self.request = file.hold()
            self.request.reply(7)
            with pytest.raises(RuntimeError, match="before its answer"):
                file.argument  # noqa: B018
            return self.request

        def read(self, file, buf, offset):
            with pytest.raises(RuntimeError, match="ioctl callback"):
                file.discard_data()
            return 0

    device = serve(Where("where"))
    client = opened(device)
    data = ctypes.create_string_buffer(8)
    assert call(client, IOWR("x", 1, 8), data) == 7
    assert device.argument == ctypes.addressof(data)
    os.read(client, 1)


def test_a_coroutine_has_both_after_it_waited(serve_async, opened):
    class Later(pyfusd.Device):
        @pyfusd.ioctl(SG_IO, direction="inout", type=8)
        async def later(self, file, data):
            await asyncio.sleep(0)
            data[:] = bytes(data).upper()
            assert file.argument == self.expected

        @pyfusd.ioctl(IOWR("x", 1, 8))
        async def discard(self, file, data):
            await asyncio.sleep(0)
            data[:] = b"????????"
            file.discard_data()

    device = serve_async(Later("later"))
    data = ctypes.create_string_buffer(b"abcdefgh", 8)
    device.expected = ctypes.addressof(data)
    client = opened(device)
    assert call(client, SG_IO, data) == 0
    assert data.raw == b"ABCDEFGH"
    assert call(client, IOWR("x", 1, 8), data) == 0
    assert data.raw == b"ABCDEFGH"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"direction": "both"}, "'inout', not 'both'"),
        ({"direction": "in"}, "say the type"),
        ({"direction": "value", "type": 4}, "a value"),
        ({"type": 4}, "say what it is"),
        ({"direction": "in", "type": (128 << 10) + 1}, "131072 bytes"),
    ],
)
def test_what_cannot_be_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        pyfusd.ioctl(0x5401, **arguments)


def test_a_number_of_a_declared_family_is_what_it_codes(serve, opened, const):
    class Both(pyfusd.Device):
        @pyfusd.ioctl_family(IOW("f", 1, 0), direction="out")
        def fill(self, file, data):
            data[:] = b"f" * len(data)

        @pyfusd.ioctl(IOW("f", 1, "i"))
        def take(self, file, values):
            self.taken = values

    device = serve(Both("both"))
    client = opened(device)
    assert call(client, IOW("f", 1, 4), const) == 0
    assert device.taken == (2,)
    data = ctypes.create_string_buffer(8)
    assert call(client, IOW("f", 1, 8), data) == 0
    assert data.raw == b"f" * 8


def test_two_methods_for_one_family_are_refused():
    class Twice(Odd):
        @pyfusd.ioctl_family(IOR("E", 6, 17))
        def again(self, file, data):
            return 0

    with pytest.raises(TypeError, match=r"again\(\) and give_name\(\)"):
        Twice("twice").register()


def test_more_declarations_than_a_device_may_have_are_refused():
    class Many(pyfusd.Device):
        def one(self, file, value):
            return 0

        for number in range(256):
            pyfusd.ioctl(IO("m", number), direction="value")(one)
        pyfusd.ioctl(IO("n", 0), direction="value")(one)

    with pytest.raises(ValueError, match="257 ioctls"):
        Many("many").register()


def test_a_method_that_is_hidden_is_refused():
    class Hidden(pyfusd.Device):
        @pyfusd.ioctl(IO("m", 1))
        def name(self, file, value):
            return 0

    with pytest.raises(TypeError, match="name"):
        Hidden("hidden").register()


class Speechless(pyfusd.Device):
    @pyfusd.ioctl(IO("s", 1))
    def set_speed(self, file, value):
        return "fast"

    @pyfusd.ioctl_family(IOR("s", 2, 0))
    def read_speed(self, file, data):
        raise ValueError("no speed")


class Waiting(pyfusd.Device):
    @pyfusd.ioctl(IO("s", 1))
    async def set_speed(self, file, value):
        await asyncio.sleep(0)
        return "fast"

    @pyfusd.ioctl_family(IOR("s", 2, 0))
    async def read_speed(self, file, data):
        await asyncio.sleep(0)
        raise ValueError("no speed")


@pytest.mark.parametrize("kind", [Speechless, Waiting])
def test_what_fails_is_named_by_its_method(serve_async, opened, caplog, kind):
    client = opened(serve_async(kind("speechless")))
    for number, method in ((IO("s", 1), "set_speed"), (IOR("s", 2, 8), "read_speed")):
        data = ctypes.create_string_buffer(8)
        assert call(client, number, data) == "EIO"
        assert f"{method}() failed" in caplog.text
    assert "not str" in caplog.text


def test_a_32_bit_client_can_be_told(serve, opened):
    told = []

    class Either(pyfusd.Device):
        @pyfusd.ioctl(IO("e", 1))
        def tell(self, file, argument):
            told.append(file.is_32bit)

    device = Either("either")
    serve(device)
    descriptor = opened(device)
    fcntl.ioctl(descriptor, IO("e", 1))
    assert told == [False]
    try:
        gate = Gate()
    except NotImplementedError as reason:
        pytest.skip(str(reason))
    assert gate(descriptor, IO("e", 1), 0) == 0
    assert told == [False, True]

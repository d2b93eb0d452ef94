# SPDX-License-Identifier: BSD-3-Clause
"""ioctl numbers and typed ioctl methods."""

import ctypes
import errno
import fcntl
import importlib
import os
import struct
import subprocess
from inspect import isfunction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyfusd
from pyfusd import IO, IOR, IOW, IOWR, IoctlNumber


class Config(ctypes.Structure):
    _fields_ = (("speed", ctypes.c_uint32), ("flags", ctypes.c_uint32))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        # As the C macros give them on x86 and ARM.
        (IO("F", 100), 0x4664),
        (IO("p", 1), 0x7001),  # RTC_AIE_ON
        (IOR("p", 9, 36), 0x80247009),  # RTC_RD_TIME
        (IOW("p", 10, 36), 0x4024700A),  # RTC_SET_TIME
        (IOR("T", 0x30, ctypes.c_uint), 0x80045430),  # TIOCGPTN
        (IOWR(0x3E, 5, "QQ"), 0xC0103E05),
        (IOWR("G", 5, Config), 0xC0084705),
        (IOR("a", 1, 0), 0x80006101),
    ],
)
def test_numbers_equal_the_c_macros(number, expected):
    assert number == expected
    assert hash(number) == hash(expected)


C_PROGRAM = """
#include <stdio.h>
#include <sys/ioctl.h>
#include <linux/rtc.h>

struct config { unsigned speed, flags; };
struct mixed { char a; long long b; short c; };

int main(void)
{
    unsigned group, number;

    for (group = 0; group < 256; group += 5)
        for (number = 0; number < 256; number += 7)
            printf("%u\\n", (unsigned)_IO(group, number));
#define EACH(size) printf("%u %u %u\\n", (unsigned)_IOR('T', 3, char[size]), \\
    (unsigned)_IOW('T', 4, char[size]), (unsigned)_IOWR('T', 5, char[size]));
    CALLS
    printf("%u %u %u %u\\n", (unsigned)_IOWR('G', 1, struct config),
           (unsigned)_IOR('G', 2, struct mixed), (unsigned)RTC_RD_TIME,
           (unsigned)RTC_SET_TIME);
    return 0;
}
"""


class Mixed(ctypes.Structure):
    _fields_ = (
        ("a", ctypes.c_char),
        ("b", ctypes.c_longlong),
        ("c", ctypes.c_short),
    )


def test_numbers_equal_those_that_a_c_compiler_makes(tmp_path):
    sizes = [1, 2, 3, 4, 8, 36, 255, 256, 4096, 16383]
    program = C_PROGRAM.replace("CALLS", " ".join(f"EACH({size})" for size in sizes))
    (tmp_path / "numbers.c").write_text(program, encoding="utf-8")
    subprocess.run(
        ["cc", "-o", tmp_path / "numbers", tmp_path / "numbers.c"], check=True
    )
    output = subprocess.check_output([tmp_path / "numbers"], text=True)
    expected = [
        IO(group, number) for group in range(0, 256, 5) for number in range(0, 256, 7)
    ]
    for size in sizes:
        expected += [IOR("T", 3, size), IOW("T", 4, size), IOWR("T", 5, size)]
    expected += [IOWR("G", 1, Config), IOR("G", 2, Mixed)]
    expected += [IOR("p", 9, "9i"), IOW("p", 10, "9i")]
    assert [int(number) for number in output.split()] == expected


@given(st.integers(0, 2**32 - 1))
def test_any_number_decodes_into_its_parts(value):
    number = IoctlNumber(value)
    direction = number.readable << 1 | number.writable
    assert value == (
        direction << 30 | number.size << 16 | number.group << 8 | number.number
    )
    assert f"{value:#010x}" in repr(number)


@given(
    st.sampled_from([IOR, IOW, IOWR]),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 2**14 - 1),
)
def test_encoding_and_decoding_are_inverse(macro, group, code, size):
    number = macro(group, code, size)
    assert (number.group, number.number, number.size) == (group, code, size)
    assert number.readable == (macro is not IOW)
    assert number.writable == (macro is not IOR)


@pytest.mark.parametrize(
    "make",
    [
        lambda: IO("F", 256),
        lambda: IO("F", -1),
        lambda: IO(256, 0),
        lambda: IO("\u1234", 0),
        lambda: IO("CC", 0),
        lambda: IO("", 0),
        lambda: IO(None, 0),
        lambda: IOR("F", 0, 1 << 14),
        lambda: IOR("F", 0, -1),
        lambda: IoctlNumber(1 << 32),
        lambda: IoctlNumber(-1),
    ],
)
def test_what_does_not_fit_is_a_value_error(make):
    with pytest.raises(ValueError):
        make()


class Typed(pyfusd.Device):
    config = (9600, 0)
    level = 0

    @pyfusd.ioctl(IOWR("G", 1, Config))
    def exchange(self, file, config):
        old, self.config = self.config, (config.speed, config.flags)
        config.speed, config.flags = old
        return 3

    @pyfusd.ioctl(IOR("G", 2, "<HI"))
    def get_pair(self, file, values):
        assert values == ()
        return 0x1234, 0x56789ABC

    @pyfusd.ioctl(IOW("G", 3, "<HI"))
    def set_pair(self, file, values):
        self.pair = values
        return 5

    @pyfusd.ioctl(IOWR("G", 4, "i"))
    def negate(self, file, values):
        return -values[0]

    @pyfusd.ioctl(IO("G", 5))
    @pyfusd.ioctl(0x1234)
    def level_by_value(self, file, argument):
        self.level = argument

    @pyfusd.ioctl(IOWR("G", 6, 5))
    def upper(self, file, data):
        data[:] = bytes(data).upper()

    @pyfusd.ioctl(IOR("G", 7, Config))
    def refuse(self, file, config):
        config.speed = 77
        raise OSError(errno.ENODATA, "no")

    @pyfusd.ioctl(IOW("G", 8, Config))
    def keep(self, file, config):
        self.kept = config


@pytest.fixture
def typed(serve):
    return serve(Typed("typed"))


@pytest.fixture
def client(typed):
    descriptor = os.open(typed.path, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def test_a_structure_is_the_request_s_memory(typed, client):
    config = Config(115200, 3)
    assert fcntl.ioctl(client, IOWR("G", 1, Config), config) == 3
    assert (config.speed, config.flags) == (9600, 0)
    assert typed.config == (115200, 3)


def test_a_kept_structure_stays_what_it_was(typed, client):
    fcntl.ioctl(client, IOW("G", 8, Config), Config(1, 2))
    kept = typed.kept
    for number in range(50):
        fcntl.ioctl(client, IOWR("G", 1, Config), Config(number, number))
    assert (kept.speed, kept.flags) == (1, 2)


def test_a_format_gives_and_takes_tuples(typed, client):
    data = bytearray(6)
    assert fcntl.ioctl(client, IOR("G", 2, "<HI"), data) == 0
    assert struct.unpack("<HI", data) == (0x1234, 0x56789ABC)
    packed = struct.pack("<HI", 7, 8)
    assert fcntl.ioctl(client, IOW("G", 3, "<HI"), bytearray(packed)) == 5
    assert typed.pair == (7, 8)
    number = bytearray(struct.pack("i", 41))
    assert fcntl.ioctl(client, IOWR("G", 4, "i"), number) == 0
    assert struct.unpack("i", number) == (-41,)


def test_an_io_number_passes_the_argument_by_value(typed, client):
    assert fcntl.ioctl(client, IO("G", 5), 42) == 0
    assert typed.level == 42
    fcntl.ioctl(client, 0x1234, 0x7FFFFFFF)
    assert typed.level == 0x7FFFFFFF


def test_a_size_gives_a_memoryview(client):
    data = bytearray(b"hello")
    fcntl.ioctl(client, IOWR("G", 6, 5), data)
    assert data == b"HELLO"


def test_a_failing_method_leaves_the_client_s_memory_alone(client):
    config = Config(1, 2)
    with pytest.raises(OSError) as caught:
        fcntl.ioctl(client, IOR("G", 7, Config), config)
    assert caught.value.errno == errno.ENODATA
    assert (config.speed, config.flags) == (1, 2)


@pytest.mark.parametrize("number", [0x1235, IO("G", 99), IOWR("G", 99, 1024)])
def test_an_unknown_number_is_enotty(client, number):
    with pytest.raises(OSError) as caught:
        fcntl.ioctl(client, number, bytearray(1024))
    assert caught.value.errno == errno.ENOTTY


def test_undecorated_numbers_reach_ioctl(serve):
    class Both(Typed):
        def ioctl(self, file, request, data):
            assert isinstance(request, int)
            if isinstance(data, int):
                return data + 1
            data[:] = b"z" * len(data)
            return 2

    device = serve(Both("both"))
    descriptor = os.open(device.path, os.O_RDWR)
    assert fcntl.ioctl(descriptor, 0x777, 41) == 42
    data = bytearray(3)
    assert fcntl.ioctl(descriptor, IOR("Z", 1, 3), data) == 2
    assert data == b"zzz"
    assert fcntl.ioctl(descriptor, IO("G", 5), 9) == 0
    assert device.level == 9
    os.close(descriptor)


def test_two_methods_for_one_number_are_refused():
    class Twice(Typed):
        @pyfusd.ioctl(0x1234)
        def again(self, file, argument):
            return 0

    with pytest.raises(TypeError, match=r"again\(\) and level_by_value\(\)"):
        Twice("twice").register()


def test_a_derived_class_may_replace_a_method(serve):
    class Derived(Typed):
        @pyfusd.ioctl(0x1234)
        def level_by_value(self, file, argument):
            return 17

    device = serve(Derived("derived"))
    descriptor = os.open(device.path, os.O_RDWR)
    assert fcntl.ioctl(descriptor, 0x1234) == 17
    os.close(descriptor)


def test_ioctl_is_the_decorator_and_no_module():
    from pyfusd import ioctl

    assert isfunction(ioctl)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("pyfusd.ioctl")


def test_a_class_with_an_ioctl_method_decorates_others(serve, opened):
    class Both(pyfusd.Device):
        def ioctl(self, file, request, data):
            return 1

        @pyfusd.ioctl(IO("B", 2))
        def decorated(self, file, argument):
            return 2

    descriptor = opened(serve(Both("both")))
    assert fcntl.ioctl(descriptor, IO("B", 1)) == 1
    assert fcntl.ioctl(descriptor, IO("B", 2)) == 2


def test_a_decorator_without_its_number_is_told():
    with pytest.raises(TypeError, match="request number is an int"):

        @pyfusd.ioctl
        def get(self, file, data): ...


def test_values_that_do_not_fit_the_format_are_told(serve, opened, caplog):
    class Wrong(pyfusd.Device):
        @pyfusd.ioctl(pyfusd.IOR("T", 1, "i"))
        def get(self, file, values):
            pass

    with pytest.raises(OSError):
        fcntl.ioctl(opened(serve(Wrong("wrong"))), pyfusd.IOR("T", 1, "i"), bytes(4))
    assert "get() must return the values of 'i', not None" in caplog.text


def test_a_type_that_is_none_is_told():
    with pytest.raises(TypeError, match="not <class 'float'>"):
        pyfusd.IOR("T", 1, float)

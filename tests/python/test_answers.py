# SPDX-License-Identifier: BSD-3-Clause
"""What a callback may return or raise, and what its client gets."""

import array
import asyncio
import concurrent.futures
import ctypes
import errno
import fcntl
import logging
import os
import select
import socket
import traceback

import pytest

import pyfusd


class Answering(pyfusd.Device):
    """Answers each operation with what its test put there."""

    def __init__(self, answer, **options):
        super().__init__("answering", **options)
        self.answer = answer

    def _answer(self, *arguments):
        return self.answer(*arguments) if callable(self.answer) else self.answer

    def read(self, file, buf, offset):
        return self._answer(file, buf, offset)

    def write(self, file, buf, offset):
        return self._answer(file, buf, offset)

    def ioctl(self, file, request, data):
        return self._answer(file, request, data)


class Opening(Answering):
    def open(self, file):
        return self._answer(file)


def read(device, length=100):
    descriptor = os.open(device.path, os.O_RDONLY)
    try:
        return os.read(descriptor, length)
    finally:
        os.close(descriptor)


def write(device, data):
    descriptor = os.open(device.path, os.O_WRONLY)
    try:
        return os.write(descriptor, data)
    finally:
        os.close(descriptor)


def ioctl(device, request, argument=0):
    descriptor = os.open(device.path, os.O_RDWR)
    try:
        return fcntl.ioctl(descriptor, request, argument)
    finally:
        os.close(descriptor)


def fill(file, buf, offset):
    buf[:5] = b"hello"
    return 5


NUMBERS = array.array("i", range(10))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (fill, b"hello"),
        (b"bytes", b"bytes"),
        (bytearray(b"bytearray"), b"bytearray"),
        (memoryview(b"a memoryview")[2:], b"memoryview"),
        (NUMBERS, NUMBERS.tobytes()),
        ((ctypes.c_char * 4)(*b"abcd"), b"abcd"),
        (lambda file, buf, offset: buf[:0], b""),
        (b"", b""),
        (0, b""),
        (False, b""),
        (b"x" * 5000, b"x" * 100),
    ],
)
def test_a_read_answers_with_a_count_or_with_bytes(serve, answer, expected):
    device = serve(Answering(answer))
    assert read(device) == expected


def test_a_read_that_answers_too_much_is_cut(serve):
    def too_much(file, buf, offset):
        buf[:] = b"y" * len(buf)
        return len(buf) + 1000

    assert read(serve(Answering(too_much))) == b"y" * 100


def test_what_a_read_did_not_fill_is_zero(serve):
    assert read(serve(Answering(100))) == bytes(100)


def test_a_read_may_return_a_part_of_its_own_buffer(serve):
    def part(file, buf, offset):
        buf[:4] = b"abcd"
        return buf[1:3]

    assert read(serve(Answering(part))) == b"bc"


def test_numpy_arrays_are_bytes_too(serve):
    numpy = pytest.importorskip("numpy")
    device = serve(Answering(numpy.arange(4, dtype=numpy.int32)))
    assert read(device) == device.answer.tobytes()
    device.answer = numpy.int64(2)
    assert write(device, b"abc") == 2


@pytest.mark.parametrize("name", ["int64", "uint8", "intp"])
def test_numpy_numbers_are_counts(serve, name):
    numpy = pytest.importorskip("numpy")

    def counting(file, buf, offset):
        buf[:3] = b"abc"
        return kind(3)

    kind = getattr(numpy, name)
    device = serve(Answering(counting))
    assert read(device) == b"abc"
    device.answer = numpy.array(3, dtype=kind)
    assert read(device) == bytes(3)
    device.answer = numpy.array([3], dtype=kind)
    assert read(device) == device.answer.tobytes()


def test_a_numpy_bool_is_no_byte(serve):
    numpy = pytest.importorskip("numpy")
    device = serve(Answering(numpy.bool_(True)))
    try:
        data = read(device)
    except OSError as error:  # Newer ones are no numbers.
        assert error.errno == errno.EIO
    else:
        assert data == bytes(1)


@pytest.mark.parametrize("name", ["float64", "float32"])
def test_numpy_numbers_that_are_no_counts_are_no_bytes_either(serve, caplog, name):
    numpy = pytest.importorskip("numpy")
    device = serve(Answering(getattr(numpy, name)(1)))
    with pytest.raises(OSError) as caught:
        read(device)
    assert caught.value.errno == errno.EIO
    assert "must return bytes, or the count of bytes" in caplog.text


def test_numpy_records_and_strings_of_bytes_are_bytes(serve):
    numpy = pytest.importorskip("numpy")
    records = numpy.array([(1, 2)], dtype=[("a", "<i2"), ("b", "<i2")])
    device = serve(Answering(records[0]))
    assert read(device) == b"\1\0\2\0"
    device.answer = numpy.bytes_(b"text")
    assert read(device) == b"text"
    device.answer = ctypes.c_uint8(3)
    assert read(device) == b"\3"


def test_the_log_of_an_exception_shows_the_lines_of_the_driver_alone(serve, caplog):
    device = serve(Answering(lambda *_: 1 // 0))
    with pytest.raises(OSError):
        read(device)
    (record,) = caplog.records
    frames = traceback.extract_tb(record.exc_info[2])
    assert {frame.filename for frame in frames} == {__file__}
    assert frames[0].name == "read"


def test_the_log_of_a_wrong_result_names_the_method(serve, caplog):
    device = serve(Answering("text"))
    with pytest.raises(OSError):
        read(device)
    assert f'File "{__file__}"' in caplog.text and "in Answering.read" in caplog.text
    assert "TypeError: read() must return bytes" in caplog.text
    assert ".pxi" not in caplog.text


def test_a_hold_that_is_not_returned_is_told(serve, caplog):
    device = serve(Answering(lambda file, *_: file.hold() and None))
    with pytest.raises(OSError):
        read(device)
    assert "return what file.hold() gave" in caplog.text


def test_an_errno_is_logged_for_who_looks_closely(serve, caplog):
    device = serve(Answering(lambda *_: os.stat("/nonexistent/file")))
    for level, is_logged in ((logging.INFO, False), (logging.DEBUG, True)):
        caplog.set_level(level, "pyfusd")
        with pytest.raises(FileNotFoundError):
            read(device)
        assert ("/nonexistent/file" in caplog.text) == is_logged


@pytest.mark.parametrize(
    "raised",
    [
        lambda *_: -errno.ENOSPC,
        lambda *_: raise_error(OSError(errno.ENOSPC, "full")),
    ],
)
def test_a_negative_errno_and_an_oserror_reach_the_client(serve, raised, caplog):
    device = serve(Answering(raised))
    for call in (read, lambda d: write(d, b"x"), lambda d: ioctl(d, 0x1234)):
        with pytest.raises(OSError) as caught:
            call(device)
        assert caught.value.errno == errno.ENOSPC
    assert not caplog.records


def raise_error(error):
    raise error


class SensorTimeout(TimeoutError):
    """An exception of a driver's own."""


class SensorGone(BrokenPipeError, ValueError):
    def __init__(self, sensor):
        self.sensor = sensor


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), errno.ETIMEDOUT),
        (SensorTimeout("no answer"), errno.ETIMEDOUT),
        (SensorGone(3), errno.EPIPE),
        (SensorTimeout(errno.EBUSY, "its own"), errno.EBUSY),
        (socket.timeout("timed out"), errno.ETIMEDOUT),
        (asyncio.TimeoutError(), errno.ETIMEDOUT),
        (concurrent.futures.TimeoutError(), errno.ETIMEDOUT),
        (asyncio.CancelledError(), errno.ECANCELED),
        (concurrent.futures.CancelledError(), errno.ECANCELED),
    ],
)
def test_the_class_of_an_exception_is_enough(serve, caplog, error, expected):
    device = serve(Answering(lambda *_: raise_error(error)))
    for call in (read, lambda d: write(d, b"x"), lambda d: ioctl(d, 0x1234)):
        with pytest.raises(OSError) as caught:
            call(device)
        assert caught.value.errno == expected
    assert not caplog.records


@pytest.mark.parametrize(
    "answer",
    [
        lambda *_: 1 // 0,
        lambda *_: raise_error(OSError("without an errno")),
        lambda *_: raise_error(OSError(5000, "no such errno")),
        lambda *_: raise_error(StopIteration()),
        lambda *_: raise_error(GeneratorExit()),
        "a string",
        1.5,
        object(),
        [1, 2],
        1 << 70,
        -(1 << 70),
        -5000,
        pyfusd.NOREPLY,
        memoryview(b"0123456789")[::2],
    ],
)
@pytest.mark.parametrize("operation", ["read", "write", "ioctl", "open"])
def test_a_wrong_answer_is_eio_and_logged(serve, caplog, operation, answer):
    device = serve((Opening if operation == "open" else Answering)(answer))
    call = {
        "read": read,
        "write": lambda device: write(device, b"x"),
        "ioctl": lambda device: ioctl(device, 0x1234),
        "open": read,
    }[operation]
    for _ in range(2):  # The loop goes on.
        caplog.clear()
        with pytest.raises(OSError) as caught:
            call(device)
        assert caught.value.errno == errno.EIO
        (record,) = caplog.records
        assert record.name == "pyfusd"
        assert record.levelno == logging.ERROR
        assert f"{operation}()" in record.getMessage()
        assert record.exc_info


@pytest.mark.parametrize("operation", ["read", "write"])
def test_none_is_no_count(serve, caplog, operation):
    device = serve(Answering(None))
    with pytest.raises(OSError) as caught:
        read(device) if operation == "read" else write(device, b"x")
    assert caught.value.errno == errno.EIO
    assert "not NoneType" in caplog.text


def test_a_signal_while_a_failure_is_logged_is_not_lost(in_thread):
    class Interrupting(logging.Handler):
        def emit(self, record):
            raise KeyboardInterrupt

    handler = Interrupting()
    logging.getLogger("pyfusd").addHandler(handler)
    try:
        with Answering(lambda *_: 1 // 0) as device:
            reading = in_thread(read, device)
            with pytest.raises(KeyboardInterrupt):
                while True:
                    select.select([device.fileno()], [], [])
                    device.dispatch()
            while reading.thread.is_alive():
                select.select([device.fileno()], [], [], 0.01)
                device.dispatch()
            with pytest.raises(OSError) as caught:
                reading.result()
            assert caught.value.errno == errno.EIO
    finally:
        logging.getLogger("pyfusd").removeHandler(handler)


def test_none_is_success_elsewhere(serve):
    device = serve(Opening(lambda *arguments: None))
    assert ioctl(device, 0x1234) == 0


def test_a_write_that_takes_more_than_there_is_is_cut(serve):
    assert write(serve(Answering(1000)), b"abc") == 3


def test_a_write_may_take_a_part(serve):
    assert write(serve(Answering(2)), b"abc") == 2


@pytest.mark.parametrize("result", [1 << 31, 0xFFFFF000, 0xFFFFFFFF])
@pytest.mark.parametrize("operation", ["ioctl", "open"])
def test_a_result_beyond_an_int_is_refused(serve, caplog, operation, result):
    device = serve((Opening if operation == "open" else Answering)(result))
    with pytest.raises(OSError) as caught:
        ioctl(device, 0x1234)
    assert caught.value.errno == errno.EIO
    assert "does not fit" in caplog.text


def test_a_device_without_callbacks_behaves_as_a_bare_kernel_driver(serve):
    device = serve(pyfusd.Device("bare"))
    for call, error in (
        (read, errno.EINVAL),
        (lambda d: write(d, b"x"), errno.EINVAL),
        (lambda d: ioctl(d, 0x1234), errno.ENOTTY),
    ):
        with pytest.raises(OSError) as caught:
            call(device)
        assert caught.value.errno == error


def test_a_refused_open_gets_no_close(serve):
    class Refusing(pyfusd.Device):
        closed = 0

        def open(self, file):
            raise PermissionError(errno.EACCES, "not you")

        def close(self, file):
            self.closed += 1

    device = serve(Refusing("refusing"))
    with pytest.raises(PermissionError):
        os.open(device.path, os.O_RDONLY)
    device.unregister()
    assert device.closed == 0

# SPDX-License-Identifier: BSD-3-Clause
"""A request's memory in Python: lent without a copy, valid if it is kept."""

import ctypes
import gc
import os

import pytest

import pyfusd

SIZE = 4096


class Keeping(pyfusd.Device):
    """Keeps what keep() makes of each buffer; reads give pattern after pattern."""

    def __init__(self, keep):
        super().__init__("keeping", 0o600)
        self.keep = keep
        self.kept = []
        self.count = 0

    def _pattern(self):
        self.count += 1
        return bytes([self.count % 256])

    def read(self, file, buf, offset):
        length = len(buf)
        buf[:] = self._pattern() * length
        self.kept.append(self.keep(buf))
        return length

    def write(self, file, buf, offset):
        length = len(buf)
        self.kept.append(self.keep(buf))
        return length


def transfer(device, rounds):
    """Alternates reads and writes; returns what went over, in order."""
    seen = []
    descriptor = os.open(device.path, os.O_RDWR)
    try:
        for number in range(rounds):
            seen.append(os.read(descriptor, SIZE))
            data = bytes([128 + number % 128]) * SIZE
            assert os.write(descriptor, data) == SIZE
            seen.append(data)
    finally:
        os.close(descriptor)
    return seen


def keep_in_cycle(buf):
    cycle = [buf]
    cycle.append(cycle)
    return cycle


KEEPERS = {
    "view": lambda buf: buf,
    "slice": lambda buf: buf[:],
    "read-only view": lambda buf: buf.toreadonly(),
    "cast": lambda buf: buf.cast("I"),
    "generator": lambda buf: (byte for byte in buf),
    "closure": lambda buf: lambda: buf,
    "cycle": keep_in_cycle,
    "released view, kept slice": lambda buf: (buf[:], buf.release())[0],
}


def content(kept):
    if isinstance(kept, list):
        return bytes(kept[0])
    if callable(kept):
        return bytes(kept())
    return bytes(kept)


@pytest.mark.parametrize("name", KEEPERS)
def test_a_kept_buffer_still_shows_its_own_request(serve, name):
    device = serve(Keeping(KEEPERS[name]))
    seen = transfer(device, 40)
    assert [content(kept) for kept in device.kept] == seen
    device.unregister()
    if name == "generator":
        return  # It is used up.
    assert [content(kept) for kept in device.kept] == seen
    device.kept.clear()
    gc.collect()


def test_a_kept_numpy_array_still_shows_its_own_request(serve):
    numpy = pytest.importorskip("numpy")
    device = serve(Keeping(lambda buf: numpy.frombuffer(buf, numpy.uint8)[1:-1]))
    seen = transfer(device, 40)
    assert [array.tobytes() for array in device.kept] == [x[1:-1] for x in seen]
    device.unregister()
    assert [array.tobytes() for array in device.kept] == [x[1:-1] for x in seen]


def test_a_kept_ctypes_structure_still_shows_its_own_request(serve):
    class Keeping16(Keeping):
        def write(self, file, buf, offset):
            return len(buf)

    device = serve(Keeping16((ctypes.c_ubyte * 16).from_buffer))
    seen = transfer(device, 20)
    assert [bytes(kept) for kept in device.kept] == [x[:16] for x in seen[::2]]


def test_a_write_s_buffer_is_read_only_and_a_read_s_is_not(serve):
    device = serve(Keeping(lambda buf: (buf.readonly, buf.format, buf.ndim)))
    transfer(device, 1)
    assert device.kept == [(False, "B", 1), (True, "B", 1)]


def test_the_exporter_is_of_no_use_after_its_callback(serve):
    device = serve(Keeping(lambda buf: buf.obj))
    transfer(device, 2)
    for exporter in device.kept:
        with pytest.raises(BufferError, match="only lent"):
            memoryview(exporter)


def test_an_exception_s_traceback_may_keep_a_buffer(serve):
    class Raising(pyfusd.Device):
        errors = ()

        def write(self, file, buf, offset):
            try:
                raise ValueError("kept with its frame")
            except ValueError as error:
                self.errors = (*self.errors, error)
            return len(buf)

    device = serve(Raising("raising"))
    descriptor = os.open(device.path, os.O_WRONLY)
    for number in range(20):
        os.write(descriptor, bytes([number]) * 100)
    os.close(descriptor)
    for number, error in enumerate(device.errors):
        assert bytes(error.__traceback__.tb_frame.f_locals["buf"]) == (
            bytes([number]) * 100
        )


def test_writing_into_a_kept_buffer_changes_no_other_answer(serve):
    def scribble(buf):
        for other in device.kept:
            other[:] = b"!" * len(other)
        return buf

    class Reading(Keeping):
        def write(self, file, buf, offset):
            return len(buf)

    device = Reading(scribble)
    serve(device)
    seen = transfer(device, 30)
    assert [x[:1] for x in seen[::2]] == [bytes([n]) for n in range(1, 31)]
    assert all(len(set(x)) == 1 for x in seen)


def resident_kilobytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4


def test_dropped_buffers_are_used_again(serve):
    device = serve(Keeping(lambda buf: buf))
    for _ in range(3):
        transfer(device, 100)
        device.kept.clear()
    before = resident_kilobytes()
    for _ in range(30):
        transfer(device, 100)
        device.kept.clear()
    # 6,000 buffers of 140 KiB would be 800 MB.
    assert resident_kilobytes() - before < 20_000

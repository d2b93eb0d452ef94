# SPDX-License-Identifier: BSD-3-Clause
"""ioctl request numbers, and methods that serve them with typed arguments.

The numbers are those of <asm-generic/ioctl.h>: 8 bits of number, 8 of group,
14 of size, 2 of direction, from the lowest bit on.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterator
from inspect import iscoroutinefunction
from typing import Any, TypeVar, Union

_SIZE_BITS = 14
_MAX_SIZE = (1 << _SIZE_BITS) - 1
_NONE, _WRITE, _READ = 0, 1, 2

#: A ctypes type, a struct format, or a size in bytes.
ArgumentType = Union[type[Any], str, int]

Method = TypeVar("Method", bound=Callable[..., Any])


class IoctlNumber(int):
    """An ioctl request number that knows its argument's type.

    It equals the plain int that a client passes to ioctl(2). Any 32-bit number
    can be decoded: ``IoctlNumber(0x80045430).size``.
    """

    #: What IOR() and its siblings were given; None for a plain number.
    type: ArgumentType | None

    def __new__(cls, value: int, type: ArgumentType | None = None) -> IoctlNumber:
        if not 0 <= value < 1 << 32:
            raise ValueError(f"{value} is no 32-bit ioctl request number")
        self = super().__new__(cls, value)
        self.type = type
        return self

    @property
    def number(self) -> int:
        """The number inside the group, 0 to 255."""
        return self & 0xFF

    @property
    def group(self) -> int:
        """The group ("magic") byte, 0 to 255; chr() of it is how C writes it."""
        return self >> 8 & 0xFF

    @property
    def size(self) -> int:
        """The size of the argument in bytes, 0 to 16383."""
        return self >> 16 & _MAX_SIZE

    @property
    def readable(self) -> bool:
        """True if the client reads: data goes from the driver to the client."""
        return bool(self >> 30 & _READ)

    @property
    def writable(self) -> bool:
        """True if the client writes: data goes from the client to the driver."""
        return bool(self >> 30 & _WRITE)

    def __repr__(self) -> str:
        group = f"{self.group:#x}"
        if 32 <= self.group < 127:
            group = repr(chr(self.group))
        macro = ("IO", "IOW", "IOR", "IOWR")[self >> 30]
        size = f", {self.size}" if self.size or macro != "IO" else ""
        return f"<{macro}({group}, {self.number}{size}) = {int(self):#010x}>"


def _size_of(type: ArgumentType) -> int:
    if isinstance(type, int):
        size = type
    elif isinstance(type, str):
        size = struct.calcsize(type)
    else:
        size = ctypes.sizeof(type)
    if not 0 <= size <= _MAX_SIZE:
        raise ValueError(f"an ioctl argument has 0 to {_MAX_SIZE} bytes, not {size}")
    return size


def _encode_number(
    direction: int, group: str | int, number: int, type: ArgumentType | None
) -> IoctlNumber:
    code = ord(group) if isinstance(group, str) and len(group) == 1 else group
    if not isinstance(code, int) or not 0 <= code <= 0xFF:
        raise ValueError(f"an ioctl group is a character or 0 to 255, not {group!r}")
    if not 0 <= number <= 0xFF:
        raise ValueError(f"an ioctl number is 0 to 255, not {number}")
    size = 0 if type is None else _size_of(type)
    return IoctlNumber(direction << 30 | size << 16 | code << 8 | number, type)


def IO(group: str | int, number: int) -> IoctlNumber:
    """_IO(group, number): no data; the method gets the client's argument, an int.

    *group* is a character or 0 to 255, *number* 0 to 255; ValueError otherwise.
    """
    return _encode_number(_NONE, group, number, None)


def IOR(group: str | int, number: int, type: ArgumentType) -> IoctlNumber:
    """_IOR(group, number, type): data goes from the driver to the client.

    *type* is a ctypes type, a struct format, or a size in bytes, 0 to 16383.
    """
    return _encode_number(_READ, group, number, type)


def IOW(group: str | int, number: int, type: ArgumentType) -> IoctlNumber:
    """_IOW(group, number, type): data goes from the client to the driver.

    *type* is what IOR() takes.
    """
    return _encode_number(_WRITE, group, number, type)


def IOWR(group: str | int, number: int, type: ArgumentType) -> IoctlNumber:
    """_IOWR(group, number, type): data goes both ways; *type* is what IOR() takes."""
    return _encode_number(_READ | _WRITE, group, number, type)


def ioctl(request: int) -> Callable[[Method], Method]:
    """Makes a method of a Device serve one ioctl request number.

    The method is called with the open file and the argument, in a form that
    follows from the type given to IOR(), IOW() or IOWR():

    - a ctypes type: an instance of it that *is* the request's memory, no copy.
      With IOR and IOWR its changes reach the client.
    - a struct format: a tuple of the unpacked values (IOW and IOWR), empty for
      IOR. With IOR and IOWR the method returns the values for the client, a
      tuple, or a single one if the format has one, and the client's result is
      0. It raises OSError for an error, and cannot hold its request; it may be
      ``async def``.
    - a size, or a plain request number: a writable memoryview.
    - IO: the argument itself, an int.

    In all other cases the method returns what ioctl() of the device would: None
    or an int of 0 or more as the client's result, a negative errno, or
    ``file.hold()``. A client whose request has no method and no ioctl() of the
    device gets ENOTTY.

    One method may serve several numbers, with a decorator for each. That two
    methods serve one number is a TypeError when the device is registered.

    A class that defines ioctl() too, for all other numbers, decorates with
    ``@pyfusd.ioctl(...)``: after ``from pyfusd import ioctl``, the bare name inside
    the class is its own method.
    """
    number = request if isinstance(request, IoctlNumber) else IoctlNumber(request)

    def decorate(method: Method) -> Method:
        served = [*getattr(method, "_pyfusd_ioctls", ()), number]
        method._pyfusd_ioctls = served  # type: ignore[attr-defined]
        return method

    return decorate


def _with_structure(method: Method, type: Any) -> Callable[[Any, memoryview], Any]:
    def handler(file: Any, data: memoryview) -> Any:
        return method(file, type.from_buffer(data))

    return handler


def _with_format(
    method: Method, number: IoctlNumber, format: str
) -> Callable[[Any, memoryview], Any]:
    layout = struct.Struct(format)

    def answer(result: Any, data: memoryview) -> Any:
        if not number.readable:
            return result
        layout.pack_into(data, 0, *(result if isinstance(result, tuple) else (result,)))
        return 0

    def handler(file: Any, data: memoryview) -> Any:
        values = layout.unpack(data) if number.writable else ()
        return answer(method(file, values), data)

    async def waiting(file: Any, data: memoryview) -> Any:
        values = layout.unpack(data) if number.writable else ()
        return answer(await method(file, values), data)

    return waiting if iscoroutinefunction(method) else handler


def _handler_of(method: Any, number: IoctlNumber) -> Callable[[Any, Any], Any]:
    if number.type is None or isinstance(number.type, int):
        return method  # type: ignore[no-any-return]
    if isinstance(number.type, str):
        return _with_format(method, number, number.type)
    return _with_structure(method, number.type)


def _served_by(device: object) -> Iterator[tuple[str, IoctlNumber]]:
    """The names of the decorated methods, with the numbers of each."""
    for name in dir(type(device)):
        for number in getattr(getattr(type(device), name), "_pyfusd_ioctls", ()):
            yield name, number


def method_names(device: object) -> list[str]:
    return [name for name, _ in _served_by(device)]


def numbers_of(device: object) -> dict[int, tuple[str, IoctlNumber]]:
    """The request numbers that have a method, and the name of that."""
    numbers: dict[int, tuple[str, IoctlNumber]] = {}
    for name, number in _served_by(device):
        if number in numbers:
            other = numbers[number][0]
            raise TypeError(f"{other}() and {name}() both serve {number!r}")
        numbers[int(number)] = name, number
    return numbers


def handlers_of(
    device: object, numbers: dict[int, tuple[str, IoctlNumber]]
) -> dict[int, Callable[[Any, Any], Any]]:
    """The handlers of a device's methods as they are now, by request number."""
    handlers: dict[int, Callable[[Any, Any], Any]] = {}
    for value, (name, number) in numbers.items():
        method = getattr(device, name, None)
        if method is not None:
            handlers[value] = _handler_of(method, number)
    return handlers

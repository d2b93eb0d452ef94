# SPDX-License-Identifier: BSD-3-Clause
"""ioctl request numbers, and methods that serve them with typed arguments.

The numbers are those of <asm-generic/ioctl.h>: 8 bits of number, 8 of group,
14 of size, 2 of direction, from the lowest bit on.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterator, Mapping
from inspect import iscoroutinefunction
from typing import Any, Literal, NamedTuple, TypeVar, Union

_SIZE_BITS = 14
_MAX_SIZE = (1 << _SIZE_BITS) - 1
_NONE, _WRITE, _READ = 0, 1, 2
#: The bits of a number but those of its size.
ANY_SIZE = 0xFFFF_FFFF & ~(_MAX_SIZE << 16)
#: Of data that a number does not code: MAX_RW_SIZE.
_MAX_DECLARED_SIZE = 128 << 10
#: Whether data goes to the driver, and whether to the client.
_DIRECTIONS = {
    "value": (False, False),
    "in": (True, False),
    "out": (False, True),
    "inout": (True, True),
}

#: A ctypes type, a struct format, or a size in bytes.
ArgumentType = Union[type[Any], str, int]
#: What an ioctl's argument is: see ioctl().
Direction = Literal["value", "in", "out", "inout"]

Method = TypeVar("Method", bound=Callable[..., Any])
Value = TypeVar("Value")


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


def _size_of(type: ArgumentType, most: int = _MAX_SIZE) -> int:
    if isinstance(type, int):
        size = type
    elif isinstance(type, str):
        size = struct.calcsize(type)
    else:
        try:
            size = ctypes.sizeof(type)
        except TypeError:
            raise TypeError(
                "an ioctl's argument is of a ctypes type, a struct format or a size, "
                f"not {type!r}"
            ) from None
    if not 0 <= size <= most:
        raise ValueError(f"an ioctl argument has 0 to {most} bytes, not {size}")
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


class Served(NamedTuple):
    """What a method serves: one request number, or one with all sizes."""

    number: IoctlNumber
    #: Where data goes: to the driver, to the client. With neither, the argument is
    #: a value.
    comes: bool
    goes: bool
    type: ArgumentType | None
    #: Bytes of the data; 0: as many as the client's number codes.
    size: int
    #: Whether the number alone does not say so.
    is_declared: bool
    any_size: bool

    @property
    def key(self) -> int:
        """What handlers are kept by: the number; of a family, beyond 32 bits."""
        return _family_of(self.number) if self.any_size else int(self.number)


def _family_of(number: int) -> int:
    return 1 << 32 | number & ANY_SIZE


def _served(
    number: IoctlNumber,
    direction: str | None,
    type: ArgumentType | None,
    any_size: bool,
) -> Served:
    """TypeError or ValueError for what cannot be."""
    if direction is None:
        if type is not None and _size_of(type) != number.size:
            raise ValueError(
                f"{number!r} does not code {_size_of(type)} bytes: say what it is, "
                'with direction="in", "out" or "inout"'
            )
        type = number.type if type is None else type
        return Served(
            number, number.writable, number.readable, type, 0, False, any_size
        )
    if direction not in _DIRECTIONS:
        raise ValueError(
            f"a direction is {', '.join(map(repr, _DIRECTIONS))}, not {direction!r}"
        )
    comes, goes = _DIRECTIONS[direction]
    if not (comes or goes) and type is not None:
        raise ValueError("a value, an int, has no other type")
    if type is None and (comes or goes):
        type = number.type
    size = 0 if type is None else _size_of(type, _MAX_DECLARED_SIZE)
    if (comes or goes) and not (any_size or size or number.size):
        raise ValueError(f"{number!r} codes no size: say the type")
    return Served(number, comes, goes, type, size, True, any_size)


def _decorator(served: Served) -> Callable[[Method], Method]:
    def decorate(method: Method) -> Method:
        all_served = [*getattr(method, "_pyfusd_ioctls", ()), served]
        method._pyfusd_ioctls = all_served  # type: ignore[attr-defined]
        return method

    return decorate


def _number_of(request: int) -> IoctlNumber:
    if not isinstance(request, int):
        raise TypeError(
            f"an ioctl's request number is an int, such as pyfusd.IO('T', 1), not "
            f"{request!r}"
        )
    return request if isinstance(request, IoctlNumber) else IoctlNumber(request)


def ioctl(
    request: int,
    *,
    direction: Direction | None = None,
    type: ArgumentType | None = None,
) -> Callable[[Method], Method]:
    """Makes a method of a Device serve one ioctl request number.

    The method is called with the open file and the argument, in a form that
    follows from the type given to IOR(), IOW() or IOWR(), or here as *type*:

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

    Many numbers of Linux are not what they code. *direction* says what the argument
    really is: ``"value"``, a number or an address that nobody looks at, which the
    method gets as an int; or the address of data: ``"in"`` for the driver, as if
    made by IOW, ``"out"`` from it, as by IOR, ``"inout"`` both, as by IOWR. Of these
    *type* is needed if the number codes no size, and counts if it codes another
    one; 128 KiB at most. On fuse the kernel copies what the number codes before
    the driver is asked: of a number that IOW or IOWR makes and whose argument is a
    value, such as EVIOCGRAB, the client gets EFAULT there; and data that the number
    does not code is fetched as file.client_memory() does it, by a driver who may.

    One method may serve several numbers, with a decorator for each. That two
    methods serve one number is a TypeError when the device is registered.
    ValueError for a *direction* or *type* that cannot be.

    A class that defines ioctl() too, for all other numbers, decorates with
    ``@pyfusd.ioctl(...)``: after ``from pyfusd import ioctl``, the bare name inside
    the class is its own method.
    """
    return _decorator(_served(_number_of(request), direction, type, any_size=False))


def ioctl_family(
    request: int, *, direction: Direction | None = None
) -> Callable[[Method], Method]:
    """Makes a method of a Device serve a request number with all sizes.

    As EVIOCGNAME(length) or SPI_IOC_MESSAGE(count) are: the size that the client
    passes is part of the number. *request* is one of them; its size and type do not
    count. The method gets the open file and a writable memoryview of as many bytes
    as the client's number codes, 0 to 16383. All else is as with pyfusd.ioctl(),
    which comes first where it serves a number of the family.
    """
    number = IoctlNumber(int(_number_of(request)))
    return _decorator(_served(number, direction, None, any_size=True))


def _with_structure(method: Method, type: Any) -> Callable[[Any, memoryview], Any]:
    def handler(file: Any, data: memoryview) -> Any:
        return method(file, type.from_buffer(data))

    return handler


def _with_format(
    method: Method, served: Served, format: str
) -> Callable[[Any, memoryview], Any]:
    layout = struct.Struct(format)

    def answer(result: Any, data: memoryview) -> Any:
        if not served.goes:
            return result
        values = result if isinstance(result, tuple) else (result,)
        try:
            layout.pack_into(data, 0, *values)
        except struct.error as error:
            raise TypeError(
                f"{method.__name__}() must return the values of {format!r}, not "
                f"{result!r}: {error}"
            ) from None
        return 0

    def handler(file: Any, data: memoryview) -> Any:
        values = layout.unpack(data) if served.comes else ()
        return answer(method(file, values), data)

    async def waiting(file: Any, data: memoryview) -> Any:
        values = layout.unpack(data) if served.comes else ()
        return answer(await method(file, values), data)

    return waiting if iscoroutinefunction(method) else handler


def _handler_of(method: Any, served: Served) -> Callable[[Any, Any], Any]:
    if served.any_size or served.type is None or isinstance(served.type, int):
        return method  # type: ignore[no-any-return]
    if isinstance(served.type, str):
        return _with_format(method, served, served.type)
    return _with_structure(method, served.type)


def _served_by(device: object) -> Iterator[tuple[str, Served]]:
    """The names of the decorated methods, with what each serves."""
    for name in dir(type(device)):
        for served in getattr(getattr(type(device), name), "_pyfusd_ioctls", ()):
            yield name, served


def method_names(device: object) -> list[str]:
    return [name for name, _ in _served_by(device)]


#: By Served.key: the name of a method, and what it serves.
Numbers = dict[int, tuple[str, Served]]


def numbers_of(device: object) -> Numbers:
    """What a device's methods serve."""
    numbers: Numbers = {}
    for name, served in _served_by(device):
        if served.key in numbers:
            other = numbers[served.key][0]
            raise TypeError(f"{other}() and {name}() both serve {served.number!r}")
        numbers[served.key] = name, served
    return numbers


def declarations_of(numbers: Numbers) -> list[tuple[int, int, int, int]]:
    """The fields of struct fusd_ioctl for numbers that are not what they code."""
    every = [served for _, served in numbers.values()]
    has_family = any(served.any_size and served.is_declared for served in every)
    # Those that are what they code are told only where a family may fit them, too.
    declared = [
        served
        for served in every
        if served.is_declared or (has_family and not served.any_size)
    ]
    # The first that fits counts: those of one size before their families.
    declared.sort(key=lambda served: served.any_size)
    return [
        (
            served.number,
            ANY_SIZE if served.any_size else 0,
            served.comes | served.goes << 1,
            served.size,
        )
        for served in declared
    ]


def handlers_of(
    device: object, numbers: Numbers
) -> dict[int, Callable[[Any, Any], Any]]:
    """The handlers of a device's methods as they are now, by Served.key."""
    handlers: dict[int, Callable[[Any, Any], Any]] = {}
    for key, (name, served) in numbers.items():
        method = getattr(device, name, None)
        if method is not None:
            handlers[key] = _handler_of(method, served)
    return handlers


def find(by_key: Mapping[int, Value], number: int) -> Value | None:
    """What is kept for a client's number, or for its family."""
    value = by_key.get(number)
    return by_key.get(_family_of(number)) if value is None else value


def directions_of(numbers: Numbers, number: int) -> tuple[bool, bool]:
    """Whether an ioctl's data goes to the driver, and whether to the client."""
    found = find(numbers, number)
    if found is None:
        coded = IoctlNumber(number)
        return coded.writable, coded.readable
    return found[1].comes, found[1].goes

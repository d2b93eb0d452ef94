# SPDX-License-Identifier: BSD-3-Clause
"""What the tracepoints of the module kfusd tell of a device's requests.

The events are those of kernel/trace.h, seen through an instance of tracefs of our
own, which other tracers do not notice (Documentation/trace/ftrace.rst).
"""

from __future__ import annotations

import os
import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from pyfusd._cli.support.failure import Failure
from pyfusd._proc import process_start
from pyfusd.tracing import Call

_PLACES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_MOUNT = f"mount -t tracefs tracefs {_PLACES[0]}"
_INSTANCE = "fusd-trace.{pid}.{start}"
_OTHERS = re.compile(r"fusd-trace\.(\d+)\.(\d+)$")
_CHUNK = 1 << 16
#: Requests whose callers are remembered until they are answered, which those of
#: killed clients may never be.
_MOST_CALLERS = 10_000

_EVENT = re.compile(r" (\d+\.\d+): kfusd_request_(queued|answered): (.*)$")
_LOST = re.compile(r"\[LOST (\d+) EVENTS\]$")
_QUEUED = re.compile(r"operation=(\w+) transid=(\d+) .*?command=(.*)$")
_ANSWERED = re.compile(
    r"operation=(?P<operation>\w+) transid=(?P<transid>\d+) pid=(?P<pid>-?\d+) "
    r"uid=(?P<uid>\d+) flags=(?P<flags>\w+) length=(?P<length>\d+) "
    r"offset=(?P<offset>-?\d+) number=(?P<number>\w+) argument=(?P<argument>\w+) "
    r"result=(?P<result>-?\d+) waited_ns=\d+ served_ns=(?P<served>\d+)$"
)


def _find_tracefs() -> str:
    if os.geteuid() != 0:
        raise Failure("a driver that is not in pyfusd.run() is traced by root alone")
    for place in _PLACES:
        if os.path.isdir(os.path.join(place, "instances")):
            return place
    raise Failure(f'the kernel\'s tracefs is not mounted: "{_MOUNT}" does it')


def _write(*path: str, text: str) -> None:
    with open(os.path.join(*path), "w", encoding="ascii") as file:
        file.write(text)


def _remove_leftovers(instances: str) -> None:
    """Of tracers that were killed."""
    for name in os.listdir(instances):
        other = _OTHERS.match(name)
        if other and process_start(int(other[1])) != int(other[2]):
            with suppress(OSError):
                os.rmdir(os.path.join(instances, name))


@contextmanager
def _own_instance() -> Iterator[str]:
    pid = os.getpid()
    instances = os.path.join(_find_tracefs(), "instances")
    name = _INSTANCE.format(pid=pid, start=process_start(pid))
    path = os.path.join(instances, name)
    try:
        _remove_leftovers(instances)
        os.mkdir(path)
    except OSError as error:
        raise Failure(f"cannot trace by {path}: {error.strerror}") from None
    try:
        yield path
    finally:
        os.rmdir(path)


@contextmanager
def open_events() -> Iterator[int]:
    """A descriptor of the events of all devices from now on, for Calls.feed().

    Readable when there are some; it does not block. Raises Failure.
    """
    with _own_instance() as instance:
        # Those of time.monotonic(); and whoever polls is woken by each event.
        _write(instance, "trace_clock", text="mono")
        with suppress(FileNotFoundError):  # Before Linux 5.0 it always is.
            _write(instance, "buffer_percent", text="0")
        try:
            _write(instance, "events/kfusd/enable", text="1")
        except FileNotFoundError:
            raise Failure(
                "the module kfusd that is loaded has no tracepoints: load that of "
                "this version, on a kernel with CONFIG_EVENT_TRACING"
            ) from None
        events = os.open(
            os.path.join(instance, "trace_pipe"), os.O_RDONLY | os.O_NONBLOCK
        )
        try:
            yield events
        finally:
            os.close(events)


def _signed(word: int) -> int:
    """An unsigned long as the long that it is the bits of."""
    return word - (1 << 64) if word >> 63 else word


class Calls:
    """Makes the Calls of some devices, named by their paths, of the events."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = {path.removeprefix("/dev/"): path for path in paths}
        self._callers: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._rest = b""
        # What the clock of the events was at the epoch.
        self._epoch = time.time() - time.monotonic()
        #: Events that came too fast, since it was last set to 0.
        self.lost = 0

    def feed(self, events: int) -> Iterator[Call]:
        """Reads what there is in the descriptor of open_events()."""
        while True:
            try:
                chunk = os.read(events, _CHUNK)
            except BlockingIOError:
                return
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                call = self._read_line(os.fsdecode(line))
                if call:
                    yield call

    def _read_line(self, line: str) -> Call | None:
        lost = _LOST.search(line)
        if lost:
            self.lost += int(lost[1])
        event = _EVENT.search(line)
        if event is None:
            return None
        # A name may have anything in it, even what looks like another field.
        for name, path in self._paths.items():
            fields = event[3].removesuffix(f" device={name}")
            if fields == event[3]:
                continue
            if event[2] == "answered":
                return self._answered(float(event[1]), path, fields)
            self._queued(path, fields)
        return None

    def _queued(self, path: str, fields: str) -> None:
        queued = _QUEUED.match(fields)
        if queued and queued[1] != "unblock":
            self._callers[path, queued[2]] = queued[3]
            if len(self._callers) > _MOST_CALLERS:
                self._callers.popitem(last=False)

    def _answered(self, moment: float, path: str, fields: str) -> Call | None:
        answered = _ANSWERED.match(fields)
        if answered is None:
            return None
        operation = answered["operation"]
        served = int(answered["served"])
        length = int(answered["length"])
        is_transfer = operation in ("read", "write")
        is_ioctl = operation == "ioctl"
        has_value = is_ioctl and length == 0
        number = int(answered["number"], 0)
        argument = int(answered["argument"], 0)
        offset = int(answered["offset"]) if is_transfer else None
        if operation == "seek":
            # The module tells where the file is, and in these what is asked for.
            offset, argument = _signed(argument), number
            has_value = True
        return Call(
            time=self._epoch + moment - served / 1e9,
            device=path,
            operation=operation,
            pid=int(answered["pid"]),
            command=self._callers.pop((path, answered["transid"]), "?"),
            uid=int(answered["uid"]),
            flags=int(answered["flags"], 0) if operation == "open" else None,
            size=length if is_transfer or (is_ioctl and not has_value) else None,
            offset=offset,
            request=number if is_ioctl else None,
            argument=argument if has_value else None,
            result=int(answered["result"]),
            microseconds=served / 1000,
            held=False,
        )

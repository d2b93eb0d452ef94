# SPDX-License-Identifier: BSD-3-Clause
"""fusd trace: shows the requests of a running driver, or of one that it runs."""

from __future__ import annotations

import argparse
import errno
import json
import os
import selectors
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from pyfusd import _trace_link, tracing
from pyfusd._cli.support import kernel_trace, listing, loading
from pyfusd._cli.support.failure import Failure
from pyfusd._cli.support.options import (
    TARGET_HELP,
    add_driver_options,
    add_json,
    new_parser,
    offer,
    parse_count,
)
from pyfusd._cli.support.quoting import printable, quoted
from pyfusd._loops import wakeup
from pyfusd._run import run
from pyfusd.device import Device

_EPILOG = """\
Each line shows the time, the client's program and thread, the request, its
result, and how long the driver took from receiving it to answering it. With
--data there is a hexdump below it, of what came from the client (>), and of
what went back to it (<). Memory that an ioctl points at is not shown.

A running driver can be traced if it is in Python and in pyfusd.run(),
pyfusd.aio.serve() or fusd run in its main thread, and no callback is busy, by
its own user or by root, one tracer at a time. Requests that it held when the
trace began are not shown. Any other driver, such as one in C, can be traced
by root if its device is on kfusd, by tracepoints of the module, which tell no
data. If the tracer is too slow, requests are left out, and a note says how
many.

examples:
  fusd trace echo
  fusd trace --data echo
  fusd trace --json /dev/echo > trace.jsonl
  fusd trace echo.py:Echo --name echo
"""


#: How many bytes of a request --data shows.
_DATA_SIZE = 64


def _parse_data_size(text: str) -> int:
    return parse_count(text, _trace_link.MAX_DATA)


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands,
        "trace",
        "Trace a driver's requests. Ends with Ctrl-C or with the driver.",
        epilog=_EPILOG,
    )
    target = parser.add_argument(
        "target",
        metavar="TARGET",
        help="name or path of a live device, the pid of its driver, or a driver to "
        f"run: {TARGET_HELP}. A module needs its :CLASS here",
    )
    offer(target, "driver_file_or_device")
    parser.add_argument(
        "--data", action="store_true", help="show the bytes of reads, writes and ioctls"
    )
    parser.add_argument(
        "--data-size",
        type=_parse_data_size,
        metavar="BYTES",
        help="show the first BYTES of them, 1 to "
        f"{_trace_link.MAX_DATA} (default: {_DATA_SIZE})",
    )
    add_json(parser, "one JSON object a line")
    add_driver_options(parser)
    parser.set_defaults(main=main)


def _is_driver(target: str) -> bool:
    return ":" in target or target.endswith(".py")


def _show_call(call: tracing.Call, as_json: bool) -> None:
    if as_json:
        lines = [json.dumps(call.as_dict())]
    else:
        lines = [printable(str(call)), *str(call.data or "").splitlines()]
    print("\n".join(lines), flush=True)


def _data_limit(options: argparse.Namespace) -> int:
    """How many bytes of a request to show."""
    size: int | None = options.data_size
    return size or (_DATA_SIZE if options.data else 0)


def _run_traced(options: argparse.Namespace) -> int:
    def serve(devices: list[Device]) -> None:
        def show(call: tracing.Call) -> None:
            _show_call(call, options.json)

        with tracing.trace(show, data=_data_limit(options)):
            run(*devices)

    loading.run_drivers([options.target], options, sys.stderr, serve)
    return 0


def _find_driver(target: str) -> tuple[int, str | None, list[str]]:
    """The driver's process, the device's path unless all are meant, and those of
    the devices that the module can tell of."""
    found = [entry for entry in listing.list_devices() if entry.alive]
    if target.isdecimal():
        on_kfusd = [
            entry.path
            for entry in found
            if entry.transport == "kfusd" and entry.pid == int(target)
        ]
        return int(target), None, on_kfusd
    path = target if target.startswith("/") else f"/{target}"
    for exact in (True, False):
        for entry in found:
            # /dev/echo, or echo in whatever directory.
            if entry.path == target or (not exact and entry.path.endswith(path)):
                if entry.pid is None:
                    raise Failure(
                        f"the kernel does not tell whose {entry.path} is: give its "
                        "driver's pid instead"
                    )
                is_kfusd = entry.transport == "kfusd"
                return entry.pid, entry.path, [entry.path] if is_kfusd else []
    raise Failure(f'there is no FUSD device {target}: "fusd ls" lists those there are')


@contextmanager
def _attach_to_driver(pid: int, data: int) -> Iterator[socket.socket]:
    reasons = {
        errno.ESRCH: "there is no such process here",
        errno.EPERM: "it is another user's driver: run fusd trace as that user or root",
        errno.EADDRINUSE: "it is being traced already: end that trace first",
        errno.ETIMEDOUT: "it does not answer. A driver in C can be traced on kfusd "
        "alone; one in Python while it is in pyfusd.run() or pyfusd.aio.serve() in "
        'its main thread and no callback is busy, or from its start: "fusd trace '
        'FILE.py:CLASS"',
    }
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(_trace_link.attach_to_driver(pid, data))
        except OSError as error:
            number = error.errno or errno.ETIMEDOUT
            reason = reasons.get(number, os.strerror(number))
            raise Failure(f"cannot trace process {pid}: {reason}") from None
        yield connection


def _wait_for(*descriptors: int) -> Iterator[int]:
    """Each that is readable, again and again.

    Python handles a signal that comes right before a system call after it: without
    the pipe, Ctrl-C could wait for the next message, which may never come.
    """
    with ExitStack() as stack:
        receiver, sender = stack.enter_context(wakeup.wakeup_pipe())
        stack.enter_context(wakeup.take_wakeup_fd(receiver, sender))
        selector = stack.enter_context(selectors.PollSelector())
        for descriptor in (*descriptors, receiver):
            selector.register(descriptor, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == receiver:
                    wakeup.forward_signals(receiver, [])
                else:
                    yield key.fd


def _wait_for_messages(connection: socket.socket) -> Iterator[dict[str, Any]]:
    """The driver's messages, until it ends."""
    for _ in _wait_for(connection.fileno()):
        message = _trace_link.read_message(connection)
        if message is None:
            return
        yield message


def _say_what_is_traced(paths: list[str], more: int = 0) -> None:
    rest = f" and {more} more" if more else ""
    names = ", ".join(map(quoted, paths))
    print(f"fusd: tracing {names}{rest}", file=sys.stderr, flush=True)


def _say_what_is_missing(count: int) -> None:
    if count:
        print(f"fusd: {count} requests are missing here", file=sys.stderr)


def _follow_calls(connection: socket.socket, path: str | None, as_json: bool) -> None:
    for message in _wait_for_messages(connection):
        _say_what_is_missing(message.pop("lost", 0))
        if "devices" in message:
            more = 0 if path else message["more"]
            _say_what_is_traced([path] if path else message["devices"], more)
        elif path in (None, message["device"]):
            _show_call(tracing.Call.from_dict(message), as_json)


def _follow_kernel(pid: int, paths: list[str], as_json: bool) -> None:
    """What the module tells of the devices, until their driver ends."""
    calls = kernel_trace.Calls(paths)
    with ExitStack() as stack:
        driver = os.pidfd_open(pid)
        stack.callback(os.close, driver)
        events = stack.enter_context(kernel_trace.open_events())
        _say_what_is_traced(paths)
        for ready in _wait_for(events, driver):
            for call in calls.feed(events):
                _show_call(call, as_json)
            _say_what_is_missing(calls.lost)
            calls.lost = 0
            if ready == driver:
                return


def _trace_driver(options: argparse.Namespace) -> None:
    pid, path, on_kfusd = _find_driver(options.target)
    limit = _data_limit(options)
    if on_kfusd and not _trace_link.may_answer(pid):
        if limit:
            raise Failure(
                f"process {pid} shows no data: --data is for drivers in Python that "
                "are in pyfusd.run()"
            )
        _follow_kernel(pid, on_kfusd, options.json)
    else:
        with _attach_to_driver(pid, limit) as connection:
            _follow_calls(connection, path, options.json)
    print("fusd: the driver has ended", file=sys.stderr)


def main(options: argparse.Namespace) -> int:
    if _is_driver(options.target):
        return _run_traced(options)
    for option in ("name", "mode", "transport", "settings", "debug"):
        if getattr(options, option):
            raise Failure(
                f"{options.target} is taken for a device that runs already: --name, "
                "--mode, --transport, --debug and -o are for FILE.py or MODULE:CLASS"
            )
    with suppress(KeyboardInterrupt):
        _trace_driver(options)
    return 0

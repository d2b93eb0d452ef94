# SPDX-License-Identifier: BSD-3-Clause
"""fusd bench: how long a round trip to a device takes."""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyfusd._cli.support.failure import Failure
from pyfusd._cli.support.options import (
    add_json,
    add_transport,
    new_parser,
    offer,
    parse_count,
)
from pyfusd._own_program import own_program
from pyfusd._temporary import temporary_directory

_SIZES = (1, 4096, 131072)
_ROUNDS = 5

_EPILOG = """\
Without PATH it starts a driver of its own, in Python, that answers reads from
memory and takes writes, and measures both. Of another driver's device it only
reads, at offset 0, and the driver's own work counts. On cuse, where no client
can choose the offset, such a device must not come to its end.

What is measured includes some 0.5 us of this program's own. Client and our own
driver run on one core unless --cores says otherwise; another driver is left
where it is. The project's "make bench" compares drivers with more care.
"""


# More than any device takes at once, and less than any machine's memory.
_MOST = 1 << 30


def _parse_count(text: str) -> int:
    return parse_count(text, _MOST)


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands,
        "bench",
        "Measure round trips to a device. Prints the median time of a read and of a "
        "write, in microseconds.",
        epilog=_EPILOG,
    )
    path = parser.add_argument(
        "path", metavar="PATH", nargs="?", help="a live device (default: our own)"
    )
    offer(path, "device_file")
    add_transport(parser)
    parser.add_argument(
        "--size",
        type=_parse_count,
        action="append",
        dest="sizes",
        metavar="BYTES",
        help=f"bytes a call, may be repeated (default: {', '.join(map(str, _SIZES))})",
    )
    parser.add_argument(
        "--count",
        type=_parse_count,
        default=2000,
        help=f"calls in each of {_ROUNDS} rounds (default: %(default)s)",
    )
    parser.add_argument(
        "--cores",
        choices=("one", "any"),
        default="one",
        help="whether client and driver share a core (default: %(default)s)",
    )
    add_json(parser, "a JSON array with one object a measurement")
    parser.set_defaults(main=main)


def _time_calls(call: Callable[[], int], size: int, count: int) -> float:
    """Microseconds a call; the median of the rounds."""
    times = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter_ns()
        for _ in range(count):
            moved = call()
        times.append((time.perf_counter_ns() - begin) / count / 1000)
        if moved <= 0:
            raise Failure("the device gives end of file: nothing to measure")
    return statistics.median(times)


@contextmanager
def _run_own_driver(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Runs our driver in a process of its own; its path and transport."""
    command = own_program("pyfusd._cli.support.bench_driver")
    with temporary_directory("fusd-bench-") as directory:
        environment = {**os.environ, "FUSD_DEV_ROOT": f"{directory}/dev"}
        if options.transport:
            environment["FUSD_TRANSPORT"] = options.transport
        driver = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            # Our Ctrl-C: the driver ends after us, by the end of its input.
            start_new_session=True,
        )
        assert driver.stdin is not None and driver.stdout is not None
        try:
            state, _, rest = driver.stdout.readline().rstrip("\n").partition(" ")
            if state != "ready":
                raise Failure(rest or "the driver did not start")
            transport, _, path = rest.partition(" ")
            yield path, transport
        finally:
            driver.stdin.close()
            driver.stdout.close()
            if driver.wait() not in (0, -signal.SIGTERM):
                print("fusd: the driver ended badly", file=sys.stderr)


def _measure(
    path: str, transport: str | None, options: argparse.Namespace, write: bool
) -> list[dict[str, Any]]:
    try:
        descriptor = os.open(path, os.O_RDWR if write else os.O_RDONLY)
    except OSError as error:
        raise Failure(
            f"{path}: {error.strerror}: check the path and its mode"
        ) from None
    results = []
    try:
        for operation in ("read", "write") if write else ("read",):
            for size in options.sizes or _SIZES:
                buffer = bytearray(size)
                if operation == "read":
                    call = _make_reader(descriptor, buffer)
                else:
                    call = _make_writer(descriptor, buffer)
                results.append(
                    {
                        "operation": operation,
                        "size": size,
                        "transport": transport,
                        "microseconds": round(
                            _time_calls(call, size, options.count), 2
                        ),
                    }
                )
    except OSError as error:
        raise Failure(f"{path} cannot be measured: {error.strerror}") from None
    finally:
        os.close(descriptor)
    return results


def _make_reader(descriptor: int, buffer: bytearray) -> Callable[[], int]:
    return lambda: os.preadv(descriptor, [buffer], 0)


def _make_writer(descriptor: int, buffer: bytearray) -> Callable[[], int]:
    return lambda: os.pwrite(descriptor, buffer, 0)


def main(options: argparse.Namespace) -> int:
    if options.cores == "one":
        # Inherited by the driver that is started next.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if options.path:
        if options.transport:
            raise Failure("--transport is for our own driver: leave it or PATH out")
        results = _measure(options.path, None, options, write=False)
    else:
        with _run_own_driver(options) as (path, transport):
            results = _measure(path, transport, options, write=True)
    if options.json:
        print(json.dumps(results, indent=1))
        return 0
    for result in results:
        print(
            f"{result['operation']:5} {result['size']:>8} bytes "
            f"{result['microseconds']:10.2f} us"
        )
    return 0

# SPDX-License-Identifier: BSD-3-Clause
"""Counts the instructions of round trips in a booted kernel, on kfusd and cuse.

The emulated machine has one CPU whose clock counts instructions, of the client,
the driver and the kernel together, whatever else the host does. The unit is a
thousand instructions (kinsn). Who preempts whom still moves it by a tenth.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from roundtrip import PROGRAMS, PYTHON_DRIVER, TOP, measure, start_driver

import pyfusd

sys.path.insert(0, str(TOP / "tests"))
from support.vm import kernels

SIZES = ((1, 2000), (4096, 2000), (128 << 10, 500))
# Driver and transport; the last two are what the others are measured against.
ROWS = (
    *(("c", "kfusd"), ("python", "kfusd"), ("c", "cuse"), ("python", "cuse")),
    *(("libfuse", "cuse"), ("eventfd", "eventfd")),
)
RATIOS = (
    *(("c", "kfusd", "libfuse"), ("c", "cuse", "libfuse"), ("c", "kfusd", "eventfd")),
    *(("python", "kfusd", "c"), ("python", "cuse", "c")),
)
RUNS = 3  # who of two processes preempts whom is settled anew with each
FLOOR_COUNT = 2000
MOST_KINSN = 14  # C driver on kfusd, 1 byte
MOST_OF_CUSE = 0.85  # of what libfuse's CUSE driver takes, 1 byte


def start(stack: ExitStack, driver: str, transport: str) -> str:
    """Starts a driver; returns the path of its device, or the floor's name."""
    name = f"bench-{driver}-{transport}"
    command = {
        "c": [str(PROGRAMS / "driver"), name],
        "python": [*PYTHON_DRIVER, name],
        "libfuse": [str(PROGRAMS / "libfuse_cuse_driver"), name],
    }.get(driver)
    if command is None:
        return driver
    env = {**os.environ, "FUSD_TRANSPORT": transport}
    return start_driver(stack, 0, command, env)


def count_all(scale: float) -> list[dict]:
    """In the guest: one result for each row, operation and size."""
    results = []
    for driver, transport in ROWS:
        problem = driver in ("c", "python") and pyfusd.transport_problem(transport)
        if problem:
            print(f"bench-vm: {transport} {driver} is left out: {problem}")
            continue
        with ExitStack() as stack:
            path = start(stack, driver, transport)
            for op in ("read", "write"):
                for size, count in SIZES:
                    if driver == "eventfd":  # it has no size
                        count = FLOOR_COUNT
                    # A microsecond of the guest is a thousand instructions.
                    kinsn = statistics.median(
                        measure(0, path, op, size, int(count * scale))
                        for _ in range(RUNS)
                    )
                    row = {"driver": driver, "transport": transport, "op": op}
                    results.append({**row, "size": size, "kinsn": round(kinsn, 3)})
                    print(f"bench-vm: {transport} {driver} {op} {size}: {kinsn:.2f}")
    return results


def in_guest(kernel: str, is_quick: bool) -> list[dict]:
    """Boots the kernel, has this file count there, and returns its results."""
    name = "bench"
    command = [
        *[str(TOP / "tests" / "vm" / "run"), "--icount", "--kernel", kernel],
        *["--name", name, "--", sys.executable, __file__, "--inside"],
        *(["--quick"] if is_quick else []),
    ]
    status = subprocess.run(command, check=False).returncode
    if status:
        sys.exit(f"bench-vm: the guest ended with status {status}")
    results = TOP / "build" / "vm" / kernel / "results" / name
    return json.loads((results / "bench.json").read_text(encoding="utf-8"))


def find(results: list[dict], driver: str, transport: str | None, like: dict) -> float:
    """The figure of a driver for the operation and size of like; nan if left out."""
    return next(
        (
            row["kinsn"]
            for row in results
            if row["driver"] == driver
            and transport in (None, row["transport"])
            and (row["op"], row["size"]) == (like["op"], like["size"])
        ),
        float("nan"),
    )


def ratios(results: list[dict]) -> list[dict]:
    found = []
    for of, transport, to in RATIOS:
        for row in results:
            if (row["driver"], row["transport"]) != (of, transport):
                continue
            beside = find(results, to, transport if to == "c" else None, row)
            ratio = round(row["kinsn"] / beside, 3)
            case = {"op": row["op"], "size": row["size"], "ratio": ratio}
            found.append({"of": of, "transport": transport, "to": to, **case})
    return found


def show(data: dict) -> None:
    print("thousands of instructions a round trip, the whole machine's")
    cases = [(op, size) for op in ("read", "write") for size, _ in SIZES]
    print(f"{'':24}" + "".join(f"{op + ' ' + str(size):>14}" for op, size in cases))
    for driver, transport in ROWS:
        line = f"{transport:10}{driver:14}"
        for op, size in cases:
            kinsn = find(data["results"], driver, transport, {"op": op, "size": size})
            line += f"{'-' if math.isnan(kinsn) else format(kinsn, '.2f'):>14}"
        print(line)
    for of, transport, to in RATIOS:
        line = f"{of + ' ' + transport + ' / ' + to:24}"
        for row in data["ratios"]:
            if (row["of"], row["transport"], row["to"]) == (of, transport, to):
                line += f"{row['ratio']:14.3f}"
        print(line)


def judge(data: dict) -> None:
    def verdict(value: float, most: float) -> str:
        return f"at most {most}: {'reached' if value <= most else 'not reached'}"

    worst = max(
        find(data["results"], "c", "kfusd", {"op": op, "size": 1})
        for op in ("read", "write")
    )
    print(f"kfusd, C, 1 byte: {worst:.2f} kinsn, {verdict(worst, MOST_KINSN)}")
    worst = max(
        row["ratio"]
        for row in data["ratios"]
        if (row["of"], row["transport"], row["to"]) == ("c", "kfusd", "libfuse")
        and row["size"] == 1
    )
    print(f"beside CUSE with libfuse: {worst:.3f}, {verdict(worst, MOST_OF_CUSE)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", help="a series; default: that of this Debian")
    parser.add_argument("--quick", action="store_true", help="a quarter of all")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--output", type=Path, default=TOP / "build" / "bench-vm.json", help="JSON file"
    )
    options = parser.parse_args()
    if options.inside:
        counted = count_all(0.25 if options.quick else 1)
        out = Path(os.environ["FUSD_VM_OUT"]) / "bench.json"
        out.write_text(json.dumps(counted), encoding="utf-8")
        return
    try:
        kernel = options.kernel or kernels.default_series()
    except kernels.Error as error:
        sys.exit(f"bench-vm: {error}")
    results = in_guest(kernel, options.quick)
    data = {
        "command": "make bench-vm",
        "machine": f"QEMU with -icount shift=0, one CPU, Linux {kernel}",
        "results": results,
        "ratios": ratios(results),
    }
    show(data)
    judge(data)
    options.output.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()

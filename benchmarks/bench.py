# SPDX-License-Identifier: BSD-3-Clause
"""Measures round trips of drivers on the fuse transport.

Client and driver share one core, so that what is measured is work and not the
wake-up of another core. The drivers take turns, round after round, and only
times of the same round are compared: the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from roundtrip import (
    PROGRAMS,
    PYTHON_DRIVER,
    TOP,
    machine,
    measure,
    progress,
    start_driver,
)

DRIVERS = ("c", "python", "libfuse", "pipe")
SIZES = ((1, 4000), (4096, 4000), (128 << 10, 1500))
# of, to, and the ratio that is to be reached
TARGETS = (("c", "libfuse", 1.08), ("python", "c", 1.12), ("c", "pipe", None))


def remove_when_empty(directory: str) -> None:
    """A killed driver's device goes soon after it, not with it."""
    deadline = time.monotonic() + 10
    while os.listdir(directory) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.rmdir(directory)


def start_drivers(stack: ExitStack, core: int) -> dict[str, str]:
    directory = tempfile.mkdtemp(prefix="fusd-bench-")
    stack.callback(remove_when_empty, directory)
    env = {**os.environ, "FUSD_TRANSPORT": "fuse", "FUSD_DEV_ROOT": directory}
    python = [*PYTHON_DRIVER, "bench-python"]
    libfuse = [str(PROGRAMS / "libfuse_driver"), f"{directory}/bench-libfuse"]
    return {
        "c": start_driver(stack, core, [str(PROGRAMS / "driver")], env),
        "python": start_driver(stack, core, python, env),
        "libfuse": start_driver(stack, core, libfuse, env),
        "pipe": "pipe",
    }


def run(rounds: int, core: int, scale: float) -> dict[tuple[str, int], dict]:
    """Times in microseconds: {(op, size): {driver: [one for each round]}}."""
    times: dict[tuple[str, int], dict] = {}
    with ExitStack() as stack:
        paths = start_drivers(stack, core)
        for op in ("read", "write"):
            for size, count in SIZES:
                row = times[op, size] = {driver: [] for driver in DRIVERS}
                for number in range(rounds):
                    progress(f"{op} {size}: round {number + 1} of {rounds}")
                    # Each driver comes first, second ... equally often.
                    first = number % len(DRIVERS)
                    for driver in (*DRIVERS[first:], *DRIVERS[:first]):
                        row[driver].append(
                            measure(core, paths[driver], op, size, int(count * scale))
                        )
    progress("")
    return times


def report(times: dict) -> dict:
    results, ratios = [], []
    for (op, size), row in times.items():
        for driver in DRIVERS:
            results.append(
                {
                    "driver": driver,
                    "transport": "pipe" if driver == "pipe" else "fuse",
                    "op": op,
                    "size": size,
                    "us": round(statistics.median(row[driver]), 3),
                }
            )
        for of, to, _ in TARGETS:
            ratio = statistics.median(
                mine / theirs for mine, theirs in zip(row[of], row[to])
            )
            ratios.append(
                {"of": of, "to": to, "op": op, "size": size, "ratio": round(ratio, 3)}
            )
    return {"results": results, "ratios": ratios}


def show(times: dict, data: dict) -> None:
    print("microseconds a round trip, client and driver on one core; medians")
    print(f"{'':14}" + "".join(f"{driver:>9}" for driver in DRIVERS), end="")
    print("".join(f"{of + '/' + to:>12}" for of, to, _ in TARGETS))
    for op, size in times:
        line = f"{op:6}{size:>8}"
        for entry in data["results"]:
            if (entry["op"], entry["size"]) == (op, size):
                line += f"{entry['us']:9.2f}"
        for entry in data["ratios"]:
            if (entry["op"], entry["size"]) == (op, size):
                line += f"{entry['ratio']:12.3f}"
        print(line)
    for of, to, target in TARGETS:
        if target is None:
            continue
        worst = max(
            r["ratio"] for r in data["ratios"] if (r["of"], r["to"]) == (of, to)
        )
        verdict = "reached" if worst <= target else "not reached"
        print(f"{of}/{to}: at most {worst:.3f}, to reach {target}: {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=24, help="default: %(default)s")
    parser.add_argument(
        "--core", type=int, default=max(os.sched_getaffinity(0)), help="the CPU to use"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a quarter of the transfers, 6 rounds"
    )
    parser.add_argument(
        "--output", type=Path, default=TOP / "build" / "bench.json", help="JSON file"
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    rounds, scale = (6, 0.25) if options.quick else (options.rounds, 1)
    try:
        times = run(rounds, options.core, scale)
    except KeyboardInterrupt:
        progress("")
        sys.exit(130)
    data = {"command": "make bench", "machine": machine(), **report(times)}
    show(times, data)
    options.output.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()

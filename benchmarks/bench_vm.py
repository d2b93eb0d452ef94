# SPDX-License-Identifier: BSD-3-Clause
"""Counts the instructions of round trips in a booted kernel, on kfusd, cuse and fuse.

The emulated machine has one CPU whose clock counts instructions, of the client,
the driver and the kernel together, whatever else the host does. The unit is a
thousand instructions (kinsn). Who preempts whom still moves it by a tenth.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks import cases, endurance, report
from benchmarks.cases import Case, Group, Subject
from benchmarks.drivers import TOP
from benchmarks.measuring import Growth, Measured, Progress, Rounds, Setting
from benchmarks.options import MEMORY, arguments, check, chosen, new_parser, run_command
from benchmarks.processes import Failure, place

sys.path.insert(0, str(TOP / "tests"))
from support.vm import kernels

NAME = "bench-vm"
UNIT = "kinsn"  # A microsecond of the guest is a thousand instructions.
#: As in bench.py; a millisecond of the guest is a million instructions.
_FULL = (26_000, (2_000, 6_000), 100_000)
_QUICK = (14_000, (1_000, 3_000), 20_000)
_TINY = (1, (1, 1), 1_000)
_RESULT = "measured.json"
_PROGRESS = 1.0  # seconds of the guest, some ten of ours


def count_all(options: argparse.Namespace, groups: tuple[Group, ...]) -> Measured:
    """In the guest."""
    effort = _TINY if options.tiny else _QUICK if options.quick else _FULL
    time_us, warm_us, requests = effort
    setting = Setting(UNIT, cases.COUNTED_WINDOWS, time_us, warm_us)
    measured, progress = Measured(), Progress(NAME, _PROGRESS)
    with place() as where:
        # A thousand devices take their time to go: they come last.
        for is_once in (False, True):
            some = [group for group in groups if (group.rounds == 1) == is_once]
            Rounds(some, where, setting, measured, progress).run()
        if MEMORY in options.only:
            subjects = (*cases.on("kfusd", cases.C, cases.PYTHON), cases.C)
            count = options.requests or requests
            endurance.measure_growth(
                subjects, count, where, setting, measured, progress
            )
    return measured


def dump(measured: Measured) -> str:
    return json.dumps(
        {
            "groups": {
                name: [
                    [asdict(subject), asdict(case), values]
                    for (subject, case), values in series.items()
                ]
                for name, series in measured.groups.items()
            },
            "absent": [
                [asdict(subject), why] for subject, why in measured.absent.items()
            ],
            "growth": [asdict(growth) for growth in measured.growth],
        }
    )


def load(text: str) -> Measured:
    data = json.loads(text)
    return Measured(
        groups={
            name: {
                (Subject(**subject), Case(**case)): values
                for subject, case, values in series
            }
            for name, series in data["groups"].items()
        },
        absent={Subject(**subject): why for subject, why in data["absent"]},
        growth=[Growth(**growth) for growth in data["growth"]],
    )


def in_guest(kernel: str, arguments: list[str]) -> Measured:
    """Boots the kernel, has this module count there, and returns what it measured."""
    command = [str(TOP / "tests" / "vm" / "run"), "--icount", "--kernel", kernel]
    command += ["--name", NAME, "--timeout", "36000", "--"]
    command += [sys.executable, "-m", "benchmarks.bench_vm", "--inside", *arguments]
    with subprocess.Popen(command, cwd=TOP) as guest:
        try:
            status = guest.wait()
        except BaseException:
            guest.terminate()  # It takes QEMU with it.
            raise
    if status:
        raise Failure(f"the guest ended with status {status}")
    results = TOP / "build" / "vm" / kernel / "results" / NAME
    return load((results / _RESULT).read_text(encoding="utf-8"))


def main() -> None:
    parser = new_parser(NAME, __doc__ or "", cases.COUNTED)
    parser.add_argument("--kernel", help="a series; default: that of this Debian")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    check(parser, options, cases.COUNTED)
    groups = chosen(options, cases.COUNTED)
    if options.inside:
        out = Path(os.environ["FUSD_VM_OUT"])
        (out / _RESULT).write_text(dump(count_all(options, groups)), encoding="utf-8")
        return
    try:
        kernel = options.kernel or kernels.default_series()
    except kernels.Error as error:
        raise Failure(str(error)) from None
    measured = in_guest(kernel, sys.argv[1:])
    report.print_all(NAME, groups, measured, UNIT)
    machine = f"QEMU with -icount shift=0, one CPU, Linux {kernel}"
    data = report.as_json(NAME, arguments(), machine, groups, measured, UNIT)
    report.write_json(options.output, data)


if __name__ == "__main__":
    run_command(NAME, main)

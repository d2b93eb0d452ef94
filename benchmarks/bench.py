# SPDX-License-Identifier: BSD-3-Clause
"""Measures round trips of drivers on the fuse transport, on this machine.

Client and driver share one core unless a row says otherwise, so that what is
measured is work and not the wake-up of another core. The drivers take turns,
round after round: the machine's speed drifts.
"""

from __future__ import annotations

import os
from dataclasses import replace

from benchmarks import cases, endurance, report
from benchmarks.measuring import Measured, Progress, Rounds, Setting
from benchmarks.options import (
    MEMORY,
    arguments,
    check,
    chosen,
    machine,
    new_parser,
    run_command,
)
from benchmarks.processes import place

NAME = "bench"
UNIT = "us"
#: How long a client measures, how long it gets warm before, and how many requests
#: the long run has.
_FULL = (25_000, (8_000, 10_000), 400_000)
_QUICK = (7_000, (4_000, 5_000), 50_000)
_TINY = (1, (1, 1), 2_000)


def main() -> None:
    parser = new_parser(NAME, __doc__ or "", cases.HERE)
    parser.add_argument("--rounds", type=int, help="of each group")
    cores = sorted(os.sched_getaffinity(0))
    parser.add_argument(
        "--core", type=int, default=cores[-1], help="the driver's CPU: %(default)s"
    )
    options = parser.parse_args()
    check(parser, options, cases.HERE)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    groups = chosen(options, cases.HERE)
    if options.rounds:
        groups = tuple(replace(group, rounds=options.rounds) for group in groups)
    effort = _TINY if options.tiny else _QUICK if options.quick else _FULL
    time_us, warm_us, requests = effort
    other = next((core for core in cores if core != options.core), options.core)
    setting = Setting(UNIT, cases.HERE_WINDOWS, time_us, warm_us, options.core, other)
    measured, progress = Measured(), Progress(NAME)
    with place() as where:
        for group in groups:
            Rounds([group], where, setting, measured, progress).run()
            if group.name == "spin":
                for subject in group.subjects:
                    endurance.measure_idle(subject, where, setting, measured)
        if MEMORY in options.only:
            subjects = (cases.C, cases.PYTHON, cases.COROUTINES)
            count = options.requests or requests
            endurance.measure_growth(
                subjects, count, where, setting, measured, progress
            )
    report.print_all(NAME, groups, measured, UNIT)
    data = report.as_json(NAME, arguments(), machine(), groups, measured, UNIT)
    report.write_json(options.output, data)


if __name__ == "__main__":
    run_command(NAME, main)

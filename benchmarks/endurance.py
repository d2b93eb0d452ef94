# SPDX-License-Identifier: BSD-3-Clause
"""What a driver costs beside its requests: memory in the long run, idle time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from benchmarks import drivers
from benchmarks.cases import SPIN, Case, Subject
from benchmarks.measuring import Growth, Measured, Setting
from benchmarks.processes import (
    Device,
    NotOffered,
    Place,
    Plan,
    cpu_seconds,
    measure,
    resident_bytes,
    start_driver,
)

#: For a verdict about memory.
MANY_REQUESTS = 10_000_000
#: Of all requests, so many parts; memory is looked at after each.
_PARTS = 10
_MIX = Case("mix")
#: How long an idle driver is watched, and how often a lazy client asks.
_WATCHED_SECONDS = 1.0
_PAUSE_US = 1000


def measure_growth(
    subjects: Iterable[Subject],
    requests: int,
    where: Place,
    setting: Setting,
    measured: Measured,
    progress: Callable[[str], None],
) -> None:
    """How a driver's memory grows while it answers requests of many kinds."""
    for subject in subjects:
        problem = drivers.problem(subject)
        if problem:
            measured.growth.append(Growth(str(subject), None, problem))
            continue
        with ExitStack() as stack:
            device = start_driver(stack, where, setting.driver_core, subject, _MIX)
            sizes = []
            for part in range(_PARTS):
                done = part * requests // _PARTS
                progress(f"{subject}: {done:,} of {requests:,} requests")
                count = max(1, requests // _PARTS)
                measure(where, device, _MIX, Plan(setting.driver_core, count))
                sizes.append(resident_bytes(device.pid))
        # The first part is when it takes what it needs.
        grown = max(0, sizes[-1] - sizes[0]) / 1024
        why = ""
        if requests < MANY_REQUESTS:
            why = (
                f"{requests:,} requests are too few: "
                f'ARGS="--only memory --requests {MANY_REQUESTS}"'
            )
        measured.growth.append(Growth(f"{subject}, {requests:,} requests", grown, why))
    progress("")


def _percent_of_cpu(device: Device, watch: Callable[[], object]) -> float:
    used, begin = cpu_seconds(device.pid), time.monotonic()
    watch()
    used, passed = cpu_seconds(device.pid) - used, time.monotonic() - begin
    return 100 * used / passed


def measure_idle(
    subject: Subject, where: Place, setting: Setting, measured: Measured
) -> None:
    """What a driver takes of its CPU while it has nothing, or little, to do."""
    with ExitStack() as stack:
        try:
            device = start_driver(
                stack, where, setting.driver_core, subject, Case("read")
            )
        except NotOffered:
            return  # As its row says.
        count = max(1, int(1e6 * _WATCHED_SECONDS / _PAUSE_US))
        plan = Plan(setting.other_core, count, pause_us=_PAUSE_US)
        idle = _percent_of_cpu(device, lambda: time.sleep(_WATCHED_SECONDS))
        lazy = _percent_of_cpu(
            device, lambda: measure(where, device, Case("read"), plan)
        )
    option = subject.option or SPIN.partition("=")[0] + "=0"
    measured.idle.append(
        f"{subject.driver} with {option} takes {idle:.1f} % of its CPU idle, "
        f"{lazy:.1f} % asked once a millisecond"
    )

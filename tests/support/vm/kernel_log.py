# SPDX-License-Identifier: BSD-3-Clause
"""What in a kernel's log no test may cause."""

import re

START = "vm: the command starts"

MEASURED = re.compile(r"tsc: (?:Detected [0-9.]+ MHz|Marking TSC unstable)")
# The TSC's frequency in kHz, and what the other clock says it is.
DEVIATES = re.compile(r"tsc: PIT calibration deviates from \w+: [0-9]+ ([0-9]+)")

COMPLAINT = re.compile(
    r"""
    \bOops\b | \bBUG\b | \bWARNING\b | \bKernel\ panic\b | general\ protection
    | possible\ (circular|recursive)\ locking | INFO: | lockdep
    | scheduling\ while\ atomic | sleeping\ function\ called
    | refcount_t | unregister | (list_(add|del))\ corruption
    | stall | blocked\ for\ more\ than | Call\ Trace
    | KASAN | KCSAN | UBSAN | kmemleak | DEBUG_LOCKS | segfault
    """,
    re.VERBOSE,
)


def read(path):
    """The lines of a log; a console writes more than text."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line.rstrip() for line in text.replace("\r", "\n").split("\n") if line]


def complaints(lines):
    """Those lines that say something is wrong, after the tests have begun.

    What the kernel says while it boots is not the tests' doing; a guest that
    does not come so far has no result, which is a failure of its own.
    """
    starts = [number for number, line in enumerate(lines) if START in line]
    begun = lines[starts[0] :] if starts else []
    return [line for line in begun if COMPLAINT.search(line)]


def clock_is_measured(lines):
    """Whether the kernel has come so far as to know how fast its clock goes."""
    return any(MEASURED.search(line) for line in lines)


def deviating_clock(lines):
    """The TSC's frequency in kHz if the kernel measured it wrongly, or None.

    A CPU that stands still for long while it measures, as an emulated one does on
    a busy host, has a clock then that goes ten or thirty times too fast: whatever
    waits for a deadline there does not wait.
    """
    found = [DEVIATES.search(line) for line in lines]
    return next((int(match[1]) for match in found if match), None)

# SPDX-License-Identifier: BSD-3-Clause
"""What the runner of virtual machines takes for a complaint of the kernel."""

import pytest

from support.vm import kernel_log

BEGIN = "[    3.906300] vm: the command starts"


@pytest.mark.parametrize(
    "line",
    [
        "BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "BUG: scheduling while atomic: driver/181/0x00000002",
        "WARNING: CPU: 1 PID: 181 at kernel/kfusd.c:10 read+0x10/0x20 [kfusd]",
        "WARNING: possible circular locking dependency detected",
        "INFO: task cat:200 blocked for more than 120 seconds.",
        "refcount_t: underflow; use-after-free.",
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "Oops: 0000 [#1] PREEMPT SMP NOPTI",
        "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    ],
)
def test_a_complaint_is_found_after_the_start_only(line):
    assert kernel_log.complaints([BEGIN, f"[    5.1] {line}"]) == [f"[    5.1] {line}"]
    assert kernel_log.complaints([f"[    0.1] {line}", BEGIN]) == []


def test_what_modules_say_in_peace_is_no_complaint():
    lines = [
        BEGIN,
        "[    4.0] kfusd: loading out-of-tree module taints kernel.",
        "[    4.1] kfusd: module verification failed: signature and/or required key",
        "[    5.0] fuse: init (API version 7.38)",
    ]
    assert kernel_log.complaints(lines) == []

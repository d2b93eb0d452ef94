# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's tracefs, for tests of what the module tells there."""

import os

import pytest

#: The kernel mounts it below debugfs by itself when somebody looks.
TRACEFS = "/sys/kernel/debug/tracing"


def skip_without_tracefs():
    if not os.path.isdir(f"{TRACEFS}/events/kfusd"):
        pytest.skip("this kernel has no tracepoints of kfusd (CONFIG_EVENT_TRACING)")


def instances():
    return os.listdir(f"{TRACEFS}/instances")

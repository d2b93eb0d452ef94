# SPDX-License-Identifier: BSD-3-Clause
"""Random sequences of calls and answers, on each transport."""

import time

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from support.fuzz.sequences import Sequences


def test_a_device_does_what_the_model_does(system, pytestconfig):
    minutes = pytestconfig.getoption("--fuzz-minutes")
    profile = settings.get_profile("deep" if minutes else "ci")
    machine = type("Bound", (Sequences,), {"system": system})
    end = time.monotonic() + 60 * minutes
    while True:
        run_state_machine_as_test(machine, settings=profile)
        if time.monotonic() >= end:
            break

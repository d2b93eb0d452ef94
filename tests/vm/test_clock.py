# SPDX-License-Identifier: BSD-3-Clause
"""A guest whose clock was measured wrongly is booted again."""

import sys
from argparse import Namespace

import pytest

from support.vm import kernel_log, machine

RIGHT = """\
[    0.036000] tsc: Fast TSC calibration using PIT
[    0.036000] tsc: Detected 2299.998 MHz processor
"""
WRONG = """\
[    0.036000] tsc: PIT calibration deviates from HPET: 84391 2298976
[    0.036000] tsc: Using PIT calibration value
[    0.036000] tsc: Detected 84.391 MHz processor
"""
WRITES = "import sys; open(sys.argv[1], 'w').write(sys.argv[2]); input()"


@pytest.fixture
def boot(monkeypatch, tmp_path):
    """boot(first, next) boots what writes these logs; what is appended each time."""
    appended, processes = [], []

    def boot(*logs):
        def command(kernel, archive, job, arguments, append=()):
            log = logs[len(appended)]
            appended.append([*append])
            return [sys.executable, "-c", WRITES, str(job / "console"), log]

        monkeypatch.setattr(machine, "qemu_command", command)
        processes.append(machine.boot(None, None, tmp_path, Namespace(timeout=60)))
        return appended

    yield boot
    for process in processes:
        assert process.poll() is None
        machine.wait(process, 0)


def test_who_knows_its_clock_is_booted_once(boot):
    assert boot(RIGHT) == [[]]


def test_who_is_mistaken_is_told_its_clock(boot, capfd):
    assert boot(WRONG, RIGHT) == [[], ["tsc_early_khz=2298976"]]
    assert "measured its clock wrongly" in capfd.readouterr().err


def test_who_ends_before_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "qemu_command", lambda *_: ["true"])
    process = machine.boot(None, None, tmp_path, Namespace(timeout=60))
    assert process.wait() == 0


def test_half_a_log_is_no_measurement():
    whole = WRONG.index(" MHz") + 4
    assert not kernel_log.clock_is_measured(WRONG[: whole - 1].split("\n"))
    lines = WRONG[:whole].split("\n")
    assert kernel_log.clock_is_measured(lines)
    assert kernel_log.deviating_clock(lines) == 2298976

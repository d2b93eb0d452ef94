# SPDX-License-Identifier: BSD-3-Clause
"""The benchmarks work; how fast anything is decides nothing here."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pyfusd
from benchmarks import cases, drivers
from benchmarks.bench_vm import dump, load
from benchmarks.cases import MIB, Case, Subject
from benchmarks.measuring import Growth, Measured, Rounds, Setting
from benchmarks.processes import place
from support import TOP
from support.proc import mounts
from support.waiting import DEADLINE, wait_until

BENCH = [sys.executable, "-m", "benchmarks.bench", "--tiny"]

needs_fuse = pytest.mark.skipif(
    pyfusd.transport_problem("fuse") is not None,
    reason=f"fuse does not work here: {pyfusd.transport_problem('fuse')}",
)


@pytest.fixture
def environment(tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return {**os.environ, "TMPDIR": str(temporary)}


def left_in(directory):
    return os.listdir(directory) + [
        one for one in mounts().splitlines() if directory in one
    ]


@needs_fuse
def test_a_tiny_run_measures_each_group(programs, environment, tmp_path):
    file = tmp_path / "bench.json"
    result = subprocess.run(
        [*BENCH, "--output", file],
        cwd=TOP,
        env=environment,
        capture_output=True,
        text=True,
        timeout=10 * DEADLINE,
    )
    assert result.returncode == 0, result.stderr
    data = json.loads(file.read_text("utf-8"))
    assert {row["group"] for row in data["results"]} == {g.name for g in cases.HERE}
    assert all(row["us"] > 0 for row in data["results"])
    ours = {row["driver"] for row in data["results"] if row["group"] == "transfers"}
    assert {"c", "python", "asyncio", "async def", "libfuse", "pipe"} <= ours
    for row in data["reach"]:
        assert row["what"] in result.stdout.replace("\n", " ")
    assert "Measured by make bench-vm:" in result.stdout
    assert left_in(environment["TMPDIR"]) == []


@needs_fuse
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(programs, environment, number):
    running = subprocess.Popen(
        [*BENCH, "--only", "transfers"],
        cwd=TOP,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    temporary = environment["TMPDIR"]
    wait_until(
        lambda: any(Path(temporary).glob("fusd-bench-*/*")), "a device to be there"
    )
    running.send_signal(number)
    assert running.wait(10 * DEADLINE) == 128 + number
    assert left_in(temporary) == []


def measure_once(subjects, rounds):
    """What is measured of these, and what was said."""
    said = []
    core = max(os.sched_getaffinity(0))
    setting = Setting("us", cases.HERE_WINDOWS, 1, (1, 1), core, core, said.append)
    group = cases.Group("g", "g", subjects, (Case("read"),), rounds=rounds)
    measured = Measured()
    with place() as where:
        Rounds([group], where, setting, measured, lambda text: None).run()
    return measured, said


@needs_fuse
def test_who_cannot_be_measured_is_left_out_aloud(programs, monkeypatch):
    monkeypatch.setattr(drivers, "_is_installed", lambda package: False)
    measured, said = measure_once((cases.MFUSEPY, cases.C), rounds=2)
    (sentence,) = said
    assert sentence.startswith("fuse mfusepy is left out: mfusepy is not installed")
    assert list(measured.groups["g"]) == [(cases.C, Case("read"))]
    assert len(measured.find(cases.C, Case("read"))) == 2


@needs_fuse
def test_an_option_that_a_build_does_not_know_is_said_to_be_not_offered(
    programs, monkeypatch
):
    command = ["sh", "-c", f"exit {drivers.NOT_OFFERED}"]
    monkeypatch.setattr(drivers, "command", lambda *_: command)
    subject = Subject("c", "fuse", "max_transfer=1048576")
    measured, said = measure_once((subject,), rounds=2)
    assert said == [f"{subject} is left out: not offered by this build"]
    assert measured.find(subject, Case("read")) == []


@needs_fuse
@pytest.mark.parametrize("driver", ["c", "python"])
def test_an_option_reaches_the_driver(programs, driver):
    subject = Subject(driver, "fuse", cases.MAX_TRANSFER)
    measured, said = measure_once((subject,), rounds=1)
    assert said == []
    assert len(measured.find(subject, Case("read"))) == 1


@needs_fuse
@pytest.mark.parametrize("operation", ["read", "write", "ioctl", "open", "mix"])
def test_a_transfer_of_any_size_and_each_operation_is_measured(
    programs, tmp_path, operation
):
    environment = {
        **os.environ,
        "FUSD_TRANSPORT": "fuse",
        "FUSD_DEV_ROOT": str(tmp_path),
    }
    driver = subprocess.Popen(
        [programs / "driver", "-n", "2", "one"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        path = driver.stdout.readline().strip()
        for clients in ("1", "3"):
            options = ["-c", clients, "-d", "2", "-f", "2", "-w", "1", "-t", "1"]
            command = [programs / "client", *options, path, operation, str(MIB), "1"]
            output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            assert min(map(float, output.split())) > 0
    finally:
        driver.terminate()
        driver.wait()
        driver.stdout.close()
        wait_until(lambda: os.listdir(tmp_path) == [], "the devices to go")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["/nonexistent", "read", "1", "1"], "/nonexistent: No such file"),
        (["-c", "3", "/nonexistent", "read", "1", "1"], "/nonexistent: No such file"),
        (["/dev/null", "poll", "1", "1"], ""),
        (["/dev/null", "nothing", "1", "1"], "nothing: Invalid argument"),
        (["/dev/null", "read", "1"], "usage: client"),
    ],
)
def test_a_client_that_fails_says_why_and_ends(programs, arguments, sentence):
    result = subprocess.run(
        [programs / "client", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert result.returncode in (1, 2)
    assert sentence in result.stderr


def test_what_the_guest_measured_comes_back_as_it_was():
    measured = Measured(
        groups={"transfers": {(cases.C, Case("read", 4096)): [1.0, 2.0]}},
        absent={cases.PYFUSE3: "not installed"},
        growth=[Growth("fuse c", None, "too few")],
    )
    assert load(dump(measured)) == measured

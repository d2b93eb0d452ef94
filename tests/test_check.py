# SPDX-License-Identifier: BSD-3-Clause
"""tools/check: what it does with the parts that it runs side by side."""

import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys

import pytest

from support import TOP

TOOL = str(TOP / "tools" / "check")


@pytest.fixture
def check(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    loader = importlib.machinery.SourceFileLoader("check_tool", TOOL)
    tool = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("check_tool", loader)
    )
    sys.modules["check_tool"] = tool
    loader.exec_module(tool)
    handler = signal.getsignal(signal.SIGTERM)
    yield tool
    signal.signal(signal.SIGTERM, handler)
    del sys.modules["check_tool"]


@pytest.fixture
def run(check, monkeypatch, capsys):
    """run(here, booted): the exit status and the lines; of shell commands."""

    def parts(commands):
        return [
            check.Part(f"part {command}", ["sh", "-c", command], "label | ")
            for command in commands
        ]

    def run(here, booted):
        monkeypatch.setattr(check, "HERE", parts(here))
        monkeypatch.setattr(check, "BOOTED", parts(booted))
        monkeypatch.setattr(check.subprocess, "run", lambda *_, **__: None)
        status = check.main()
        return status, capsys.readouterr().out.splitlines()

    return run


def test_the_parts_write_bytecode_for_each_other(run):
    _, lines = run(["echo here ${PYTHONDONTWRITEBYTECODE-yes}"], ["true"])
    assert "label | here yes" in lines


def test_each_part_runs_and_has_a_line_at_the_end(run):
    status, lines = run(["echo one", "exit 3", "echo three"], ["echo four"])
    assert status == 1
    assert {"label | one", "label | three", "label | four"} <= set(lines)
    ends = [line.split(": in all: ")[1] for line in lines[-4:]]
    assert ends == [
        "part echo one: passed",
        "part exit 3: FAILED (3)",
        "part echo three: passed",
        "part echo four: passed",
    ]


def test_all_passed_is_status_0(run):
    assert run(["true"], ["true"])[0] == 0


def test_what_still_runs_is_named(run, check, monkeypatch, tmp_path):
    monkeypatch.setattr(check, "PROGRESS", 0.01)
    end = tmp_path / "end"
    waiting = f"until [ -e {end} ]; do sleep 0.1; done"
    _, lines = run([f"sleep 0.3; touch {end}"], [waiting])
    assert any("still to end: part sleep" in line for line in lines)


def test_a_process_that_is_left_behind_holds_nothing_up(run, check, monkeypatch):
    monkeypatch.setattr(check, "LAST_LINES", 0.2)
    status, lines = run(["sleep 600 & echo $!"], [])
    assert status == 0
    (left,) = (int(line[8:]) for line in lines if line.startswith("label | "))
    os.kill(left, signal.SIGKILL)


def test_arguments_are_for_pytest_alone():
    result = subprocess.run([TOOL, "--version"], capture_output=True, text=True)
    assert (result.returncode, result.stdout[:7]) == (0, "pytest ")

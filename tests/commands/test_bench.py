# SPDX-License-Identifier: BSD-3-Clause
"""fusd bench: that it measures, not how fast."""

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("drivers")


def test_bench_measures_a_driver_of_its_own_which_goes(fusd, root, transport):
    result = fusd("bench", "--json", "--count", 20, "--size", 1, "--size", 200000)
    assert (result.returncode, result.stderr) == (0, "")
    measured = json.loads(result.stdout)
    assert [(m["operation"], m["size"]) for m in measured] == [
        ("read", 1),
        ("read", 200000),
        ("write", 1),
        ("write", 200000),
    ]
    assert {m["transport"] for m in measured} == {transport}
    assert all(m["microseconds"] > 0 for m in measured)


def test_another_driver_s_device_is_read(start, fusd, root, holds):
    start("run", "drivers.py:Echo", "-o", "greeting=hello").line()
    result = fusd("bench", root / "echo", "--count", 20, "--size", 4)
    if holds("position"):
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith("read         4 bytes")
    else:
        assert "end of file" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["/nonexistent"], "No such file"),
        (["/dev/null"], "end of file"),
        (["x", "--transport", "fuse"], "--transport is for our own driver"),
    ],
)
def test_what_is_wrong_is_one_sentence(fusd, arguments, sentence):
    result = fusd("bench", *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--size", "--count"])
@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "9" * 5000])
def test_a_number_out_of_range_is_told_with_its_option(fusd, option, value):
    result = fusd("bench", f"{option}={value}")
    assert (result.returncode, result.stdout) == (2, "")
    assert f"argument {option}: " in result.stderr
    assert "is no whole number from 1 to" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_bench_and_its_driver(start, root, tmp_path, monkeypatch, number):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    running = start("bench", "--count", 10**8)
    descriptors = Path(f"/proc/{running.process.pid}/fd")

    def measures():
        with contextlib.suppress(FileNotFoundError):  # Others come and go.
            links = [os.readlink(one) for one in descriptors.iterdir()]
            return any("/fusd-bench-" in link for link in links)
        return False

    wait_until(measures, "the device to be open")
    status, *outputs = running.end(number)
    assert status == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert outputs == ["", ""]
    wait_until(lambda: os.listdir(temporary) == [], "the directory to go")

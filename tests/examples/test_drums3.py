# SPDX-License-Identifier: BSD-3-Clause
"""drums3: devices that come and go while others are served."""

import os
import shutil
import subprocess

import pytest

from support.example import Example
from support.shell import output
from support.waiting import DEADLINE, wait_until


def test_drums3_obeys_its_input_and_its_clients(start):
    drums = start("drums3")
    bass, snare = drums.device(), drums.device()
    assert output(f"head -n 1 {bass}; head -n 1 {snare}") == "boom\ntak\n"
    drums.type("bass thud")
    wait_until(lambda: output(f"head -n 1 {bass}") == "thud\n", "another sound")
    drums.type("triangle ting")
    assert output(f"head -n 2 {drums.device()}") == "ting\nting\n"
    drums.type("snare")
    assert drums.line() == "drums3: snare is gone"
    assert not os.path.exists(snare)
    assert output(f"head -n 1 {bass}") == "thud\n"
    drums.process.stdin.close()
    assert drums.process.wait(DEADLINE) == 0


def test_drums3_ends_with_its_last_drum(start):
    drums = start("drums3")
    drums.device(), drums.device()
    for name in ("snare", "bass"):
        drums.type(name)
        assert drums.line() == f"drums3: {name} is gone"
    assert drums.process.wait(DEADLINE) == 0


@pytest.fixture
def run_drums3(program, environment):
    """run_drums3(stdin, argument ...) waits for its end; nothing of it stays."""

    def run(stdin, *arguments):
        return subprocess.run(
            [*program("drums3"), *arguments],
            stdin=stdin,
            capture_output=True,
            env=environment,
            text=True,
            timeout=DEADLINE,
        )

    return run


def names_of_drums(errors):
    """Of those that it says where they are."""
    return [line.rpartition("/")[2] for line in errors.splitlines()]


def test_drums3_obeys_a_file(run_drums3, tmp_path):
    commands = "bass thud\n  triangle ting\n\nsnare\ngong\n" + "bass bum\n" * 100
    (tmp_path / "commands").write_text(commands + "bass")
    with open(tmp_path / "commands", encoding="ascii") as file:
        result = run_drums3(file)
    assert (result.returncode, result.stdout) == (0, "drums3: snare is gone\n")
    assert names_of_drums(result.stderr) == ["bass", "snare", "triangle"]


def test_drums3_ends_where_there_is_no_input(run_drums3):
    result = run_drums3(subprocess.DEVNULL)
    assert (result.returncode, result.stdout) == (0, "")
    assert names_of_drums(result.stderr) == ["bass", "snare"]


def test_drums3_fails_if_it_has_no_drum(start, run_drums3):
    drums = start("drums3", "taken")
    drums.device(), drums.device()
    result = run_drums3(subprocess.PIPE, "taken")
    assert (result.returncode, result.stdout) == (1, "")
    sentences = result.stderr.splitlines()
    assert len(sentences) == 2
    for name, sentence in zip(["bass", "snare"], sentences):
        assert sentence.startswith("drums3: ") and f"/taken/{name}" in sentence


def test_drums3_is_content_with_one_drum(start, device):
    device("echo", "one/bass")
    drums = start("drums3", "one")
    assert "/one/bass" in drums.process.stderr.readline()
    assert drums.device().endswith("/one/snare")
    drums.process.stdin.close()
    assert drums.process.wait(DEADLINE) == 0
    assert drums.process.stderr.read() == ""


def test_drums3_has_sixteen_drums_at_most(start):
    drums = start("drums3")
    drums.device(), drums.device()
    for number in range(3, 17):
        drums.type(f"drum{number} bum")
        drums.device()
    drums.type("drum17 bum")
    sentence = "drums3: there are 16 drums already\n"
    assert drums.process.stderr.readline() == sentence
    drums.type("bass thud")
    drums.type("snare")
    assert drums.line() == "drums3: snare is gone"
    drums.type("drum17 bum")
    assert drums.device().endswith("/drum17")
    drums.process.stdin.close()
    assert drums.process.wait(DEADLINE) == 0
    assert drums.process.stderr.read() == ""


def test_drums3_ends_at_a_line_that_is_too_long(start):
    drums = start("drums3")
    bass, _ = drums.device(), drums.device()
    longest = "b" * (256 - len("bass \n"))
    drums.type("bass " + longest)
    wait_until(lambda: output(f"head -n 1 {bass}") == f"{longest}\n", "a long sound")
    drums.type("bass b" + longest)
    assert drums.process.wait(DEADLINE) == 1
    sentence = "drums3: a line has more than 256 bytes\n"
    assert drums.process.stderr.read() == sentence


def test_drums3_goes_on_with_the_other_drums(start, take_away):
    drums = start("drums3", "taken")
    bass, snare = drums.device(), drums.device()
    take_away(bass)
    # Its name is free again, once the driver knows.
    wait_until(lambda: not os.path.exists(bass), f"{bass} to go")
    drums.type("bass thud")
    errors = [drums.process.stderr.readline().rstrip("\n")]
    assert drums.device() == bass
    assert output(f"head -n 1 {bass} {snare} | grep -v =") == "thud\n\ntak\n"
    take_away(bass)
    take_away(snare)
    assert drums.process.wait(DEADLINE) == 0
    errors += drums.process.stderr.read().splitlines()
    assert len(errors) == 3
    assert all(line.endswith(" was taken away from outside") for line in errors)


def test_a_driver_that_ends_while_it_removes_a_device_leaves_nothing(
    program, environment, transport, device_root
):
    if transport != "fuse":
        pytest.skip("only the fuse transport removes a node in two steps")
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    inject = ["strace", "-o", "/dev/null", "-e", "inject=umount2:signal=SIGTERM"]
    drums = Example("drums3", [*inject, *program("drums3")], environment)
    drums.device(), drums.device()
    drums.type("snare")
    drums.process.wait(DEADLINE)
    drums.stop()
    root = device_root / "dev"
    wait_until(lambda: list(root.rglob("*")) == [], "nodes to go")

# SPDX-License-Identifier: BSD-3-Clause
"""The manual's examples: who asks, which device, which open file, which request."""

import os
import shutil
import subprocess

import pytest

from support.example import Example
from support.shell import Reader, failure, output
from support.waiting import DEADLINE, wait_until


def test_uid_filter_lets_in_whoever_runs_it(device):
    path = device("uid_filter")
    assert output(f"cat {path}") == f"Hello, user {os.getuid()}!\n"


def test_uid_filter_refuses_another_user(device):
    path = device("uid_filter", "uid_filter", "65534")
    assert failure(f"cat {path}") == f"cat: {path}: Permission denied\n"


def test_uid_filter_lets_in_the_user_it_was_given(device):
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    path = device("uid_filter", "uid_filter", "65534")
    assert output(f"cat {path}", user=65534) == "Hello, user 65534!\n"


def test_uid_filter_greets_in_pieces_of_any_size(device):
    path = device("uid_filter")
    greeting = f"Hello, user {os.getuid()}!\n"
    for size in (1, 3, len(greeting) - 1, len(greeting), len(greeting) + 1):
        assert output(f"dd if={path} bs={size} status=none") == greeting


@pytest.mark.parametrize("uid", ["", "-1", "1x", "4294967296"])
def test_uid_filter_refuses_what_is_no_user(program, uid):
    result = subprocess.run(
        [*program("uid_filter"), "uid_filter", uid], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr.startswith("usage: ")


@pytest.mark.parametrize("name", ["drums", "drums2"])
def test_drums_are_devices_of_their_own(start, name):
    drums = start(name)
    paths = [drums.device() for _ in range(3)]
    assert [path.split("/")[-2:] for path in paths] == [
        [name, "bass"],
        [name, "snare"],
        [name, "cymbal"],
    ]


@pytest.mark.parametrize("name", ["drums", "drums2"])
@pytest.mark.parametrize("length", [42, 43, 100])
def test_a_name_is_never_cut(start, name, length):
    """It has at most 47 bytes: "snare" is one too many where "bass" just fits."""
    directory = "d" * length
    drums = start(name, f"/dev/{directory}")
    if length == 42:
        assert drums.line().endswith(f"/{directory}/bass")
    assert drums.line() is None
    assert drums.process.wait(DEADLINE) == 1
    assert "is too long" in drums.process.stderr.read()


def test_drums_never_end(start):
    drums = start("drums", "my/drums")
    bass, snare, cymbal = (drums.device() for _ in range(3))
    assert output(f"head -n 3 {bass}") == "boom\nboom\nboom\n"
    assert output(f"head -n 2 {snare}; head -n 1 {cymbal}") == "tak\ntak\ncrash\n"


def test_drums2_give_each_listener_a_bar(start):
    drums = start("drums2")
    bass, snare, _ = (drums.device() for _ in range(3))
    bar = "1 boom\n2 boom\n3 boom\n4 boom\n"
    assert output(f"cat {bass} {bass}") == bar + bar
    assert output(
        f"exec 3<{bass} 4<{snare} 5<{bass}; for fd in 3 4 3 5; do "
        "dd bs=100 count=1 status=none <&$fd; done"
    ) == ("1 boom\n1 tak\n2 boom\n1 boom\n")


def test_drums2_fill_what_is_asked_for_and_no_more(start):
    bass = start("drums2").device()
    for size, beat in ((8, b"1 boom\n"), (7, b"1 boom\n"), (6, b"1 boom"), (1, b"1")):
        memory = bytearray(b"?" * 16)
        with open(bass, "rb", buffering=0) as client:
            assert client.readinto(memoryview(memory)[:size]) == len(beat)
        assert memory == beat.ljust(16, b"?")


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


def test_drums3_obeys_a_file(run_drums3, tmp_path):
    commands = "bass thud\n  triangle ting\n\nsnare\ngong\n" + "bass bum\n" * 100
    (tmp_path / "commands").write_text(commands + "bass")
    with open(tmp_path / "commands", encoding="ascii") as file:
        result = run_drums3(file)
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.rpartition("/")[2] for line in result.stdout.splitlines()]
    assert lines == ["bass", "snare", "triangle", "drums3: snare is gone"]


def test_drums3_ends_where_there_is_no_input(run_drums3):
    result = run_drums3(subprocess.DEVNULL)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 2


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
    assert drums.device().endswith("/one/snare")
    drums.process.stdin.close()
    assert drums.process.wait(DEADLINE) == 0
    assert drums.process.stderr.read().count("\n") == 1


def test_drums3_has_sixteen_drums_at_most(start):
    drums = start("drums3")
    drums.device(), drums.device()
    for number in range(3, 17):
        drums.type(f"drum{number} bum")
        drums.device()
    drums.type("drum17 bum")
    drums.type("bass thud")
    drums.type("snare")
    assert drums.line() == "drums3: snare is gone"
    drums.type("drum17 bum")
    assert drums.device().endswith("/drum17")
    drums.process.stdin.close()
    assert drums.process.wait(DEADLINE) == 0
    assert drums.process.stderr.read() == "drums3: there are 16 drums already\n"


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


DIALOGUE = """\
set: at 30 of 40
turned by -75: now at 35, passed the first mark 2 times
set to 40 of 40: Invalid argument
request 99: Inappropriate ioctl for device
reset to 7: at 7 of 40
"""


@pytest.mark.parametrize("client_language", ["c", "python"])
def test_ioctl_answers_both_clients(program_in, device, client_language):
    path = device("ioctl")
    client = program_in(client_language, "ioctl_client")
    result = subprocess.run([*client, path], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == (DIALOGUE, "")


def test_ioctl_client_says_what_fails(program, device):
    path = device("helloworld")
    result = subprocess.run(
        [*program("ioctl_client"), path], capture_output=True, text=True
    )
    sentence = f"ioctl_client: {path}: Inappropriate ioctl for device\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", sentence)


def test_ioctl_client_says_what_is_missing(program):
    result = subprocess.run(
        [*program("ioctl_client"), "/nowhere"], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr == "ioctl_client: /nowhere: No such file or directory\n"


def test_console_read_gives_clients_what_is_typed(start):
    console = start("console_read")
    path = console.device()
    first = Reader(path, "exec head -n 1")
    assert console.line() == (
        f"console_read: process {first.process.pid} reads, what shall it get?"
    )
    console.type("good morning")
    assert first.rest() == "good morning\n"
    second = Reader(path, "exec head -n 1")
    assert f"process {second.process.pid} " in console.line()
    console.type("good night")
    assert second.rest() == "good night\n"

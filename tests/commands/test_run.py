# SPDX-License-Identifier: BSD-3-Clause
"""fusd run: what it loads, how it fails, how it ends."""

import os
import re
import signal
import stat
import sys
from pathlib import Path

import pytest

from support.terminal import run_on_terminal

pytestmark = pytest.mark.usefixtures("drivers")


def content(path):
    return Path(path).read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("driver", ["Echo", "Later"])
def test_a_driver_runs_until_a_signal(start, root, driver, number):
    running = start(
        "run", f"drivers.py:{driver}", "--name", "sub/mine", "--mode", "640"
    )
    path = root / "sub" / "mine"
    assert running.line() == f"sub/mine: {path}"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    path.write_text("hi", encoding="utf-8")
    assert content(path) == "hi"
    assert running.end(number) == (0, "", "")
    assert not path.exists()


def test_a_module_on_the_path_is_a_target(start, root):
    running = start("run", "drivers:Echo")
    assert running.line() == f"echo: {root}/echo"


def test_settings_are_literals_or_strings(start, root):
    running = start("run", "drivers.py:Echo", "-o", "greeting=it's", "-o", "number=3")
    running.line()
    assert content(root / "echo") == "it's" * 3


def test_an_instance_is_a_target(start, root):
    running = start("run", "drivers.py:instance", "--mode", "600")
    assert running.line() == f"instance: {root}/instance"


def test_a_function_may_make_several(start, root):
    running = start("run", "drivers.py:several")
    assert [running.line(), running.line()] == [
        f"one: {root}/one",
        f"two: {root}/two",
    ]


def test_several_targets_are_served_together(start, root, tmp_path):
    single = "import pyfusd\nclass Alone(pyfusd.Device):\n    pass\n"
    (tmp_path / "single.py").write_text(single, encoding="utf-8")
    # A file is loaded once, however many of its classes are named.
    with (tmp_path / "drivers.py").open("a", encoding="utf-8") as file:
        file.write("open('loaded', 'x').close()\n")
    running = start("run", "drivers.py:Echo", "single.py", "drivers.py:several")
    names = ["echo", "alone", "one", "two"]
    assert [running.line() for _ in names] == [
        f"{name}: {root}/{name}" for name in names
    ]
    assert running.end(signal.SIGTERM) == (0, "", "")
    assert not any((root / name).exists() for name in names)


def test_options_may_be_between_targets(fusd, root, transport):
    result = fusd(
        "run", "drivers.py:Echo", "--transport", transport, "drivers.py:several",
        "--", "echo", "--transport",
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (0, "--transport\n")
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == [
        "echo",
        "one",
        "two",
    ]


def test_a_failure_of_one_target_leaves_none(fusd, root):
    result = fusd("run", "drivers.py:Echo", "drivers.py:Narrow")
    assert (result.returncode, result.stdout) == (1, "")
    assert not (root / "echo").exists()


def test_a_class_without_a_name_of_its_own_is_named_for_itself(start, root):
    running = start("run", "drivers.py:Holding")
    assert running.line() == f"holding: {root}/holding"


@pytest.mark.parametrize(
    ("target", "options", "name", "mode"),
    [
        ("Nameless", [], "nameless", 0o600),
        ("Nameless", ["--name", "given", "--mode", "666"], "given", 0o666),
        ("Positional", [], "positional", 0o600),
        ("Positional", ["--name", "given", "--mode", "666"], "given", 0o666),
        ("passing", [], "passing", 0o600),
        ("partial", [], "echo", 0o600),
        ("Fixed", [], "fixed", 0o640),
        ("Fixed", ["--name", "given", "--mode", "666"], "given", 0o666),
    ],
)
def test_what_a_class_passes_on_is_found_out(start, root, target, options, name, mode):
    running = start("run", f"drivers.py:{target}", *options)
    assert running.line() == f"{name}: {root}/{name}"
    assert stat.S_IMODE(os.stat(root / name).st_mode) == mode


def test_the_only_class_need_not_be_named(start, root, tmp_path):
    (tmp_path / "single.py").write_text(
        "import pyfusd\nclass Alone(pyfusd.Device):\n    pass\n", encoding="utf-8"
    )
    assert start("run", "single.py").line() == f"alone: {root}/alone"


def test_a_driver_that_raises_goes_on_and_says_so(start, root):
    running = start("run", "drivers.py:Echo")
    running.line()
    with pytest.raises(OSError, match="Input/output error"):
        (root / "echo").write_text("raise", encoding="utf-8")
    assert "write() failed" in running.error_line()
    (root / "echo").write_text("on", encoding="utf-8")
    assert content(root / "echo") == "on"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.py:Echo"], "missing.py does not exist"),
        (["missing_module:Echo"], "there is no module missing_module"),
        (["drivers.py:Nobody"], "drivers.py has no Nobody"),
        (["drivers.py"], "write drivers.py:Echo or drivers.py:Narrow or"),
        (["drivers.py:nothing"], "which is no device"),
        (["drivers.py:broken"], "RuntimeError: no hardware"),
        (["drivers.py:several", "--name", "x"], "--name is for one device"),
        (["drivers.py:Echo", "-o", "speed=9600", "-o", "x"], "-o x is not KEY=VALUE"),
        (
            ["drivers.py:Needing"],
            "drivers.py:Needing needs port and speed: add -o port=VALUE -o speed=VALUE",
        ),
        (["drivers.py:Needing", "-o", "port=1"], "needs speed: add -o speed=VALUE"),
        (["drivers.py:Holding", "-o", "speed=9600"], "takes no argument speed"),
        (["drivers.py:Echo", "--name", "a//b"], "a//b: "),
        (["json:loads", "-o", "s=1"], "json:loads cannot be made"),
        (["."], ". is no file"),
        (["drivers.py:Echo", "--name", ""], 'fusd: "" is no device name'),
        (["drivers.py:Narrow"], "Narrow.read(file) is called with (file, buf, offset)"),
        (["drivers.py:Forgetful"], "did not call super().__init__()"),
        (["notes.md"], "notes.md is no Python file"),
    ],
)
def test_what_is_wrong_is_one_sentence(fusd, root, tmp_path, arguments, sentence):
    (tmp_path / "notes.md").touch()
    result = fusd("run", *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("fusd: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import nonsense\n", "No module named 'nonsense'"),
        ("def f(:\n", "bad.py, line 1"),
        ("\n1 / 0\n", "bad.py, line 2: ZeroDivisionError"),
        ("import pyfusd\npyfusd.IO('CC', 1)\n", "bad.py, line 2: ValueError: an ioctl"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
    ],
)
def test_a_file_that_does_not_load_says_where(fusd, root, tmp_path, text, sentence):
    (tmp_path / "bad.py").write_text(text, encoding="utf-8")
    result = fusd("run", "bad.py:X")
    assert result.returncode == 1
    assert result.stderr.startswith("fusd: bad.py does not load: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "serve", ["pyfusd.run(X('x'))", "asyncio.run(pyfusd.aio.serve(X('x')))"]
)
def test_a_file_that_runs_its_driver_by_itself_is_told_apart(
    fusd, root, tmp_path, serve
):
    (tmp_path / "eager.py").write_text(
        f"import asyncio, pyfusd\nclass X(pyfusd.Device): pass\n{serve}\n"
    )
    result = fusd("run", "eager.py:X")
    assert result.returncode == 1
    assert "eager.py runs its driver when it is loaded" in result.stderr
    assert "__main__" in result.stderr
    assert result.stderr.count("\n") == 1


def test_on_a_terminal_a_sentence_is_wrapped():
    missing = "some/place/where/nothing/is/to/be/found/and/that/is/no/short.py"
    output = run_on_terminal(
        [sys.executable, "-m", "pyfusd", "run", missing], os.environ, columns=50
    )
    assert output.splitlines() == ["fusd:", missing, "does not exist: check the path"]


def test_a_taken_name_is_one_sentence(start, fusd, root):
    start("run", "drivers.py:Echo").line()
    result = fusd("run", "drivers.py:Echo")
    assert result.returncode == 1
    assert re.search("another driver|the driver that has it", result.stderr)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["nonsense"], ["--bad"]),
        *(["run"], ["run", "x.py", "--mode", "9"], ["ls", "--bad"], ["ls", "extra"]),
        ["run", "x.py", "y.py", "-o", "a=1", "--mode", "6"],
    ],
)
def test_a_wrong_command_line_is_status_2(fusd, arguments):
    """And the usage is that of the command which it is wrong for."""
    result = fusd(*arguments)
    assert result.returncode == 2
    own = f" {arguments[0]}" if arguments and arguments[0] in ("run", "ls") else ""
    assert f"usage: fusd{own} [-h]" in result.stderr
    if arguments and arguments[-1] in ("--bad", "extra"):
        assert arguments[-1] in result.stderr
    if "-o" in arguments:
        assert "--mode and -o are for one TARGET: start a fusd run" in result.stderr

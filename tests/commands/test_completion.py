# SPDX-License-Identifier: BSD-3-Clause
"""What bash, zsh and fish complete of the command, asked of these shells."""

import os
import sys
from pathlib import Path

import pytest

from pyfusd._cli.main import make_parsers
from pyfusd._core import transport_summaries
from support.completing import make_completer

COMMANDS = make_parsers()[1]
TRANSPORTS = set(transport_summaries())


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def complete(request, tmp_path_factory):
    return make_completer(request.param, tmp_path_factory.mktemp("share"))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The current directory has these."""
    for name in ("driver.py", "drop.py", "another"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def full_root(root):
    """It has more names than a screen shows, as /dev has anyway."""
    names = [root / f"other{number}" for number in range(200)]
    for name in names if root != Path("/dev") else []:
        name.parent.mkdir(exist_ok=True)
        name.touch()
    yield root
    for name in names:
        name.unlink(missing_ok=True)


@pytest.fixture
def command_in_path(monkeypatch):
    """`fusd`, as a shell finds it."""
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


def long_options(command):
    return {
        option
        for action in COMMANDS[command]._actions
        for option in action.option_strings
        if option.startswith("--")
    }


def test_commands(complete):
    assert complete("fusd ") == set(COMMANDS)
    assert complete("fusd tr") == {"trace"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command(complete, command):
    assert {
        word for word in complete(f"fusd {command} --") if word.startswith("--")
    } == long_options(command)


def test_transports(complete):
    assert complete("fusd run --transport ") == {"auto", *TRANSPORTS}
    assert complete("fusd doctor ") == TRANSPORTS
    assert complete("fusd doctor fuse kf") == {"kfusd"}


def test_choices(complete):
    assert complete("fusd bench --cores ") == {"one", "any"}


def test_what_help_is_about(complete):
    assert complete("fusd help ") == set(COMMANDS)


@pytest.mark.parametrize(
    "line", ["run dr", "run a.py dr", "run --mode 666 dr", "run a.py -o x=1 dr"]
)
def test_files_of_drivers(complete, files, command_in_path, line):
    assert complete(f"fusd {line}") == {"driver.py", "drop.py"}


def test_options_between_drivers(complete, files):
    assert complete("fusd run driver.py drop.py --tr") == {"--transport"}


def test_the_command_after_run(complete, files):
    assert "cat" in complete("fusd run driver.py -- ca")
    assert complete("fusd run driver.py -- cat dro") == {"drop.py"}


def test_no_options_of_fusd_after_the_command_begins(complete, files):
    assert complete("fusd run driver.py -- cat --tr") == set()


def test_live_devices(complete, command_in_path, drivers, full_root, start):
    """The name may be any other user's choice, and is not for a shell to expand."""
    start("run", "drivers.py:Echo", "--name", "a $(touch expanded)").line()
    for command in ("bench", "trace"):
        offered = complete(f"fusd {command} {full_root}/")
        assert f"{full_root}/a $(touch expanded)" in {
            w.replace("\\", "") for w in offered
        }
    assert not (drivers / "expanded").exists()
    start("run", "drivers.py:Echo", "--name", "sub/named").line()
    assert "named" in complete("fusd trace nam")

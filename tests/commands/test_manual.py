# SPDX-License-Identifier: BSD-3-Clause
"""The manual page against what --help says, and what is common to all --help."""

import argparse
import re
import shutil
import subprocess

import pytest

from pyfusd import __version__
from pyfusd._cli.main import make_parsers
from support import TOP

MANUAL = TOP / "docs" / "man" / "fusd.1"


def commands():
    return make_parsers()[1]


def options(command):
    return {
        option
        for action in command._actions
        for option in action.option_strings
        if option not in ("-h", "--help")
    }


def sections():
    """The manual's text of each command, without its formatting."""
    text = MANUAL.read_text(encoding="utf-8").replace("\\-", "-")
    text = text.partition(".SH COMMANDS")[2].partition(".SH EXIT STATUS")[0]
    parts = re.split(r"^\.SS fusd (\w+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def test_the_manual_has_every_command():
    assert list(sections()) == list(commands())


@pytest.mark.parametrize("name", list(commands()))
def test_the_manual_has_every_option_and_no_other(name):
    named = set(re.findall(r"(?<![\w-])--?[a-z]+(?:-[a-z]+)*", sections()[name]))
    assert named == options(commands()[name])


@pytest.mark.parametrize("name", ["FUSD_TRANSPORT", "FUSD_DEV_ROOT", "NO_COLOR"])
def test_the_manual_has_the_environment(name):
    assert f".B {name}" in MANUAL.read_text(encoding="utf-8")


def test_the_manual_s_exit_statuses_are_those_of_help():
    text = MANUAL.read_text(encoding="utf-8").partition(".SH EXIT STATUS")[2]
    text = text.partition(".SH ENVIRONMENT")[0]
    in_manual = re.findall(r"^\.B (\d+)$", text, flags=re.M)
    assert in_manual == re.findall(r"^  (\d+) ", make_parsers()[0].epilog, flags=re.M)


def test_the_manual_formats_without_a_warning():
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    result = subprocess.run(
        ["groff", "-man", "-Tascii", "-ww", "-z", str(MANUAL)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""


def test_help_is_a_command(fusd):
    assert fusd("help").stdout == fusd("--help").stdout
    assert fusd("help", "run").stdout == fusd("run", "--help").stdout
    result = fusd("help", "nonsense")
    assert result.returncode == 2
    assert "'nonsense'" in result.stderr


def test_the_version_has_two_names(fusd):
    assert fusd("-v").stdout == fusd("--version").stdout == f"fusd {__version__}\n"


@pytest.mark.parametrize("name", list(commands()))
def test_a_wrong_value_is_told_in_words(name):
    """Of any other exception argparse makes "invalid parse_mode value"."""
    for action in commands()[name]._actions:
        for text in ("no such value", "", "9" * 5000):
            if action.type is not None:
                with pytest.raises(argparse.ArgumentTypeError):
                    action.type(text)
        assert "_" not in (action.metavar or action.dest)


@pytest.mark.parametrize("name", list(commands()))
def test_every_command_has_help(name, fusd):
    result = fusd(name, "--help")
    assert result.returncode == 0
    assert f"usage: fusd {name}" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80

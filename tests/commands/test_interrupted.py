# SPDX-License-Identifier: BSD-3-Clause
"""Ctrl-C before a command is at its work, and after: no traceback."""

import os
import signal
import subprocess
import sys

import pytest

from support.waiting import DEADLINE

# Sends the signal when the module of that name is about to be imported.
STARTED = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["fusd", *{arguments!r}]
from _fusd_command import main
sys.exit(main())
"""


# The same of the first module that the installed script itself imports.
SCRIPT = """
import _signal, os, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name != "_fusd_command":
            os.kill(os.getpid(), _signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
for name in ("enum", "re"):
    sys.modules.pop(name, None)
sys.argv = ["fusd", "ls"]
exec(compile(open({script!r}).read(), {script!r}, "exec"))
"""


# While the command line is parsed, where argparse has not prepared its clean-up.
PARSING = """
import argparse, os, signal, sys

format_usage = argparse.ArgumentParser.format_usage

def format_interrupted(parser):
    os.kill(os.getpid(), signal.SIGINT)
    return format_usage(parser)

argparse.ArgumentParser.format_usage = format_interrupted
sys.argv = ["fusd", "doctor"]
from _fusd_command import main
sys.exit(main())
"""


def interrupted(module, *arguments, ignored=False):
    return run(STARTED.format(module=module, arguments=arguments), ignored)


def run(code, ignored=False):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=DEADLINE * 3,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler
        ),
    )


@pytest.mark.parametrize(
    "module", ["pyfusd", "pyfusd._core", "argparse", "pyfusd._cli.trace"]
)
def test_an_import_is_ended_by_the_signal_alone(module):
    result = interrupted(module, "ls")
    assert (result.returncode, result.stderr) == (-signal.SIGINT, "")


def test_the_installed_script_imports_nothing_before():
    script = os.path.join(os.path.dirname(sys.executable), "fusd")
    result = run(SCRIPT.format(script=script))
    assert (result.returncode, result.stderr) == (-signal.SIGINT, "")


def test_parsing_the_command_line_is_ended_as_any_work():
    result = run(PARSING)
    assert (result.returncode, result.stderr) == (128 + signal.SIGINT, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("place", ["module", "constructor"])
def test_a_driver_that_is_being_made_is_given_up(tmp_path, monkeypatch, place, number):
    """As by Ctrl-C in run(): the command has done what it was told."""
    interrupt = f"__import__('os').kill(__import__('os').getpid(), {number:d})"
    text = f"import pyfusd\nclass X(pyfusd.Device):\n    {interrupt}\n"
    if place == "constructor":
        text = text.replace("    __", "    def __init__(self):\n        __")
    (tmp_path / "driver.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    result = interrupted("none", "run", "driver.py:X")
    assert (result.returncode, result.stderr) == (0, "")


def test_an_ignored_signal_stays_ignored():
    result = interrupted("pyfusd", "--version", ignored=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("fusd ")


def test_a_driver_that_nobody_listens_to_any_more_ends_quietly():
    """What fusd bench leaves when it was interrupted early."""
    driver = subprocess.Popen(
        [sys.executable, "-m", "pyfusd._cli.support.bench_driver"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    driver.stdout.close()
    driver.stdin.close()
    errors = driver.stderr.read()
    driver.wait(DEADLINE)
    driver.stderr.close()
    assert errors == b""

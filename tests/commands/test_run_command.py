# SPDX-License-Identifier: BSD-3-Clause
"""fusd run TARGET -- COMMAND: the devices are there while the command runs."""

import os
import signal
import sys
from pathlib import Path

import pytest

from support.terminal import Terminal
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("drivers")

# Says that it is ready; at each signal says which and what the device has, and
# ends at the second one.
WAITING = """
import os, signal, sys

def told(number):
    told.count += 1
    text = open(os.environ["FUSD_DEVICE"]).read()
    print(f"told {number} {text}", flush=True)
    if told.count == 2:
        sys.exit(5)

told.count = 0
signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Blocked: with handlers, one that comes right before pause(2) is lost.
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
print("ready", flush=True)
while True:
    told(signal.sigwait(signals))
"""

STUCK = """
import time, pyfusd

class Stuck(pyfusd.Device):
    def read(self, file, buf, offset):
        open("stuck", "w").close()
        time.sleep(3600)

class Busy(pyfusd.Device):
    def read(self, file, buf, offset):
        open("stuck", "w").close()
        while True:
            pass

class Ending(pyfusd.Device):
    def read(self, file, buf, offset):
        raise SystemExit(3)

class Leaving(pyfusd.Device):
    def read(self, file, buf, offset):
        self.unregister()
        return 0
"""


@pytest.fixture
def waiting(tmp_path):
    (tmp_path / "waiting.py").write_text(WAITING, encoding="utf-8")
    return [sys.executable, "waiting.py"]


def echo_of(text):
    return ["run", "drivers.py:Echo", "-o", f"greeting={text}", "--"]


def test_a_command_has_the_device_and_a_clean_output(fusd, root, tmp_path):
    path = root / "echo"
    script = f'cat {path}; echo new > "$FUSD_DEVICE"; cat {path} - "$1"; exit 7'
    # A descriptor that the shell gives to the command stays open in it.
    given = os.open(tmp_path / "given", os.O_RDWR | os.O_CREAT)
    os.write(given, b"given\n")
    os.lseek(given, 0, os.SEEK_SET)
    result = fusd(
        *echo_of("old"),
        *("sh", "-c", script, "sh", f"/dev/fd/{given}"),
        pass_fds=[given],
        input="typed\n",
    )
    os.close(given)
    assert result.stderr == f"echo: {path}\n"
    assert result.stdout == "oldnew\ntyped\ngiven\n"
    assert result.returncode == 7
    assert not path.exists()


def test_a_command_has_no_descriptor_of_the_driver(fusd, root):
    listing = "import os; print(sorted(os.listdir('/proc/self/fd'), key=int))"
    result = fusd(*echo_of(""), sys.executable, "-c", listing, pass_fds=[])
    # The last one is the directory's own.
    assert result.stdout == "['0', '1', '2', '3']\n"


@pytest.mark.parametrize(
    ("command", "status", "sentence"),
    [
        (["sh", "-c", "kill -9 $$"], 128 + 9, ""),
        (["no-such-program"], 127, "fusd: no-such-program cannot be started: No "),
        (["./drivers.py"], 126, "fusd: ./drivers.py cannot be started: Permission "),
        (["true", "--", "--bad"], 0, ""),
    ],
)
def test_the_exit_status_is_the_command_s(fusd, root, command, status, sentence):
    result = fusd(*echo_of(""), *command)
    assert (result.returncode, result.stdout) == (status, "")
    first, _, rest = result.stderr.partition("\n")
    assert first == f"echo: {root}/echo"
    assert rest.startswith(sentence)
    assert rest.count("\n") == (1 if sentence else 0)


def test_a_missing_command_is_told(fusd):
    result = fusd("run", "drivers.py:Echo", "--")
    assert result.returncode == 2
    assert "usage: fusd run [-h]" in result.stderr
    assert "a COMMAND is missing after --" in result.stderr


@pytest.mark.parametrize("driver", ["Echo", "Later"])
def test_signals_are_the_command_s(start, root, waiting, driver):
    """And the device is there until the command has ended."""
    running = start(
        "run", f"drivers.py:{driver}", "-o", "greeting=here", "--", *waiting
    )
    assert running.line() == "ready"
    running.process.send_signal(signal.SIGTERM)
    assert running.line() == f"told {signal.SIGTERM:d} here"
    status, output, errors = running.end(signal.SIGINT)
    assert (status, output) == (5, f"told {signal.SIGINT:d} here\n")
    assert errors == f"echo: {root}/echo\n"
    assert not (root / "echo").exists()


def test_a_terminal_s_ctrl_c_reaches_the_command_once(root, tmp_path, waiting):
    terminal = Terminal(tmp_path, os.environ)
    try:
        command = [sys.executable, "-m", "pyfusd", *echo_of("here"), *waiting]
        terminal.type(" ".join(command) + "; echo status $?\n")
        terminal.wait_for("^ready$")
        for end in ("^", "^status 5$"):
            terminal.type("\x03")
            terminal.wait_for(rf"told {signal.SIGINT:d} here\n{end}")
            terminal.text = ""
    finally:
        terminal.finish()


def test_a_callback_that_does_not_return_is_given_up(fusd, root, tmp_path):
    (tmp_path / "stuck.py").write_text(STUCK, encoding="utf-8")
    script = "cat $FUSD_DEVICE & while [ ! -e stuck ]; do sleep 0.1; done; exit 4"
    result = fusd("run", "stuck.py:Stuck", "--", "sh", "-c", script)
    assert result.returncode == 4
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("driver", ["Stuck", "Busy"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_that_a_callback_holds(
    start, root, tmp_path, driver, number
):
    """In cat's read, on fuse, only the driver's answer lets a signal in."""
    (tmp_path / "stuck.py").write_text(STUCK, encoding="utf-8")
    running = start("run", f"stuck.py:{driver}", "--", "sh", "-c", "cat $FUSD_DEVICE")
    wait_until((tmp_path / "stuck").exists, "the callback")
    _, output, _ = running.end(number)
    assert output == ""
    assert not (root / driver.lower()).exists()


def test_a_command_whose_driver_fails_is_ended(fusd, root, tmp_path):
    (tmp_path / "stuck.py").write_text(STUCK, encoding="utf-8")
    script = (
        "trap 'echo told; exit 0' TERM; cat $FUSD_DEVICE; while :; do sleep 0.1; done"
    )
    result = fusd("run", "stuck.py:Ending", "--", "sh", "-c", script)
    assert (result.returncode, result.stdout) == (3, "told\n")


def test_a_command_goes_on_after_a_driver_that_has_done_its_work(fusd, root, tmp_path):
    (tmp_path / "stuck.py").write_text(STUCK, encoding="utf-8")
    script = "cat $FUSD_DEVICE; [ ! -e $FUSD_DEVICE ] && echo gone; exit 6"
    result = fusd("run", "stuck.py:Leaving", "--", "sh", "-c", script)
    assert (result.returncode, result.stdout) == (6, "gone\n")


def test_an_interrupt_before_the_command_is_its_status(fusd, root, tmp_path):
    text = f"import os\nos.kill(os.getpid(), {signal.SIGINT:d})\n"
    Path("early.py").write_text(text, encoding="utf-8")
    result = fusd("run", "early.py:X", "--", "echo", "never")
    assert (result.returncode, result.stdout) == (128 + signal.SIGINT, "")
    assert result.stderr == ""

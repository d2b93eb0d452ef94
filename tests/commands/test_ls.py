# SPDX-License-Identifier: BSD-3-Clause
"""fusd ls: every device, with what is known of it."""

import json
import os
import subprocess

import pytest

from waiting import wait_until

pytestmark = pytest.mark.usefixtures("drivers")


def entries(fusd, root):
    found = json.loads(fusd("ls", "--json").stdout)
    return [entry for entry in found if entry["path"].startswith(str(root))]


def test_a_device_is_listed_while_it_lives(start, fusd, root, transport):
    running = start("run", "drivers.py:Echo", "--name", "with blank")
    running.line()
    opens = [os.open(root / "with blank", os.O_RDONLY) for _ in range(3)]
    expected = {
        "path": f"{root}/with blank",
        "transport": transport,
        "pid": running.process.pid,
        "command": entries(fusd, root)[0]["command"],
        "opens": 3 if os.geteuid() == 0 else None,
        "alive": True,
    }
    assert entries(fusd, root) == [expected]
    assert "python" in expected["command"]
    for descriptor in opens:
        os.close(descriptor)
    running.process.terminate()
    running.process.wait()
    assert entries(fusd, root) == []


def test_the_table_has_a_line_a_device(start, fusd, root, transport):
    running = start("run", "drivers.py:several")
    running.line(), running.line()
    lines = fusd("ls").stdout.splitlines()
    assert lines[0].split() == [
        "DEVICE", "TRANSPORT", "PID", "COMMAND", "OPEN", "STATE"
    ]  # fmt: skip
    own = [line.split() for line in lines if str(root) in line]
    assert [line[0] for line in own] == [f"{root}/one", f"{root}/two"]
    assert all(line[1] == transport and line[-1] == "live" for line in own)


def test_a_stopped_driver_s_device_is_live_and_a_killed_one_s_goes(start, fusd, root):
    running = start("run", "drivers.py:Echo")
    running.line()
    running.process.kill()
    wait_until(lambda: entries(fusd, root) == [], "the end of the device")


def test_a_reader_that_leaves_early_is_no_error(fusd, root):
    result = subprocess.run(
        ["sh", "-c", "python3 -m pyfusd ls --json | true; echo done"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{os.path.dirname(os.sys.executable)}:/bin"},
    )
    assert (result.stdout, result.stderr) == ("done\n", "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_is_full_is_a_sentence(unbuffered):
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run(
            [os.sys.executable, "-m", "pyfusd", "doctor"],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            text=True,
            check=False,
        )
    assert (result.returncode, result.stderr) == (1, "fusd: No space left on device\n")


def test_a_closed_output_is_no_failure():
    result = subprocess.run(
        ["sh", "-c", '"$@" ls >&-', "sh", os.sys.executable, "-m", "pyfusd"],
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")

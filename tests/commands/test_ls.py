# SPDX-License-Identifier: BSD-3-Clause
"""fusd ls: every device, with what is known of it."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

import pyfusd
from support.waiting import wait_until

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


ODD = {
    b"\x1b[31mred": r"\x1b[31mred",
    b"\xc2\x85": r"\x85",
    b"\xe2\x80\xa8": r"\u2028",
    b"\xff": r"\xff",
    b"new\nline": r"new\nline",
    b"it's \\\t": r"it\'s \\\t",
}


def test_whatever_a_mount_is_named_is_shown_as_text(root, monkeypatch, transport):
    if transport != "fuse":
        pytest.skip("only on fuse a user chooses the directory")
    device_roots = [os.fsencode(root) + b"/" + name for name in ODD]
    with ExitStack() as stack:
        for path in device_roots:
            os.makedirs(path)
            monkeypatch.setenv("FUSD_DEV_ROOT", os.fsdecode(path))
            stack.enter_context(pyfusd.Device("odd", transport="fuse"))
        listed, traced, listed_json = (
            subprocess.run(
                [sys.executable, "-m", "pyfusd", *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            ).stdout.decode()
            for arguments in (["ls"], ["trace", "no\x1bdevice"], ["ls", "--json"])
        )
    for output in (listed, traced):
        assert all(line.isprintable() for line in output.split("\n"))
        assert "Traceback" not in output
    own = [line for line in listed.split("\n") if str(root) in line]
    assert sorted(line.split("  ")[0] for line in own) == sorted(
        f"$'{root}/{shown}/odd'" for shown in ODD.values()
    )
    assert traced.startswith(r"fusd: there is no FUSD device no\x1bdevice")
    paths = {os.fsencode(entry["path"]) for entry in json.loads(listed_json)}
    assert paths >= {path + b"/odd" for path in device_roots}
    for path in device_roots:
        os.rmdir(path)


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

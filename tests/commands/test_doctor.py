# SPDX-License-Identifier: BSD-3-Clause
"""fusd doctor: that it tells the truth, which is what registering says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyfusd
from pyfusd._cli import doctor
from pyfusd._cli.doctor import Diagnosis
from pyfusd._cli.main import main
from support.capabilities import TRANSPORTS
from support.proc import mounts
from support.terminal import run_on_terminal

NOBODY = 65534
COMMAND = re.compile(r'"[^"]*"')
#: What a user may have set about terminals.
SETTINGS = ("COLUMNS", "NO_COLOR")


def works(transport, root):
    """The truth: a device can be made."""
    try:
        with pyfusd.Device(f"truth-{os.getpid()}", transport=transport):
            return True
    except OSError:
        return False


@pytest.fixture
def device_root(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSD_DEV_ROOT", str(tmp_path / "dev"))
    return tmp_path


@pytest.mark.parametrize("name", TRANSPORTS)
def test_doctor_says_what_registering_finds(fusd, device_root, name):
    result = fusd("doctor", name, "--json")
    (diagnosis,) = json.loads(result.stdout)
    assert diagnosis["transport"] == name
    assert diagnosis["works"] == works(name, device_root)
    assert result.returncode == (0 if diagnosis["works"] else 1)
    assert (diagnosis["problem"] is None) == diagnosis["works"]


def headings(output):
    return [line for line in output.splitlines() if not line.startswith(" ")]


def test_without_a_name_one_that_works_is_enough(fusd, device_root):
    result = fusd("doctor")
    names = [line.split(":")[0] for line in headings(result.stdout)]
    assert sorted(names) == sorted(TRANSPORTS)
    any_works = any(works(name, device_root) for name in TRANSPORTS)
    assert result.returncode == (0 if any_works else 1)


@pytest.mark.parametrize(
    "working, order",
    [
        (["kfusd", "cuse", "fuse"], ["kfusd", "cuse", "fuse"]),
        (["cuse", "fuse"], ["cuse", "fuse", "kfusd"]),
        (["fuse"], ["fuse", "cuse", "kfusd"]),
        (["kfusd"], ["kfusd", "fuse", "cuse"]),
        ([], ["fuse", "cuse", "kfusd"]),
    ],
)
def test_what_works_or_nearly_works_comes_first(monkeypatch, capsys, working, order):
    def diagnose(name):
        return Diagnosis(name, name in working, None, [])

    monkeypatch.setattr(doctor, "diagnose", diagnose)
    main(["doctor"])
    lines = headings(capsys.readouterr().out)
    assert [line.split(":")[0] for line in lines] == order
    main(["doctor", "--json"])
    as_json = json.loads(capsys.readouterr().out)
    assert [one["transport"] for one in as_json] == list(TRANSPORTS)


@pytest.fixture
def on_terminal(device_root):
    """on_terminal(columns, option, ...) gives what fusd doctor shows there."""

    def show(columns, *options, **environment):
        inherited = {k: v for k, v in os.environ.items() if k not in SETTINGS}
        return run_on_terminal(
            [sys.executable, "-m", "pyfusd", "doctor", *options],
            {**inherited, **environment},
            columns,
        )

    return show


@pytest.mark.parametrize("columns", [40, 79, 200])
def test_lines_are_as_wide_as_the_terminal(on_terminal, fusd, columns):
    output = on_terminal(columns, "--no-colour")
    # A command is for copying, and a word is never broken.
    lines = [x for x in output.splitlines() if " " in COMMAND.sub("", x.strip())]
    assert lines
    assert max(map(len, lines)) <= columns
    # Without a terminal, the variable for its width says nothing.
    plain = fusd("doctor", env={**os.environ, "COLUMNS": str(columns)}).stdout
    assert output.split() == plain.split()
    assert plain == fusd("doctor").stdout


@pytest.mark.parametrize(
    "options, environment, has_colour",
    [
        ([], {}, True),
        ([], {"NO_COLOR": ""}, True),
        ([], {"NO_COLOR": "1"}, False),
        (["--no-colour"], {}, False),
        (["--no-color"], {}, False),
        (["--json"], {}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    on_terminal, fusd, options, environment, has_colour
):
    assert ("\x1b[" in on_terminal(80, *options, **environment)) == has_colour
    assert "\x1b[" not in fusd("doctor", *options).stdout


def test_a_user_without_rights_is_told_the_command(device_root):
    """In a process of nobody's: there is no /dev/fuse for that user."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if not os.path.exists("/dev/fuse") or os.stat("/dev/fuse").st_mode & 0o006:
        pytest.skip("/dev/fuse is missing or open to all users")
    top = Path(pyfusd.__file__).parent.parent
    script = (
        f"import os, sys; sys.path.insert(0, {str(top)!r});"
        "from pyfusd._cli import doctor;"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY});"
        "found = doctor.diagnose('fuse');"
        "print(found.works, found.commands)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd="/",
    )
    assert result.stdout == "False ['chmod 666 /dev/fuse']\n"


def run_masked(mask, script):
    """Runs a script of Python where a file is mounted over /dev/fuse."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("only root can mount over /dev/fuse, which has to be there")
    command = f'mount --bind "{mask}" /dev/fuse && exec "$@"'
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, "sh", sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd="/",
        env={k: v for k, v in os.environ.items() if k != "FUSD_TRANSPORT"},
    ).stdout


@pytest.mark.parametrize("mask", ["null", "file"])
def test_a_masked_device_of_fuse_is_told(tmp_path, mask):
    plain = tmp_path / "file"
    plain.touch()
    script = "import pyfusd; print(pyfusd.transport_problem('fuse'))"
    output = run_masked("/dev/null" if mask == "null" else plain, script)
    assert output.startswith("/dev/fuse is not the kernel's device")
    assert "--device /dev/fuse" in output


@pytest.mark.parametrize("name", TRANSPORTS)
def test_modprobe_is_advised_where_the_kernel_loads_modules(fusd, name):
    (diagnosis,) = json.loads(fusd("doctor", name, "--json").stdout)
    if diagnosis["works"] or "there is no /dev/" not in diagnosis["problem"]:
        pytest.skip(f"the device file of {name} is there")
    loads_modules = os.path.exists("/proc/modules")
    assert ("modprobe" in diagnosis["problem"]) == loads_modules
    assert ("loads no modules" in diagnosis["problem"]) != loads_modules
    assert any("modprobe" in one for one in diagnosis["commands"]) == loads_modules


def test_a_command_is_told_once_and_in_one_line(on_terminal, fusd):
    (diagnosis,) = json.loads(fusd("doctor", "kfusd", "--json").stdout)
    output = on_terminal(40, "kfusd", "--no-colour")
    for command in diagnosis["commands"]:
        assert output.count(command) == 1


def test_where_none_works_the_easiest_to_get_is_told_first():
    script = (
        "import os, pyfusd;"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "try: pyfusd.Device('none').register()\n"
        "except OSError as error: print(error.strerror)"
    )
    output = run_masked("/dev/null", script)
    assert output.startswith("no transport works here: fuse: /dev/fuse is not")
    assert 0 < output.index("; cuse: ") < output.index("; kfusd: ")


def test_a_directory_named_as_the_package_is_no_matter(
    fusd, device_root, tmp_path, monkeypatch
):
    """As in a source tree beside an installed package."""
    (tmp_path / "pyfusd").mkdir()
    (tmp_path / "pyfusd" / "__init__.py").write_text("import nonsense\n")
    right = fusd("doctor").stdout
    monkeypatch.chdir(tmp_path)
    script = (
        "import sys; del sys.path[0];from pyfusd._cli.main import main;sys.exit(main())"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, "doctor"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert result.stdout == right


def test_doctor_leaves_nothing(fusd, device_root):
    before = set(os.listdir("/dev"))
    fusd("doctor")
    assert not {name for name in set(os.listdir("/dev")) - before if "fusd" in name}
    assert "fusd-doctor" not in mounts()

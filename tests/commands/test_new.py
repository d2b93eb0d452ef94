# SPDX-License-Identifier: BSD-3-Clause
"""fusd new: what it makes runs, and passes its tests."""

import subprocess
import sys

import pytest


def test_what_it_makes_runs_as_it_says(fusd, root, tmp_path):
    made = fusd("new", "my-sensor", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    files, _, after = made.stdout.partition("\nNow try:\n")
    names = files.splitlines()
    assert {path.name for path in (tmp_path / "my-sensor").iterdir()} == {
        name.removeprefix("my-sensor/") for name in names
    }
    commands = [line.strip() for line in after.splitlines()]
    assert commands[0] == "cd my-sensor"
    assert commands[1] == "python -m pytest"
    tests = subprocess.run(
        [sys.executable, *commands[1].split()[1:], "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "my-sensor",
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tests.returncode == 0, tests.stdout
    assert commands[2].startswith("fusd run my_sensor.py -- sh -c '")
    script = commands[2].partition("'")[2].rstrip("'")
    arguments = ["run", "my_sensor.py", "--", "sh", "-c", script]
    session = fusd(*arguments, cwd=tmp_path / "my-sensor")
    assert session.stderr == f"my-sensor: {root}/my-sensor\n"
    assert session.stdout == "hello\n"


def test_what_it_makes_is_a_project(fusd, tmp_path):
    configuration = pytest.importorskip("setuptools.config.pyprojecttoml")
    fusd("new", "Valve2", cwd=tmp_path)
    read = configuration.read_configuration(tmp_path / "Valve2" / "pyproject.toml")
    assert read["project"]["name"] == "Valve2"
    assert read["project"]["dependencies"] == ["pyfusd"]
    assert read["tool"]["setuptools"]["py-modules"] == ["valve2"]
    assert (tmp_path / "Valve2" / "valve2.py").exists()


def test_what_is_there_is_left_alone(fusd, tmp_path):
    (tmp_path / "mine").write_text("dear to me")
    result = fusd("new", "mine", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "fusd: mine exists already: choose another name\n"
    assert (tmp_path / "mine").read_text() == "dear to me"


@pytest.mark.parametrize(
    "name", ["", "a/b", "9lives", "-", "n" * 48, "signal", "class", "pytest"]
)
def test_a_name_that_would_not_work_is_refused(fusd, tmp_path, name):
    result = fusd("new", "--", name, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "usage: fusd new [-h] NAME\n" in result.stderr
    assert list(tmp_path.iterdir()) == []

# SPDX-License-Identifier: BSD-3-Clause
"""The README's driver and the session it is said to make."""

import os
import re
import subprocess
import sys

import pytest

import pyfusd
from support import TOP

README = (TOP / "README.md").read_text(encoding="utf-8")


def block(language):
    return re.search(rf"```{language}\n(.*?)```", README, re.S).group(1)


def session():
    """The commands of the README's terminal session, with their output."""
    steps = []
    for line in block("console").splitlines():
        if line.startswith("$ "):
            steps.append([line[2:], ""])
        else:
            steps[-1][1] += line + "\n"
    return steps


def test_the_readme_s_driver_makes_the_readme_s_session(tmp_path):
    problem = pyfusd.transport_problem("fuse")
    if problem:
        pytest.skip(problem)
    (tmp_path / "echo.py").write_text(block("python"), encoding="utf-8")
    steps = session()
    assert steps.pop(0) == ["fusd run echo.py &", "echo: /dev/echo\n"]
    assert steps.pop()[0] == "kill %1"
    root = tmp_path / "dev"
    environment = {**os.environ, "FUSD_DEV_ROOT": str(root), "FUSD_TRANSPORT": "fuse"}
    driver = subprocess.Popen(
        [sys.executable, "-m", "pyfusd", "run", "echo.py"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert driver.stdout.readline() == f"echo: {root}/echo\n"
        for command, output in steps:
            result = subprocess.run(
                ["sh", "-c", command.replace("/dev/echo", f"{root}/echo")],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=20,
            )
            assert result.stdout.rstrip("\n") == output.rstrip("\n"), command
    finally:
        driver.terminate()
        assert driver.communicate(timeout=20)[0] == ""
    assert driver.returncode == 0
    assert list(root.iterdir()) == []


def test_the_readme_s_driver_has_twelve_lines():
    lines = [line for line in block("python").splitlines() if line.strip()]
    assert len(lines) <= 12


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(document):
    text = (TOP / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (TOP / target).exists(), target


def test_the_targets_named_are_targets():
    help_text = subprocess.run(
        ["make", "help"], cwd=TOP, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    for target in re.findall(r"(?:^ +|`)make ([a-z]+)", README, re.M):
        assert f"make {target}" in help_text

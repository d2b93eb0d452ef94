# SPDX-License-Identifier: BSD-3-Clause
"""The README's driver, links and commands; tests/docs pastes its session."""

import re
import subprocess

import pytest

from support import TOP

README = (TOP / "README.md").read_text(encoding="utf-8")


def block(language, text=README):
    return re.search(rf"```{language}\n(.*?)```", text, re.S).group(1)


def test_the_readme_s_driver_has_twelve_lines():
    lines = [line for line in block("python").splitlines() if line.strip()]
    assert len(lines) <= 12


def test_the_readme_s_driver_is_the_example():
    example = (TOP / "examples" / "python" / "echo.py").read_text(encoding="utf-8")
    assert block("python").split("\n\n\n")[1] == example.split("\n\n\n")[1]


def test_the_package_s_description_has_that_driver_and_no_links():
    text = (TOP / "packaging" / "description.md").read_text(encoding="utf-8")
    assert block("python", text) == block("python")
    # Where it is read there are no files beside it.
    assert "](" not in text


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

# SPDX-License-Identifier: BSD-3-Clause
"""The version, which pyproject.toml has: everywhere else it is the same."""

import re
import runpy
import subprocess

import pytest

import pyfusd
from support import TOP, VERSION

#: Where a text says it, and after what.
SAID = {
    "CHANGELOG.md": r"\A# Changes\n[^#]*\n## ",
    "README.md": r"!\[version ",
    "docs/installing.md": r"dkms (?:install|remove) kfusd/",
    "docs/reference/python.md": r'a string such as ``"',
    "pyfusd/_core.pyi": r'that the extension carries, as "',
}


@pytest.mark.parametrize("name", SAID)
def test_texts_say_it(name):
    text = (TOP / name).read_text(encoding="utf-8")
    said = re.findall(SAID[name] + r"(\d+\.\d+\.\d+)", text)
    assert said
    assert set(said) == {VERSION}


def test_the_badges_are_as_the_project_is():
    subprocess.run([TOP / "tools" / "badges", "--check"], check=True)


def test_python_and_the_command_say_it():
    assert pyfusd.__version__ == pyfusd.library_version() == VERSION


def test_what_is_installed_has_it(tmp_path):
    for part in ("libfusd", "kernel"):
        target = "dkms" if part == "kernel" else "install"
        subprocess.run(
            ["make", "-s", "-C", part, target, f"DESTDIR={tmp_path}", "PREFIX=/usr"],
            cwd=TOP,
            check=True,
        )
    package = (tmp_path / "usr/lib/pkgconfig/libfusd.pc").read_text()
    assert re.search(r"^Version: (.*)$", package, re.M)[1] == VERSION
    (library,) = (tmp_path / "usr/lib").glob("libfusd.so.*.*")
    assert library.name.endswith(f".{VERSION}")
    configuration = (tmp_path / f"usr/src/kfusd-{VERSION}/dkms.conf").read_text()
    assert f'PACKAGE_VERSION="{VERSION}"\n' in configuration
    # And the module's own: MODULE_VERSION, of what the build is given.
    assert "KFUSD_VERSION=${PACKAGE_VERSION}" in configuration


def test_the_manual_has_it():
    pytest.importorskip("hawkmoth")
    assert runpy.run_path(str(TOP / "docs" / "conf.py"))["release"] == VERSION

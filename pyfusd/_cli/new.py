# SPDX-License-Identifier: BSD-3-Clause
"""fusd new: a directory with a driver, its tests and its project file."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import os
import re
from typing import Any

from pyfusd._cli.support.failure import Failure
from pyfusd._cli.support.options import new_parser

# A device's name may have other characters, a distribution's and a module's not.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,46}")

_DRIVER = '''\
"""The device NAME: gives back what was written to it last."""

import pyfusd


class CLASS(pyfusd.Device):
    def __init__(self, name="NAME", mode=0o600, **options):
        super().__init__(name, mode, **options)
        self.data = b""

    def read(self, file, buf, offset):
        return self.data[offset : offset + len(buf)]

    def write(self, file, buf, offset):
        self.data = bytes(buf)
        return len(buf)


if __name__ == "__main__":
    pyfusd.run(CLASS())
'''

_TEST = '''\
"""What the clients of NAME see. pyfusd's pytest plugin has the fixture fusd_device."""

import pytest
from MODULE import CLASS


def test_it_gives_back_what_was_written(fusd_device):
    mock = fusd_device(CLASS)
    with open(mock.path, "w") as device:
        device.write("hello")
    with open(mock.path) as device:
        assert device.read() == "hello"


def test_a_failing_device_is_an_error(fusd_device, monkeypatch):
    mock = fusd_device(CLASS)

    def fail(file, buf, offset):
        raise OSError(5, "the device is broken")

    monkeypatch.setattr(mock.device, "read", fail)
    with open(mock.path) as device, pytest.raises(OSError):
        device.read()
'''

_PROJECT = """\
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"

[project]
name = "NAME"
version = "0.1.0"
requires-python = ">=3.9"
dependencies = ["pyfusd"]

[project.optional-dependencies]
test = ["pytest"]

[tool.setuptools]
py-modules = ["MODULE"]

[tool.pytest.ini_options]
pythonpath = ["."]
"""

_NEXT = """
Now try:
  cd NAME
  python -m pytest
  fusd run MODULE.py -- sh -c 'echo hello > $FUSD_DEVICE; cat $FUSD_DEVICE'
"""

_INSTALL_PYTEST = """\
  python -m pip install pytest
  python -m pytest
"""


def _module_of(name: str) -> str:
    return name.lower().replace("-", "_")


def _parse_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name: up to 47 letters, digits, - and _, a letter first"
        )
    module = _module_of(text)
    if keyword.iskeyword(module):
        raise argparse.ArgumentTypeError(f"{text!r} is a word of Python's own")
    # The directory itself would be found as a package: main() tells of that.
    if not os.path.lexists(text) and importlib.util.find_spec(module) is not None:
        raise argparse.ArgumentTypeError(
            f"there is a module {module} already: the new one would hide it"
        )
    return text


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands,
        "new",
        "Make a new driver. Makes the directory NAME with a driver that works, a test "
        "of it for pytest, and a pyproject.toml.",
    )
    parser.add_argument(
        "name",
        metavar="NAME",
        type=_parse_name,
        help="what directory and device are called, such as echo or my-sensor",
    )
    parser.set_defaults(main=main)


def main(options: argparse.Namespace) -> int:
    name, module = options.name, _module_of(options.name)
    words = {
        "NAME": name,
        "MODULE": module,
        "CLASS": "".join(
            word[:1].upper() + word[1:] for word in re.split("[-_]", name)
        ),
    }

    def fill(template: str) -> str:
        return re.sub("NAME|MODULE|CLASS", lambda match: words[match[0]], template)

    try:
        os.mkdir(name)
    except FileExistsError:
        raise Failure(f"{name} exists already: choose another name") from None
    files = {
        f"{module}.py": _DRIVER,
        f"test_{module}.py": _TEST,
        "pyproject.toml": _PROJECT,
    }
    for file, template in files.items():
        path = os.path.join(name, file)
        with open(path, "x", encoding="utf-8") as output:
            output.write(fill(template))
        print(path)
    steps = fill(_NEXT)
    if not importlib.util.find_spec("pytest"):
        steps = steps.replace("  python -m pytest\n", _INSTALL_PYTEST)
    print(steps, end="")
    return 0

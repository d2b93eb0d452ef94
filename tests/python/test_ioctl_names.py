# SPDX-License-Identifier: BSD-3-Clause
"""Names of request numbers, against the kernel's headers."""

import os
import shutil
import subprocess

import pytest

import pyfusd
from pyfusd._ioctl_names import name_of, names

HEADERS = [
    "asm/ioctls.h",
    "asm/termbits.h",
    "linux/fiemap.h",
    "linux/fs.h",
    "linux/hidraw.h",
    "linux/i2c-dev.h",
    "linux/input.h",
    "linux/rtc.h",
    "linux/spi/spidev.h",
    "linux/watchdog.h",
]
OF_FAMILIES = [
    "EVIOCGNAME(256)",
    "EVIOCGPHYS(64)",
    "EVIOCGUNIQ(64)",
    "EVIOCGPROP(4)",
    "EVIOCGMTSLOTS(20)",
    "EVIOCGKEY(96)",
    "EVIOCGLED(8)",
    "EVIOCGSND(8)",
    "EVIOCGSW(8)",
    "EVIOCGBIT(0x0, 8)",
    "EVIOCGBIT(0x1f, 96)",
    "HIDIOCGRAWNAME(256)",
    "HIDIOCGRAWPHYS(256)",
    "HIDIOCSFEATURE(3)",
    "HIDIOCGFEATURE(3)",
    "HIDIOCGRAWUNIQ(64)",
    "SPI_IOC_MESSAGE(1)",
    "SPI_IOC_MESSAGE(4)",
]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """What the kernel's headers say each name is."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler here")
    missing = [header for header in HEADERS if not has_header(header)]
    if missing:
        pytest.skip(f"the kernel's headers are not here: {', '.join(missing)}")
    expressions = [*names().values(), *OF_FAMILIES]
    directory = tmp_path_factory.mktemp("names")
    lines = [f"#include <{header}>" for header in ["stdio.h", "stddef.h", *HEADERS]]
    lines.append("int main(void) {")
    lines += [f'printf("%u\\n", (unsigned int)({text}));' for text in expressions]
    lines.append("return 0; }")
    (directory / "names.c").write_text("\n".join(lines), encoding="utf-8")
    subprocess.run(["cc", "-o", "names", "names.c"], check=True, cwd=directory)
    output = subprocess.run([directory / "names"], capture_output=True, check=True)
    return dict(zip(expressions, map(int, output.stdout.split())))


def has_header(name):
    command = ["cc", "-E", "-include", name, os.devnull]
    return subprocess.run(command, capture_output=True).returncode == 0


def test_names_are_those_of_the_kernel(compiled):
    assert {text: name_of(number) for text, number in compiled.items()} == {
        text: text for text in compiled
    }
    assert {compiled[name] for name in names().values()} == set(names())


def test_each_number_that_every_program_sends_has_a_name():
    assert name_of(pyfusd.IO("T", 1)) == "TCGETS"
    assert name_of(0x5413) == "TIOCGWINSZ"
    assert name_of(0x541B) == "FIONREAD"
    assert name_of(0x0703) == "I2C_SLAVE"


@pytest.mark.parametrize(
    "number", [pyfusd.IOR("D", 1, 4), pyfusd.IOW("k", 0, 33), 0, 0x100, 0xFFFFFFFF]
)
def test_another_number_has_none(number):
    assert name_of(number) is None

# SPDX-License-Identifier: BSD-3-Clause
"""make install: what it installs, that it can be taken away, that it works."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import pyfusd
from support import TOP
from support.waiting import DEADLINE, wait_until

PAGES = sorted((TOP / "docs" / "man").glob("*.[1-9]"))
UNIT = TOP / "packaging" / "fusd@.service"
COMPLETION = (
    "bash-completion/completions/fusd",
    "zsh/site-functions/_fusd",
    "fish/vendor_completions.d/fusd.fish",
)


def make(*arguments):
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CFLAGS")
    }
    subprocess.run(
        ["make", "-s", *arguments],
        cwd=TOP,
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )


def files_below(directory):
    return {
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if not path.is_dir()
    }


def test_all_is_installed_and_uninstalled(tmp_path):
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/usr", f"PYTHON={sys.executable}")
    installed = files_below(tmp_path)
    assert installed >= {
        "usr/include/fusd.h",
        "usr/include/fusd_get.h",
        "usr/include/fusd_descriptor.h",
        "usr/include/fusd_ioctl.h",
        "usr/include/fusd_msg.h",
        "usr/include/fusd_options.h",
        "usr/include/fusd_sysfs.h",
        "usr/lib/libfusd.so",
        "usr/lib/libfusd.a",
        "usr/lib/pkgconfig/libfusd.pc",
        "usr/lib/systemd/system/fusd@.service",
        "usr/lib/udev/rules.d/60-fusd.rules",
        *(f"usr/share/man/man{page.suffix[1]}/{page.name}" for page in PAGES),
        *(f"usr/share/{path}" for path in COMPLETION),
        f"usr/src/kfusd-{pyfusd.__version__}/dkms.conf",
        f"usr/src/kfusd-{pyfusd.__version__}/main.c",
    }
    unit = (tmp_path / "usr/lib/systemd/system/fusd@.service").read_text()
    assert "ExecStart=/usr/bin/fusd run " in unit
    make("uninstall", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    assert files_below(tmp_path) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_manual_pages_are_well_formed(page):
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    result = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")


def page_text(name):
    text = (TOP / "docs" / "man" / name).read_text(encoding="utf-8")
    return text.replace("\\-", "-")


def test_the_library_s_page_has_an_example_that_compiles(tmp_path, installed):
    code = page_text("libfusd.3").split(".SH EXAMPLES\n.nf\n")[1].split("\n.fi")[0]
    (tmp_path / "zeros.c").write_text("#include <string.h>\n" + code)
    flags = ["-Wall", f"-I{installed}/include", f"-L{installed}/lib", "-lfusd"]
    subprocess.run(
        ["cc", "-o", tmp_path / "zeros", tmp_path / "zeros.c", *flags], check=True
    )


def test_the_library_s_page_names_functions_that_are_there():
    headers = (TOP / "include").glob("fusd*.h")
    header = "".join(path.read_text(encoding="utf-8") for path in headers)
    for name in re.findall(r"\bfusd_\w+(?=\()", page_text("libfusd.3")):
        assert f"{name}(" in header, name


def test_the_module_s_page_has_its_parameters():
    files = (TOP / "kernel").glob("*.c")
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    names = re.findall(r"module_param_named\((\w+),", source)
    section = page_text("kfusd.4").split(".SH PARAMETERS")[1].split(".SH")[0]
    assert sorted(re.findall(r"^\.B (max_\w+)", section, re.M)) == sorted(names)
    assert names


@pytest.fixture
def manager(tmp_path):
    """What a service manager listens at, in a directory with a short name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(DEADLINE)
        receiver.bind(f"\0fusd-test-{os.getpid()}-{tmp_path.name}")
        yield receiver


def unit_command(directory, name):
    """What the unit's ExecStart is for a driver in a directory."""
    line = re.search(r"^ExecStart=(.*)", UNIT.read_text(encoding="utf-8"), re.M)[1]
    return (
        line.replace("@BINDIR@", str(Path(sys.executable).parent))
        .replace("/etc/fusd", str(directory))
        .replace("%I", name)
        .replace("$FUSD_OPTIONS", "--mode 666")
        .split()
    )


def test_a_service_is_started_when_its_device_is_there(tmp_path, manager):
    problem = pyfusd.transport_problem("fuse")
    if problem:
        pytest.skip(problem)
    shutil.copy(TOP / "examples" / "python" / "echo.py", tmp_path / "mine.py")
    address = "@" + manager.getsockname()[1:].decode()
    root = tmp_path / "dev"
    driver = subprocess.Popen(
        unit_command(tmp_path, "mine"),
        stdout=subprocess.DEVNULL,
        env={
            **os.environ,
            "NOTIFY_SOCKET": address,
            "FUSD_DEV_ROOT": str(root),
            "FUSD_TRANSPORT": "fuse",
        },
    )
    try:
        assert manager.recv(100) == b"READY=1"
        (root / "mine").write_text("ready", encoding="ascii")
        assert (root / "mine").read_text(encoding="ascii") == "ready"
    finally:
        driver.terminate()
        assert driver.wait(DEADLINE) == 0
    wait_until(lambda: not list(root.iterdir()), "the device to go")


def test_the_unit_is_one(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    (tmp_path / "fusd@.service").write_text(
        UNIT.read_text(encoding="utf-8").replace("@BINDIR@/fusd", "/bin/true")
    )
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "fusd@.service"],
        capture_output=True,
        text=True,
    )
    assert "fusd@" not in result.stderr, result.stderr

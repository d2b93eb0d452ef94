# SPDX-License-Identifier: BSD-3-Clause
"""The examples, built as their own opening comments say, with real programs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyfusd

TOP = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """An installed libfusd and C examples built against it by pkg-config alone."""
    base = tmp_path_factory.mktemp("installed")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CFLAGS")
    }
    subprocess.run(
        ["make", "-s", "install", f"PREFIX={base}"],
        cwd=TOP,
        check=True,
        env=environment,
    )
    environment["PKG_CONFIG_PATH"] = f"{base}/lib/pkgconfig"
    examples = base / "src"
    examples.mkdir()
    for file in (TOP / "examples" / "c").iterdir():
        (examples / file.name).write_bytes(file.read_bytes())
    subprocess.run(
        ["make", "-s", f"OUT={base}/bin"], cwd=examples, check=True, env=environment
    )
    return base


@pytest.fixture(params=["c", "python"])
def example(request, tmp_path):
    """example(name) runs an example; the result is its device's path."""
    if pyfusd.transport_problem("fuse"):
        pytest.skip(pyfusd.transport_problem("fuse"))
    running = []

    def start(name, *arguments, check=True):
        environment = {**os.environ, "FUSD_DEV_ROOT": str(tmp_path / "dev")}
        if request.param == "c":
            base = request.getfixturevalue("installed")
            command = [str(base / "bin" / name)]
            environment["LD_LIBRARY_PATH"] = str(base / "lib")
        else:
            command = [sys.executable, str(TOP / "examples" / "python" / f"{name}.py")]
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        running.append(process)
        line = process.stdout.readline()
        if not check:
            return process
        assert line.startswith(f"{name}: /")
        return line.split(": ", 1)[1].rstrip("\n")

    yield start
    for process in running:
        process.terminate()
        process.communicate(timeout=20)


def shell(command):
    return subprocess.run(
        ["sh", "-ec", command], stdout=subprocess.PIPE, check=True, timeout=20
    ).stdout


def test_helloworld_greets(example):
    path = example("helloworld")
    assert shell(f"cat {path}") == b"Hello, world!\n"
    assert shell(f"cat {path}; dd if={path} bs=3 count=2 status=none") == (
        b"Hello, world!\nHello,"
    )


def test_echo_gives_back_what_was_written(example):
    path = example("echo")
    assert shell(f"echo hi > {path}; cat {path}") == b"hi\n"
    assert shell(f"printf longer > {path}; cat {path}; cat {path}") == b"longerlonger"


def test_a_name_may_be_given(example):
    assert example("echo", "sub/other").endswith("/sub/other")


def test_a_name_that_is_taken_is_one_sentence(example):
    example("echo", "taken")
    second = example("echo", "taken", check=False)
    output, errors = second.communicate(timeout=20)
    assert second.returncode == 1
    assert output == ""
    assert errors.startswith("echo: ")
    assert "another driver" in errors
    assert errors.count("\n") == 1

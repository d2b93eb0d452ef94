# SPDX-License-Identifier: BSD-3-Clause
"""Runs the examples, C and Python, as their opening comments say."""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

import pyfusd

import capabilities
from waiting import DEADLINE, wait_until

TOP = Path(__file__).parent.parent.parent


def pytest_generate_tests(metafunc):
    if "transport" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--transport")
        names = chosen or [
            name
            for name in capabilities.TRANSPORTS
            if pyfusd.transport_problem(name) is None
        ]
        metafunc.parametrize("transport", names or ["none"], scope="session")
    if "language" in metafunc.fixturenames:
        metafunc.parametrize("language", ["c", "python"], scope="session")


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
        ["make", "-s", "-C", "libfusd", "install", f"PREFIX={base}"],
        cwd=TOP,
        check=True,
        env=environment,
    )
    environment["PKG_CONFIG_PATH"] = f"{base}/lib/pkgconfig"
    # Where the library is; nothing else needs to be set to run them.
    environment["LDFLAGS"] = f"-Wl,-rpath,{base}/lib"
    environment["CFLAGS"] = "-O2 -Wall -Wextra -Wshadow -Wconversion -Werror"
    examples = base / "src"
    examples.mkdir()
    for file in (TOP / "examples" / "c").iterdir():
        shutil.copy(file, examples)
    subprocess.run(
        ["make", "-s", f"OUT={base}/bin"], cwd=examples, check=True, env=environment
    )
    return base


@pytest.fixture
def device_root():
    """A directory for devices that every user may enter."""
    directory = tempfile.mkdtemp(prefix="fusd-examples-")
    os.chmod(directory, 0o755)
    yield Path(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def environment(device_root, transport):
    if transport == "none":
        pytest.skip("no transport works here")
    problem = pyfusd.transport_problem(transport)
    if problem:
        pytest.skip(f"{transport} does not work here: {problem}")
    return {
        **os.environ,
        "FUSD_DEV_ROOT": str(device_root / "dev"),
        "FUSD_TRANSPORT": transport,
    }


@pytest.fixture
def program_in(request):
    """program_in(language, name) is the command that runs an example."""

    def command(language, name):
        if language == "python":
            return [sys.executable, str(TOP / "examples" / "python" / f"{name}.py")]
        return [str(request.getfixturevalue("installed") / "bin" / name)]

    return command


@pytest.fixture
def program(program_in, language):
    """program(name) is the command that runs an example."""
    return lambda name: program_in(language, name)


class Example:
    """A running example; its lines come out one by one, the paths first."""

    def __init__(self, name, command, environment):
        self.name = name
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.lines = queue.Queue()
        self.paths = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self):
        """The next line, or None at the end of the output."""
        return self.lines.get(timeout=DEADLINE)

    def device(self):
        """The path of the next device that the example says it made."""
        line = self.line()
        assert line is not None, self.process.communicate()[1]
        assert line.startswith(f"{self.name}: /"), line
        path = line.split(": ", 1)[1]
        assert os.path.exists(path)
        self.paths.append(path)
        return path

    def type(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self):
        """Ends it; what it wrote to its standard error, which should be "" ."""
        self.process.terminate()
        self.reader.join(DEADLINE)
        # Not communicate(): it would want to read the output too.
        self.process.stdin.close()
        errors = self.process.stderr.read()
        self.process.stderr.close()
        self.process.wait(DEADLINE)
        self.process.stdout.close()
        return errors


@pytest.fixture
def start(program, environment):
    """start(name, argument ...) runs an example until the test ends.

    Afterwards none of its devices is left, nor a word about an error.
    """
    running = []

    def run(name, *arguments):
        example = Example(name, [*program(name), *arguments], environment)
        running.append(example)
        return example

    yield run
    errors = [example.stop() for example in running]
    for example in running:
        for path in example.paths:
            wait_until(lambda path=path: not os.path.exists(path), f"{path} to go")
    assert "".join(errors) == ""


@pytest.fixture
def device(start):
    """device(name, argument ...) runs an example; the path of its one device."""
    return lambda name, *arguments: start(name, *arguments).device()


@pytest.fixture
def holds(transport):
    """holds(id): whether the transport keeps this line of the contract."""
    return lambda capability: capabilities.holds(transport, capability)

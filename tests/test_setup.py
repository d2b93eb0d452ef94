# SPDX-License-Identifier: BSD-3-Clause
"""tools/setup: while apt-get is somebody else's, and with what cannot be had."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import TOP

MISSING = "strace"
LOCKS = (
    "E: Could not get lock /var/lib/dpkg/lock-frontend. "
    "It is held by process 77 (unattended-upgr)",
    "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 77 (apt-get)",
)
# The first calls find the lock taken; the one after them has another answer.
APT_GET = """#!/bin/sh
echo call >>{log}
if [ "$(wc -l <{log})" -le {locked} ]; then
    echo "{lock}" >&2
    exit 100
fi
echo "E: Unable to locate package nonsense" >&2
exit 100
"""


@pytest.fixture
def machine(tmp_path):
    """machine(locked, lock) runs tools/setup where one program is missing."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for directory in ("/usr/local/bin", "/usr/bin", "/bin"):
        for file in Path(directory).iterdir():
            if file.name != MISSING and not os.path.lexists(programs / file.name):
                (programs / file.name).symlink_to(file)
    (tmp_path / "tools").mkdir()
    shutil.copy(TOP / "tools" / "setup", tmp_path / "tools")
    log = tmp_path / "calls"

    def put(name, text):
        path = programs / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    # Root's; and nobody waits for what the test says.
    put("id", "#!/bin/sh\necho 0\n")
    put("sleep", '#!/bin/sh\n[ "$1" = 5 ] || exec /bin/sleep "$@"\n')

    def run(locked, lock):
        put("apt-get", APT_GET.format(log=log, locked=locked, lock=lock))
        result = subprocess.run(
            [tmp_path / "tools" / "setup", "check"],
            env={**os.environ, "PATH": str(programs)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert result.returncode == 1
        return result.stdout, len(log.read_text().splitlines())

    return run


@pytest.mark.parametrize("lock", LOCKS, ids=["packages", "lists"])
def test_setup_waits_for_a_lock_and_says_so(machine, lock):
    output, calls = machine(3, lock)
    assert calls == 4
    assert output.count("apt-get is in use") == 1
    assert "held by process 77" in output
    assert "Unable to locate package" in output


def test_the_wait_has_an_end(machine):
    output, calls = machine(10**6, LOCKS[0])
    assert calls == 120
    assert "waiting for at most 10 minutes" in output
    assert "after 570 s" in output
    assert "apt-get could not install" in output


def test_another_failure_is_not_waited_for(machine):
    output, calls = machine(0, LOCKS[0])
    assert calls == 1
    assert "apt-get is in use" not in output


# In the virtual environment: its pip has everything but one of the peers.
PYTHON = """#!/bin/sh
case $* in
-\\ *) exec python3 "$@" ;;
*install\\ pyfuse3*) echo "no wheel of that"; exit 1 ;;
*install\\ mfusepy*) echo mfusepy >>{log} ;;
*) exit 0 ;;
esac
"""


def test_the_benchmark_s_peers_are_installed_one_by_one(tmp_path):
    (tmp_path / "tools").mkdir()
    shutil.copy(TOP / "tools" / "setup", tmp_path / "tools")
    shutil.copy(TOP / "pyproject.toml", tmp_path)
    shutil.copy(TOP / "setup.py", tmp_path)
    python = tmp_path / "build" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    log = tmp_path / "installed"
    python.write_text(PYTHON.format(log=log))
    python.chmod(0o755)
    result = subprocess.run(
        [tmp_path / "tools" / "setup", "bench"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert log.read_text() == "mfusepy\n"
    assert "note: pyfuse3==" in result.stdout
    assert "make bench goes without it" in result.stdout
    assert "no wheel of that" in (tmp_path / "build" / "pip-pyfuse3.log").read_text()

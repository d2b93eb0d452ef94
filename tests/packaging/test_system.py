# SPDX-License-Identifier: BSD-3-Clause
"""What make install installs, in a system that uses it: DKMS and systemd.

Only in a booted kernel, whose files are given up with it: the tests install
into the running system.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pyfusd
from support import TOP
from support.proc import children
from support.waiting import DEADLINE, wait_until

ETC = Path("/etc/fusd")
CGROUPS = Path("/sys/fs/cgroup")
SYSTEMD = Path("/lib/systemd/systemd")
#: Slow, and nothing to a driver.
MASKED = ("systemd-tmpfiles-setup", "systemd-update-utmp", "systemd-timesyncd")


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def system():
    """The running system, with everything installed in /usr."""
    if "FUSD_VM_OUT" not in os.environ:
        pytest.skip("installs into the running system: tests/vm/run boots one for it")
    run("make", "-s", "-C", TOP, "install", "PREFIX=/usr")
    Path("/usr/bin/fusd").symlink_to(Path(sys.executable).parent / "fusd")


def module_file():
    return subprocess.run(
        ["modinfo", "-F", "filename", "kfusd"], stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def test_dkms_builds_the_module_for_modprobe(system):
    if not shutil.which("dkms"):
        pytest.skip("dkms is not installed")
    module = f"kfusd/{pyfusd.__version__}"
    run("dkms", "install", module)
    assert "/updates/dkms/kfusd.ko" in module_file()
    run("rmmod", "kfusd")
    run("modprobe", "kfusd")
    assert pyfusd.transport_problem("kfusd") is None
    run("dkms", "remove", module, "--all")
    assert module_file() == ""


@pytest.fixture(scope="module")
def systemctl(system):
    """systemctl(argument ...) of a systemd that runs as process 1 of its own."""
    if not SYSTEMD.exists():
        pytest.skip("systemd is not installed")
    for name in MASKED:
        Path(f"/etc/systemd/system/{name}.service").symlink_to("/dev/null")
    # Where it is the root of what it sees, as process 1 is.
    run("mount", "-t", "cgroup2", "cgroup2", CGROUPS)
    (CGROUPS / "machine").mkdir()
    start = (
        f"echo $$ >{CGROUPS}/machine/cgroup.procs;"
        "exec unshare --cgroup --pid --fork --mount-proc --kill-child sh -c '"
        f"mount -t cgroup2 cgroup2 {CGROUPS};"
        f"exec env -i container=test PATH=$PATH {SYSTEMD} --unit=sysinit.target'"
    )
    manager = subprocess.Popen(["sh", "-c", start])
    wait_until(lambda: children(manager.pid), "systemd to start")
    inside = ["nsenter", "-t", str(children(manager.pid)[0]), "-p", "-m"]

    def call(*arguments):
        return subprocess.run(
            [*inside, "systemctl", "--no-pager", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ).stdout.strip()

    wait_until(lambda: call("is-active", "sysinit.target") == "active", "the system")
    yield call
    manager.kill()
    manager.wait(DEADLINE)
    wait_until(
        lambda: "populated 0" in (CGROUPS / "machine/cgroup.events").read_text(),
        "the end of all that systemd started",
    )


@pytest.fixture
def device():
    """The device of a driver that is configured as the unit says."""
    ETC.mkdir()
    shutil.copy(TOP / "examples" / "python" / "echo.py", ETC / "mine.py")
    (ETC / "mine.conf").write_text('FUSD_OPTIONS="--mode 664"\n')
    return Path("/dev/mine")


def test_systemd_runs_a_driver(systemctl, device):
    assert systemctl("start", "fusd@mine") == ""
    # The start has waited for this: there is nothing to wait for.
    assert device.is_char_device()
    assert device.stat().st_mode & 0o777 == 0o664
    device.write_text("hello")
    assert device.read_text() == "hello"
    # A driver that fails is started again.
    before = systemctl("show", "-P", "MainPID", "fusd@mine")
    systemctl("kill", "-s", "KILL", "fusd@mine")
    wait_until(
        lambda: (
            systemctl("show", "-P", "MainPID", "fusd@mine") not in (before, "0")
            and systemctl("is-active", "fusd@mine") == "active"
        ),
        "the driver to be started again",
    )
    device.write_text("again")
    assert systemctl("stop", "fusd@mine") == ""
    assert not device.exists()
    assert "Result=success" in systemctl("show", "fusd@mine")


def test_a_unit_without_a_driver_does_not_count_as_started(systemctl):
    assert "ssertion failed" in systemctl("start", "fusd@nobody")
    assert systemctl("is-active", "fusd@nobody") == "inactive"

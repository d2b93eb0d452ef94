# SPDX-License-Identifier: BSD-3-Clause
"""FUSD_DEV_ROOT, the directory for devices of the fuse transport."""

import errno
import os
import subprocess
import sys

import pytest

from support.named_device import NamedDevice, content
from support.serving import serving
from support.waiting import wait_until


@pytest.fixture(autouse=True)
def only_on_fuse(transport):
    if transport != "fuse":
        pytest.skip(f"{transport} has its devices in /dev")


DRIVER = """
import os, sys
import pyfusd

device = pyfusd.Device(sys.argv[1]).register()
print(device.path, flush=True)
os.kill(os.getpid(), 9)
"""


def test_the_root_directory_may_have_devices(monkeypatch):
    if not os.access("/", os.W_OK):
        pytest.skip("this user may not write to /")
    monkeypatch.setenv("FUSD_DEV_ROOT", "/")
    name = f"fusd-test-{os.getpid()}/device"
    with serving(NamedDevice(name)) as device:
        assert device.path == "/" + name
        assert content(device.path) == name.encode()
        other = subprocess.run(
            [sys.executable, "-c", DRIVER, name],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert f"another driver, process {os.getpid()}" in other.stderr
    assert not os.path.exists("/" + os.path.dirname(name))
    killed = subprocess.run(
        [sys.executable, "-c", DRIVER, name], stdout=subprocess.PIPE, check=False
    )
    assert killed.stdout.decode().strip() == "/" + name
    directory = "/" + os.path.dirname(name)
    wait_until(lambda: not os.path.exists(directory), f"the end of {directory}")


def test_a_symbolic_link_is_no_directory_for_devices(device_root):
    elsewhere = device_root.parent / "elsewhere"
    elsewhere.mkdir()
    device_root.mkdir()
    (device_root / "link").symlink_to(elsewhere)
    with pytest.raises(OSError, match="is a symbolic link to") as caught:
        NamedDevice("link/device").register()
    assert caught.value.errno == errno.ELOOP
    assert not list(elsewhere.iterdir())


def test_the_root_itself_may_be_a_symbolic_link(device_root, monkeypatch):
    device_root.mkdir()
    link = device_root.parent / "link"
    link.symlink_to(device_root)
    monkeypatch.setenv("FUSD_DEV_ROOT", str(link))
    with serving(NamedDevice("device")) as device:
        assert device.path == f"{device_root}/device"
        assert content(f"{link}/device") == b"device"


def test_roots_of_the_past_cost_nothing(device_root, monkeypatch):
    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    before = []
    for number in range(4):
        monkeypatch.setenv("FUSD_DEV_ROOT", f"{device_root}{number}")
        for _ in range(3):
            with NamedDevice("device"):
                pass
        before.append(descriptors())
    assert before == [before[0]] * 4
    # And one that is used stays watched.
    with NamedDevice("first"):
        monkeypatch.setenv("FUSD_DEV_ROOT", f"{device_root}last")
        with NamedDevice("second"):
            assert descriptors() == before[0] + 3


@pytest.fixture
def take_away():
    """take_away(path) detaches a mount, whose driver and clients do not notice."""
    if os.getuid() != 0:
        pytest.skip("umount(8) needs root")
    return lambda path: subprocess.run(["umount", "-l", path], check=True)


OTHER = """
import sys
import pyfusd
from support.named_device import NamedDevice

with NamedDevice(sys.argv[1]) as device:
    print(device.path, flush=True)
    pyfusd.run(device)
"""


def test_a_driver_leaves_alone_who_took_the_place_of_its_device(serve, take_away):
    device = serve(NamedDevice("sub/device"))
    with open(device.path, "rb"):
        take_away(device.path)
        other = subprocess.Popen(
            [sys.executable, "-c", OTHER, device.name],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdout.readline().strip() == device.path
        device.unregister()
    assert content(device.path) == b"sub/device"
    other.terminate()
    assert other.wait() == 0
    assert not os.path.exists(os.path.dirname(device.path))


def test_a_driver_leaves_alone_a_file_in_the_place_of_its_device(serve, take_away):
    device = serve(NamedDevice("sub/device"))
    with open(device.path, "rb"):
        take_away(device.path)
        os.rename(device.path, device.path + "-before")
        with open(device.path, "w", encoding="ascii") as file:
            file.write("precious")
        device.unregister()
    assert content(device.path) == b"precious"


EXECUTING = """
import os, signal, sys
import pyfusd
from support.named_device import NamedDevice

def watchers():
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/cmdline") as file:
                text = file.read()
        except OSError:
            continue
        if "fusd-watcher" in text and f"fusd:{os.getpid()}:" in text:
            yield int(process)

if len(sys.argv) < 2:
    NamedDevice("device").register()
    # It shall be late.
    (watcher,) = watchers()
    os.kill(watcher, signal.SIGSTOP)
    script = os.environ["SCRIPT"]
    os.execv(sys.executable, [sys.executable, "-c", script, str(watcher)])
try:
    device = NamedDevice("device").register()
finally:
    os.kill(int(sys.argv[1]), signal.SIGCONT)
print(device.path, sys.argv[1], flush=True)
pyfusd.run(device)
"""


def test_a_driver_may_execute_itself_anew():
    driver = subprocess.Popen(
        [sys.executable, "-c", EXECUTING],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "SCRIPT": EXECUTING,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    path, watcher = driver.stdout.readline().split()
    wait_until(lambda: not os.path.exists(f"/proc/{watcher}"), "the watcher's end")
    assert content(path) == b"device"
    driver.terminate()
    assert driver.wait() == 0
    assert not os.path.exists(path)

# SPDX-License-Identifier: BSD-3-Clause
"""What is at a device's path before, under and after it, on the fuse transport."""

import errno
import multiprocessing
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

import pyfusd
from support.named_device import NamedDevice, content
from support.proc import mounts
from support.serving import serving
from support.waiting import wait_until

NOBODY = 65534


@pytest.fixture(autouse=True)
def only_on_fuse(transport):
    if transport != "fuse":
        pytest.skip(f"{transport} has its devices in /dev")


@pytest.fixture
def root_only():
    if os.geteuid() != 0:
        pytest.skip("only root may do that")


def test_what_is_below_a_device_cannot_be_opened(serve, root_only):
    device = serve(NamedDevice("below"))
    with open(device.path, "rb"):
        subprocess.run(["umount", "-l", device.path], check=True)
        assert stat.S_ISSOCK(os.lstat(device.path).st_mode)
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
            with pytest.raises(OSError) as caught:
                os.open(device.path, flags)
            assert caught.value.errno == errno.ENXIO
    # The loop notices that it was taken away, too.
    device.unregister()
    wait_until(lambda: not os.path.lexists(device.path), "the node's end")


def test_what_a_killed_driver_left_below_is_taken_over(device_root, root_only):
    device_root.mkdir()
    os.mknod(device_root / "left", stat.S_IFSOCK | 0o1000)
    os.chmod(device_root / "left", 0o1000)  # whatever the umask is
    with serving(NamedDevice("left")) as device:
        assert content(device.path) == b"left"
    assert not os.path.lexists(device.path)


def test_what_an_older_version_left_below_is_taken_over(device_root):
    device_root.mkdir()
    (device_root / "left").touch()
    (device_root / "left").chmod(0o200)
    with serving(NamedDevice("left")) as device:
        assert content(device.path) == b"left"
    assert not os.path.lexists(device.path)


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR])
def test_a_special_file_is_looked_at_and_not_opened(device_root, kind):
    device_root.mkdir()
    path = device_root / "special"
    if kind == stat.S_IFCHR and os.geteuid() != 0:
        pytest.skip("only root may make device files")
    os.mknod(path, kind | 0o666, os.makedev(1, 7))  # full: says that it is full
    before = os.lstat(path)
    reader = -1
    if kind == stat.S_IFIFO:
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(FileExistsError, match=r"choose another name$"):
        NamedDevice("special").register()
    after = os.lstat(path)
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    if reader >= 0:
        poller = select.poll()
        poller.register(reader, select.POLLIN)
        assert poller.poll(0) == []  # POLLHUP: a writer came and went
        os.close(reader)


@pytest.mark.parametrize("umask", [0o077, 0o777, 0])
def test_directories_are_open_to_all_whatever_the_umask(umask):
    before = os.umask(umask)
    try:
        device = NamedDevice("a/b/device", mode=0o666).register()
    finally:
        os.umask(before)
    parents = list(Path(device.path).parents)[:3]
    modes = [stat.S_IMODE(one.stat().st_mode) for one in parents]
    device.unregister()
    assert modes == [0o1755] * 3
    assert os.listdir(parents[2]) == []


KILLED = """
import os, sys
import pyfusd
pyfusd.Device(sys.argv[1]).register()
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("is_killed", [False, True])
def test_directories_of_others_stay(device_root, is_killed):
    (device_root / "theirs").mkdir(parents=True)
    if is_killed:
        command = [sys.executable, "-c", KILLED, "theirs/ours/device"]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    else:
        with NamedDevice("theirs/ours/device"):
            pass
    theirs = device_root / "theirs"
    wait_until(lambda: os.listdir(theirs) == [], "the end of the device")


def test_a_directory_of_another_user_is_not_entered(device_root, root_only):
    (device_root / "theirs").mkdir(parents=True)
    os.chown(device_root / "theirs", NOBODY, NOBODY)
    with pytest.raises(PermissionError, match="belongs to another user, 65534"):
        NamedDevice("theirs/device").register()
    # Unless all of it is that user's.
    os.chown(device_root, NOBODY, NOBODY)
    with serving(NamedDevice("theirs/device")) as device:
        assert content(device.path) == b"theirs/device"
    assert os.listdir(device_root) == ["theirs"]


def test_drivers_that_want_one_place_get_it_one_at_a_time(device_root):
    """All but one are told EEXIST, and that one serves."""
    context = multiprocessing.get_context("fork")
    begin, end = context.Event(), context.Event()
    results = context.Queue()

    def drive():
        begin.wait()
        try:
            device = NamedDevice("wanted/place").register()
        except OSError as error:
            results.put(error.errno)
            return
        results.put(0)
        end.wait()
        device.unregister()

    processes = [context.Process(target=drive) for _ in range(6)]
    for process in processes:
        process.start()
    begin.set()
    found = sorted(results.get(timeout=60) for _ in processes)
    end.set()
    for process in processes:
        process.join()
    assert found == [0] + [errno.EEXIST] * 5
    wait_until(lambda: os.listdir(device_root) == [], "the end of the device")


def as_user(uid, environment):
    """A device of a user: its path, or why there is none."""
    ours, theirs = multiprocessing.Pipe()

    def run():
        os.environ.update(environment)
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        device = pyfusd.Device("of-a-user", transport="fuse")
        try:
            with device:
                theirs.send(device.path)
        except OSError as error:
            theirs.send(str(error))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    said = ours.recv()
    process.join()
    return said


@pytest.fixture
def users(root_only, monkeypatch):
    """Users other than root may have devices here."""
    monkeypatch.delenv("FUSD_DEV_ROOT")
    if not shutil.which("fusermount3") or os.stat("/dev/fuse").st_mode & 6 != 6:
        pytest.skip("/dev/fuse is not for all users")


def test_a_runtime_directory_that_is_absent_is_not_needed(users):
    path = as_user(NOBODY, {"XDG_RUNTIME_DIR": "/run/user/nonsense"})
    assert path == f"/tmp/fusd-{NOBODY}/dev/of-a-user"
    # root's, as sudo(8) may leave it.
    path = as_user(NOBODY, {"XDG_RUNTIME_DIR": "/run"})
    assert path == f"/tmp/fusd-{NOBODY}/dev/of-a-user"
    assert not os.path.lexists(path)
    shutil.rmtree(f"/tmp/fusd-{NOBODY}")


def test_a_user_without_an_entry_is_told_so(users):
    uid = 3_000_000_019
    said = as_user(uid, {"XDG_RUNTIME_DIR": ""})
    assert "user 3000000019, who has no entry in /etc/passwd" in said
    assert os.listdir(f"/tmp/fusd-{uid}/dev") == []
    shutil.rmtree(f"/tmp/fusd-{uid}")


def test_a_setuid_driver_is_not_led_by_its_user(users, installed, monkeypatch):
    """Neither to a directory for devices nor to programs of the user's."""
    if os.statvfs(tempfile.gettempdir()).f_flag & os.ST_NOSUID:
        pytest.skip("temporary files cannot be setuid")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o777)
        program = directory / "driver"
        shutil.copy(installed / "bin" / "echo", program)
        program.chmod(0o4755)
        for tool in ("sh", "umount", "fusermount3", "sed", "rm", "rmdir"):
            (directory / tool).write_text(f"#!/bin/sh\n: >{directory}/led-$$\n")
            (directory / tool).chmod(0o755)
        device = f"fusd-setuid-{os.getpid()}"
        environment = {
            "PATH": name,
            "FUSD_TRANSPORT": "fuse",
            "FUSD_DEV_ROOT": f"{name}/root",
            "XDG_RUNTIME_DIR": name,
        }
        driver = subprocess.Popen(
            [program, device],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: (os.setgid(NOBODY), os.setuid(NOBODY)),
        )
        try:
            # On whatever transport is the first here: that is not asked either.
            assert driver.stdout.readline() == f"echo: /dev/{device}\n"
        finally:
            driver.kill()
            driver.wait()
        # A shell drops what the driver had: then the mount and its socket stay.
        with suppress(AssertionError):
            wait_until(lambda: f"/dev/{device}" not in mounts(), "the end", 2)
        if f"/dev/{device}" in mounts():
            subprocess.run(["umount", "-l", f"/dev/{device}"], check=True)
        with suppress(FileNotFoundError):
            os.unlink(f"/dev/{device}")
        assert not list(directory.glob("led-*"))
        assert not (directory / "root").exists()

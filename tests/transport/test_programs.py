# SPDX-License-Identifier: BSD-3-Clause
"""What programs that nobody here wrote make of a device."""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys

import pytest

from support.waiting import DEADLINE

LANGUAGES = ("c",)

TEXT = "hello, world\n"

FOR_EVERY_FILE = {
    "FIGETBSZ": 0x2,
    "FIOCLEX": 0x5451,
    "FIONCLEX": 0x5450,
    "FIONBIO": 0x5421,
    "FIOASYNC": 0x5452,
    "FIOQSIZE": 0x5460,
    "FICLONE": 0x40049409,
    "FIDEDUPERANGE": 0xC0189436,
    "FS_IOC_FIEMAP": 0xC020660B,
}
FOR_REGULAR_FILES = {
    "FIBMAP": 0x1,
    "FIONREAD": 0x541B,
    "FS_IOC_GETFLAGS": 0x80086601,
    "FS_IOC_SETFLAGS": 0x40086602,
    "FS_IOC_FSGETXATTR": 0x801C581F,
    "FS_IOC_FSSETXATTR": 0x401C5820,
    "FS_IOC_RESVSP": 0x40305828,
    "FS_IOC_UNRESVSP": 0x4030582A,
    "FS_IOC_ZERO_RANGE": 0x40305839,
}
OTHERS = {"TCGETS": 0x5401, "CDROMEJECT": 0x5309, "WDIOC_KEEPALIVE": 0x80045705}


@pytest.fixture
def served(original, client):
    """A device that gives TEXT, polls readable and answers each ioctl."""
    driver, caller = original("notes", "notes"), client()
    descriptor = caller("open", driver.path, os.O_RDWR)
    caller("write", descriptor, "input")
    caller("write", descriptor, "text")
    caller("close", descriptor)
    driver.expect("close")
    return driver


@pytest.fixture
def path(served):
    return served.path


def run(program, *arguments):
    """Runs a program of the machine's; its standard output."""
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed: what it does was not tried")
    result = subprocess.run(
        [found, *arguments], capture_output=True, timeout=DEADLINE, check=False
    )
    return result.stdout.decode("latin-1")


def is_regular(path):
    return stat.S_ISREG(os.stat(path).st_mode)


def test_ioctl_numbers_reach_the_driver_where_the_transport_says(path, client, holds):
    caller = client()
    descriptor = caller("open", path, os.O_RDWR)
    tried = {**FOR_EVERY_FILE, **FOR_REGULAR_FILES, **OTHERS}
    arrived = {
        name
        for name, number in tried.items()
        if caller("ioctl", descriptor, number, "\0" * 64)[0] == 47
    }
    if holds("ioctl-kernel"):
        assert arrived == {*FOR_REGULAR_FILES, *OTHERS}
    else:
        assert arrived == set(OTHERS)


def test_an_open_with_o_direct_does_what_the_transport_says(served, client, holds):
    caller = client()
    if holds("direct"):
        caller("close", caller("open", served.path, os.O_RDONLY | os.O_DIRECT))
    else:
        assert caller.fails("open", served.path, os.O_RDONLY | os.O_DIRECT) == "EINVAL"
    # In each case there is one close for the open that the driver saw.
    caller("close", caller("open", served.path, os.O_RDONLY))
    served.collect("close", 3)


def test_busybox_s_cat_shows_what_the_transport_says(path, holds):
    assert run("cat", path) == TEXT
    assert run("busybox", "cat", path) == (TEXT if holds("busybox") else "")


def test_git_hashes_what_it_takes_for_the_size(path, holds):
    text = TEXT if holds("git") else ""
    blob = f"blob {len(text)}\0{text}".encode()
    wanted = hashlib.sha1(blob, usedforsecurity=False).hexdigest()
    assert run("git", "hash-object", path) == wanted + "\n"


def test_rsync_copies_what_it_takes_for_the_size(path, tmp_path, holds):
    run("rsync", "--copy-devices", path, str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_text() == (TEXT if holds("rsync") else "")


def test_eject_takes_it_for_something_else(served):
    mounted = f"mounted on {served.path}"
    assert (mounted in run("eject", "-v", served.path)) == is_regular(served.path)
    assert os.path.exists(served.path)


def test_numpy_s_fromfile_needs_the_count(path):
    numpy = pytest.importorskip("numpy", reason="numpy is not installed: not tried")
    assert bytes(numpy.fromfile(path, dtype="u1", count=5)) == TEXT[:5].encode()
    if is_regular(path):
        assert len(numpy.fromfile(path, dtype="u1")) == 0


READ_PIPE = """
import asyncio, sys

async def main():
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    loop = asyncio.get_running_loop()
    with open(sys.argv[1], "rb", buffering=0) as file:
        try:
            transport, _ = await loop.connect_read_pipe(lambda: protocol, file)
        except ValueError as error:
            print(error)
            return
        print((await reader.readline()).decode(), end="")
        transport.close()

asyncio.run(main())
"""


def test_asyncio_reads_as_from_a_pipe_where_the_transport_says(path, holds):
    text = run(sys.executable, "-c", READ_PIPE, path)
    assert text == (
        TEXT if holds("read-pipe") else "Pipe transport is for pipes/sockets only.\n"
    )


def test_a_stopped_client_goes_on_where_the_transport_says(driver, client, holds):
    """As all are when the machine suspends."""
    served, caller = driver("hold:device"), client()
    caller.start("raw_read", caller("open", served.path, os.O_RDONLY), 10)
    served.expect("hold")
    os.kill(caller.process.pid, signal.SIGSTOP)
    if not holds("suspend"):
        served.expect("unblock")
    os.kill(caller.process.pid, signal.SIGCONT)
    if holds("suspend"):
        served.answer(4, "late")
        assert caller.result() == "late"
    else:
        assert caller.failure() == "EINTR"

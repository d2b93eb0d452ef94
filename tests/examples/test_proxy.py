# SPDX-License-Identifier: BSD-3-Clause
"""proxy, before a file and before other devices."""

import errno
import fcntl
import os
import re
import struct
import subprocess

import pytest

import pyfusd
from support.shell import failure, output

DIAL_RESET = pyfusd.IO("D", 1)
DIAL_GET = pyfusd.IOR("D", 2, "2i")
DIAL_SET = pyfusd.IOW("D", 3, "2i")
NO_SIZE = 1 << 31 | DIAL_RESET  # It says that bytes come back, but not how many.


def test_proxy_hands_on_and_logs(start, tmp_path):
    (tmp_path / "target").write_bytes(b"hello")
    proxy = start("proxy", str(tmp_path / "target"))
    path = proxy.device()
    client = subprocess.run(
        ["dd", f"if={path}", "bs=100", "status=none"], stdout=subprocess.PIPE
    )
    assert client.stdout == b"hello"
    # The kernel does not always say who closed.
    calls = [re.sub("[0-9]+", "N", proxy.line(), count=1) for _ in range(4)]
    assert re.fullmatch(r"proxy: N open\(0\) = [0-9]+", calls[0])
    assert calls[1:] == [
        "proxy: N read(100) = 5",
        "proxy: N read(100) = 0",
        "proxy: N close() = 0",
    ]


def test_proxy_writes_and_seeks(start, tmp_path, holds):
    (tmp_path / "target").write_bytes(b"hello")
    path = start("proxy", str(tmp_path / "target"), "sub/proxy").device()
    output(f"printf J | dd of={path} conv=notrunc status=none")
    if not holds("position"):
        assert output(f"cat {path}") == "Jello"
        return
    output(f"printf y | dd of={path} bs=1 seek=4 conv=notrunc status=none")
    assert output(f"cat {path}; dd if={path} bs=1 skip=3 status=none") == "Jellyly"


def test_proxy_hands_on_seeks_and_syncs(device, tmp_path, holds):
    (tmp_path / "target").write_bytes(b"hello")
    descriptor = os.open(device("proxy", str(tmp_path / "target")), os.O_RDWR)
    if holds("fsync"):
        os.fsync(descriptor)
        os.fdatasync(descriptor)
    if holds("seek"):
        assert os.lseek(descriptor, -2, os.SEEK_END) == 3
        assert os.lseek(descriptor, -1, os.SEEK_CUR) == 2
    if holds("seek-data"):
        assert os.lseek(descriptor, 1, os.SEEK_DATA) == 1
        assert os.lseek(descriptor, 1, os.SEEK_HOLE) == 5
        with pytest.raises(OSError, match="No such device or address"):
            os.lseek(descriptor, 5, os.SEEK_DATA)
    os.close(descriptor)


def test_proxy_is_a_device_on_a_device(device, tmp_path):
    path = device("echo")
    top = device("proxy", device("proxy", path, "middle"), "top")
    output(f"echo through > {top}")
    assert output(f"cat {top} {path}") == "through\nthrough\n"


def test_proxy_hands_on_ioctls(device, program):
    path = device("proxy", device("ioctl"))
    talk = subprocess.run([*program("ioctl_client"), path], capture_output=True)
    assert b"turned by -75: now at 35" in talk.stdout
    assert b"set to 40 of 40: Invalid argument" in talk.stdout


def test_proxy_keeps_arguments_of_no_size_to_itself(start):
    safe = start("ioctl").device()
    proxy = start("proxy", safe)
    with open(proxy.device(), "r+b", buffering=0) as client:
        fcntl.ioctl(client, DIAL_SET, struct.pack("2i", 30, 40))
        # A mark itself to the safe; to another device it might be an address.
        for number in (DIAL_RESET, NO_SIZE):
            with pytest.raises(OSError) as refused:
                fcntl.ioctl(client, number, 7)
            assert refused.value.errno == errno.ENOTTY
    with open(safe, "r+b", buffering=0) as client:
        dial = fcntl.ioctl(client, DIAL_GET, bytes(8))
    assert struct.unpack("2i", dial) == (30, 40)
    results = [proxy.line().split(" ", 2)[2] for _ in range(4)]
    assert results[1:] == [
        f"ioctl({DIAL_SET:#x}) = 0",
        f"ioctl({DIAL_RESET:#x}) = -25",
        f"ioctl({NO_SIZE:#x}) = -25",
    ]


def test_proxy_hands_on_errors(start, tmp_path):
    proxy = start("proxy", str(tmp_path / "target"))
    path = proxy.device()
    assert "No such file or directory" in failure(f"cat {path}")
    assert proxy.line().endswith(" open(0) = -2")
    os.mkdir(tmp_path / "target")
    assert "Is a directory" in failure(f"cat {path}")

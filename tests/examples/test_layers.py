# SPDX-License-Identifier: BSD-3-Clause
"""The examples that hand on what others make: random_bytes and proxy."""

import os
import re
import subprocess

from shell import failure, output


def test_random_bytes_feeds_dd(device):
    path = device("random_bytes")
    assert output(f"dd if={path} bs=128K count=64 status=none | wc -c") == "8388608\n"
    # It does not compress, so it is no pattern; and it is never twice the same.
    assert int(output(f"head -c 1000000 {path} | gzip -c | wc -c")) > 1000000
    assert output(f"head -c 16 {path} | od -x") != output(f"head -c 16 {path} | od -x")


def test_random_bytes_fills_odd_lengths(device):
    path = device("random_bytes")
    assert output(f"head -c 3 {path} | wc -c; head -c 100001 {path} | wc -c") == (
        "3\n100001\n"
    )


def test_random_bytes_takes_nothing(device):
    path = device("random_bytes")
    assert "Invalid argument" in failure(f"echo seed | dd of={path}")


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


def test_proxy_writes_and_seeks(start, tmp_path):
    (tmp_path / "target").write_bytes(b"hello")
    path = start("proxy", str(tmp_path / "target"), "sub/proxy").device()
    output(f"printf J | dd of={path} conv=notrunc status=none")
    output(f"printf y | dd of={path} bs=1 seek=4 conv=notrunc status=none")
    assert output(f"cat {path}; dd if={path} bs=1 skip=3 status=none") == "Jellyly"


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
    assert b"reset to 7: at 7 of 40" in talk.stdout


def test_proxy_hands_on_errors(start, tmp_path):
    proxy = start("proxy", str(tmp_path / "target"))
    path = proxy.device()
    assert "No such file or directory" in failure(f"cat {path}")
    assert proxy.line().endswith(" open(0) = -2")
    os.mkdir(tmp_path / "target")
    assert "Is a directory" in failure(f"cat {path}")

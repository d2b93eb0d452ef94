# SPDX-License-Identifier: BSD-3-Clause
"""random_bytes, with dd and gzip."""

import os

from support.shell import failure, output


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
    # To root the mode, 0444, is no obstacle.
    error = "Permission denied" if os.getuid() else "Invalid argument"
    assert error in failure(f"echo seed | dd of={path}")

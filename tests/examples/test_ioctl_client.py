# SPDX-License-Identifier: BSD-3-Clause
"""ioctl_client, where it cannot do what it is for."""

import subprocess


def test_ioctl_client_says_what_fails(program, device):
    path = device("helloworld")
    result = subprocess.run(
        [*program("ioctl_client"), path], capture_output=True, text=True
    )
    sentence = f"ioctl_client: {path}: Inappropriate ioctl for device\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", sentence)


def test_ioctl_client_says_what_is_missing(program):
    result = subprocess.run(
        [*program("ioctl_client"), "/nowhere"], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr == "ioctl_client: /nowhere: No such file or directory\n"

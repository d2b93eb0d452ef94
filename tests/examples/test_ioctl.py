# SPDX-License-Identifier: BSD-3-Clause
"""ioctl, with the client of either language."""

import subprocess

import pytest

DIALOGUE = """\
set: at 30 of 40
turned by -75: now at 35, passed the first mark 2 times
set to 40 of 40: Invalid argument
request 99: Inappropriate ioctl for device
reset to 7: at 7 of 40
"""


@pytest.mark.parametrize("client_language", ["c", "python"])
def test_ioctl_answers_both_clients(program_in, device, client_language):
    path = device("ioctl")
    client = program_in(client_language, "ioctl_client")
    result = subprocess.run([*client, path], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == (DIALOGUE, "")

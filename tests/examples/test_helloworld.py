# SPDX-License-Identifier: BSD-3-Clause
"""helloworld, with the shell's programs."""

from support.shell import output


def test_helloworld_greets(device):
    path = device("helloworld")
    assert output(f"cat {path}") == "Hello, world!\n"
    assert output(f"cat {path}; dd if={path} bs=3 count=2 status=none") == (
        "Hello, world!\nHello,"
    )

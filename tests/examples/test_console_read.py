# SPDX-License-Identifier: BSD-3-Clause
"""console_read: a request is answered later, by who types."""

from support.shell import Reader


def test_console_read_gives_clients_what_is_typed(start):
    console = start("console_read")
    path = console.device()
    first = Reader(path, "exec head -n 1")
    assert console.line() == (
        f"console_read: process {first.process.pid} reads, what shall it get?"
    )
    console.type("good morning")
    assert first.rest() == "good morning\n"
    second = Reader(path, "exec head -n 1")
    assert f"process {second.process.pid} " in console.line()
    console.type("good night")
    assert second.rest() == "good night\n"

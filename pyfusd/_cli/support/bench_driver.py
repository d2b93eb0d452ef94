# SPDX-License-Identifier: BSD-3-Clause
"""python -m pyfusd._cli.support.bench_driver: what fusd bench measures by default.

Says "ready TRANSPORT PATH" or "failed SENTENCE", and ends with its input.
"""

from __future__ import annotations

import os
import sys

from pyfusd import Device, run
from pyfusd._own_program import end_with_input


class Memory(Device):
    """Every read is as long as asked for, every write is taken whole."""

    def read(self, file: object, buf: memoryview, offset: int) -> int:
        return len(buf)

    def write(self, file: object, buf: memoryview, offset: int) -> int:
        return len(buf)


def _say(*words: object) -> bool:
    """Whether anybody listens; after a Ctrl-C nobody does."""
    try:
        print(*words, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def main() -> int:
    device = Memory(f"fusd-bench-{os.getpid()}", 0o600)
    try:
        device.register()
    except OSError as error:
        _say("failed", error.strerror)
        return 1
    if _say("ready", device.transport, device.path):
        end_with_input()
        run(device)
    device.unregister()
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: BSD-3-Clause
"""python -m pyfusd._cli.support.probe TRANSPORT: one device, one read, and gone.

A process of its own, so that a transport that hangs hangs nobody else. Prints
nothing if it works, else one sentence; exit status 0 or 1.
"""

from __future__ import annotations

import os
import sys
import threading

from pyfusd import Device, run

_CONTENT = b"it works"


class _Probe(Device):
    def read(self, file: object, buf: memoryview, offset: int) -> bytes:
        return _CONTENT[offset:]


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, len(_CONTENT))
    finally:
        os.close(descriptor)


def main() -> int:
    name = f"fusd-doctor-{os.getpid()}"
    try:
        with _Probe(name, transport=sys.argv[1]) as device:
            # Served by another thread: one must not open what it serves.
            serving = threading.Thread(target=run, args=(device,), daemon=True)
            serving.start()
            content = _read(device.path)
        serving.join()
    except OSError as error:
        print(error.strerror or error)
        return 1
    if content != _CONTENT:
        print(f"a read gave {content!r} instead of {_CONTENT!r}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

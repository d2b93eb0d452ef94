# SPDX-License-Identifier: BSD-3-Clause
"""The fuzzed driver: it notes each request, and answers as it is told.

A plan says how the next read, write or ioctl is answered: {"result": ...} is an
int, bytes, or ("raise", errno) or ("raise", None) for another exception;
"fill" goes into the buffer first, "offset" becomes the file position.

    python driver.py NAME CHANNEL
"""

import logging
import sys
import threading
from collections import deque
from multiprocessing.connection import Connection

import pyfusd


class Fuzzed(pyfusd.Device):
    def __init__(self, name):
        super().__init__(name, 0o666)
        self.plans = deque()
        self.log = []
        self.files = 0
        self.state = 0

    def open(self, file):
        self.files += 1
        file.number = self.files
        self.log.append(("open", file.number, file.flags))

    def close(self, file):
        self.log.append(("close", file.number))

    def read(self, file, buf, offset):
        self.log.append(("read", file.number, len(buf), offset))
        return self.answer(file, buf)

    def write(self, file, buf, offset):
        self.log.append(("write", file.number, bytes(buf), offset))
        return self.answer(file)

    def ioctl(self, file, request, data):
        seen = data if isinstance(data, int) else bytes(data)
        self.log.append(("ioctl", file.number, int(request), seen))
        return self.answer(file, None if isinstance(data, int) else data)

    def poll(self, file):
        return self.state

    def answer(self, file, buf=None):
        # Without a plan it is a request that the model did not foresee.
        plan = self.plans.popleft() if self.plans else {"result": 0}
        fill = plan.get("fill", b"")
        if buf is not None:
            buf[: len(fill)] = fill[: len(buf)]
        if "offset" in plan:
            file.offset = plan["offset"]
        result = plan["result"]
        if not isinstance(result, tuple):
            return result
        if result[1] is None:
            raise ValueError("as it was told")
        raise OSError(result[1], "as it was told")


def obey(device, channel):
    while True:
        try:
            command, argument = channel.recv()
        except EOFError:
            device.unregister()
            return
        if command == "plan":
            device.plans.clear()
            device.plans.append(argument)
        elif command == "state":
            device.state = argument
            device.poll_changed()
        log, device.log = device.log, []
        channel.send(log)


def main():
    logging.getLogger("pyfusd").setLevel(logging.CRITICAL)
    channel = Connection(int(sys.argv[2]))
    device = Fuzzed(sys.argv[1]).register()
    channel.send(device.path)
    threading.Thread(target=obey, args=(device, channel), daemon=True).start()
    pyfusd.run(device)


if __name__ == "__main__":
    main()

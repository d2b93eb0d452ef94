# SPDX-License-Identifier: BSD-3-Clause
"""A pager: a read waits until somebody writes, and a write pages everybody.

Held requests keep a client blocked while the driver serves others. What a
client has seen is kept per open file, and poll() tells those who wait with
poll, select or epoll.

Try it:  python pager.py &        (prints where the device is)
         cat /dev/pager &         (waits; start as many as you like)
         echo lunch > /dev/pager
"""

import errno
import os
import sys
from contextlib import suppress

import pyfusd

PAGE_SIZE = 1024


class Pager(pyfusd.Device):
    page = b""
    number = 0

    def __init__(self, name="pager", **options):
        super().__init__(name, **options)
        self.readers = []  # held reads, of any client

    def open(self, file):
        file.seen = self.number

    def close(self, file):
        # The client may have been killed while its reads waited.
        for request in [one for one in self.readers if one.file is file]:
            self.readers.remove(request)
            with suppress(BrokenPipeError):
                request.fail(errno.EINTR)

    def read(self, file, buf, offset):
        if file.seen != self.number:
            file.seen = self.number
            return self.page
        if file.flags & os.O_NONBLOCK:
            raise BlockingIOError(errno.EAGAIN, "no new page")
        self.readers.append(file.hold())
        return pyfusd.NOREPLY

    def poll(self, file):
        if file.seen != self.number:
            return pyfusd.NOTIFY_INPUT | pyfusd.NOTIFY_OUTPUT
        return pyfusd.NOTIFY_OUTPUT

    def write(self, file, buf, offset):
        self.page = bytes(buf[:PAGE_SIZE])
        self.number += 1
        readers, self.readers = self.readers, []
        for request in readers:
            try:
                request.reply(self.page)
            except BrokenPipeError:
                continue  # A signal ended that read: the client saw nothing.
            request.file.seen = self.number
        self.poll_changed()
        return len(buf)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "pager"
    if len(sys.argv) > 2 or name.startswith("-"):
        sys.exit("usage: pager.py [NAME]")
    try:
        with Pager(name, mode=0o666) as device:
            print("pager:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"pager: {error.strerror}")


if __name__ == "__main__":
    main()

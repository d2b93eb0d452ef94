# SPDX-License-Identifier: BSD-3-Clause
"""A log in a ring: writes are appended, the newest 64 KiB are kept, and every
reader follows the log from its oldest byte on, as "tail -f" does.

A held request has its buffer and its file with it: one method answers a read
at once or much later.

Try it:  python logring.py &      (prints where the device is)
         ls -l / > /dev/logring
         cat /dev/logring &
         date > /dev/logring
"""

import errno
import os
import sys
from contextlib import suppress

import pyfusd

RING_SIZE = 64 * 1024


class LogRing(pyfusd.Device):
    written = 0  # positions count all bytes ever written

    def __init__(self, name="logring", **options):
        super().__init__(name, **options)
        self.ring = bytearray(RING_SIZE)
        self.readers = set()  # open files

    @property
    def oldest(self):
        return max(0, self.written - RING_SIZE)

    def open(self, file):
        file.position = self.oldest
        file.waiting = None  # its held read
        self.readers.add(file)

    def end_read(self, file):
        """Ends a read that waits, so that it swallows nothing written later."""
        request, file.waiting = file.waiting, None
        if request:
            with suppress(BrokenPipeError):
                request.fail(errno.EINTR)

    def close(self, file):
        self.end_read(file)  # The client may have been killed.
        self.readers.remove(file)

    def fill(self, file, buf):
        """Gives a reader what is new to it, and returns the count of bytes."""
        file.position = max(file.position, self.oldest)
        start = file.position % RING_SIZE
        count = min(self.written - file.position, len(buf), RING_SIZE - start)
        buf[:count] = memoryview(self.ring)[start : start + count]
        file.position += count
        return count

    def read(self, file, buf, offset):
        if file.position < self.written:
            return self.fill(file, buf)
        # One read of an open file waits; a second one is told to come back.
        if file.flags & os.O_NONBLOCK or file.waiting:
            raise BlockingIOError(errno.EAGAIN, "nothing new")
        file.waiting = file.hold()
        return file.waiting

    def unblock(self, file, request):
        if request is file.waiting:
            self.end_read(file)

    def poll(self, file):
        if file.position < self.written:
            return pyfusd.NOTIFY_INPUT | pyfusd.NOTIFY_OUTPUT
        return pyfusd.NOTIFY_OUTPUT

    def append(self, data):
        lost = max(0, len(data) - RING_SIZE)
        self.written += lost
        data = data[lost:]
        start = self.written % RING_SIZE
        first = min(len(data), RING_SIZE - start)
        self.ring[start : start + first] = data[:first]
        self.ring[: len(data) - first] = data[first:]
        self.written += len(data)

    def write(self, file, buf, offset):
        self.append(buf)
        for reader in self.readers:
            request, reader.waiting = reader.waiting, None
            if not request:
                continue
            position = reader.position
            try:
                request.reply(self.fill(reader, request.buffer))
            except BrokenPipeError:
                # A signal ended that read: the next one gets the bytes.
                reader.position = position
        self.poll_changed()
        return len(buf)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "logring"
    if len(sys.argv) > 2 or name.startswith("-"):
        sys.exit("usage: logring.py [NAME]")
    try:
        with LogRing(name, mode=0o666) as device:
            print("logring:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"logring: {error.strerror}")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: BSD-3-Clause
"""The polled driver: each open file has some data, some room, and other bits.

It notes each change of a state as (when it began, when it was over, the open
file's number, the state before, the state after, whether a transfer did it).
"""

import errno
import logging
import os
import threading
import time

import pyfusd

IN, OUT = pyfusd.NOTIFY_INPUT, pyfusd.NOTIFY_OUTPUT


class Polled(pyfusd.Device):
    def __init__(self, name):
        super().__init__(name, 0o666)
        self.lock = threading.Lock()
        self.files = {}
        self.count = 0
        self.log = []
        self.says_all = True  # else only what becomes ready

    def open(self, file):
        with self.lock:
            file.number = self.count
            self.count += 1
            file.data = file.room = file.bits = 0
            self.files[file.number] = file

    def close(self, file):
        del self.files[file.number]

    def poll(self, file):
        return (IN if file.data else 0) | (OUT if file.room else 0) | file.bits

    def read(self, file, buf, offset):
        return b"x" if self.transfer(file, "data") else -errno.EAGAIN

    def write(self, file, buf, offset):
        return 1 if self.transfer(file, "room") else -errno.EAGAIN

    def transfer(self, file, what):
        with self.lock:
            count = getattr(file, what)
            if not count:
                return False
            self.change(file, what, count - 1, is_transfer=True)
        if self.says_all:
            file.poll_changed()
        return True

    def change(self, file, what, value, is_transfer=False):
        """With the lock. Returns the note, which is complete once it was said."""
        note = [time.monotonic(), 0.0, file.number, self.poll(file), 0, is_transfer]
        setattr(file, what, value)
        note[1], note[4] = time.monotonic(), self.poll(file)
        if note[3] != note[4]:
            self.log.append(note)
        return note

    def set(self, number, what, value):
        file = self.files[number]
        with self.lock:
            if what != "bits" and value:
                value += getattr(file, what)
            note = self.change(file, what, value)
        file.poll_changed()
        note[1] = time.monotonic()

    def take_log(self):
        with self.lock:
            log, self.log = self.log, []
            return log, {number: self.poll(file) for number, file in self.files.items()}


def obey(device, channel):
    while True:
        try:
            command, *arguments = channel.recv()
        except EOFError:
            device.unregister()
            os._exit(0)
        if command == "set":
            device.set(*arguments)
        elif command == "says_all":
            device.says_all = arguments[0]
        elif command == "log":
            channel.send(device.take_log())


def serve(name, channel, threads):
    """In a process of its own; ends it when the channel does."""
    logging.getLogger("pyfusd").setLevel(logging.CRITICAL)
    device = Polled(name).register()
    channel.send(device.path)
    for _ in range(threads):
        threading.Thread(target=pyfusd.run, args=(device,), daemon=True).start()
    obey(device, channel)

# SPDX-License-Identifier: BSD-3-Clause
"""A process that is driver and client of one device at once."""

import os
import signal
import subprocess

import pytest

from waiting import DEADLINE, wait_until

DRIVER = """
import os, sys, threading, pyfusd

class Holding(pyfusd.Device):
    def open(self, file):
        return self.keep(file) if "open" in sys.argv else None

    def read(self, file, buf, offset):
        return self.keep(file)

    def keep(self, file):
        self.held = file.hold()
        print("held", flush=True)
        return self.held

def call(path):
    fd = os.open(path, os.O_RDWR)
    os.read(fd, 1)

device = Holding("holding").register()
print(device.path, flush=True)
# Who waits is the thread that stands for the process, or another one.
calls = (pyfusd.run, device), (call, device.path)
in_thread, here = calls if "main" in sys.argv else reversed(calls)
threading.Thread(target=in_thread[0], args=in_thread[1:], daemon=True).start()
here[0](*here[1:])
"""


@pytest.mark.parametrize("call", ["open", "read"])
@pytest.mark.parametrize("thread", ["main", "other"])
def test_a_killed_process_that_waits_for_itself_dies(
    start_python, device_root, call, thread
):
    both = start_python(DRIVER, call, thread)
    path = both.stdout.readline().decode().strip()
    assert both.stdout.readline() == b"held\n"
    both.kill()
    try:
        assert both.wait(DEADLINE) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        subprocess.run(["umount", "-f", path], check=True)
        raise
    wait_until(lambda: "holding" not in os.listdir(device_root), "the device's end")

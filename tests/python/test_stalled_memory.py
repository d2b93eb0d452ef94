# SPDX-License-Identifier: BSD-3-Clause
"""A client's memory whose page does not come: its driver goes on."""

import platform
import signal
import subprocess
import sys

import pytest

import pyfusd
from support.waiting import DEADLINE, wait_until

READ = 0x5401
HOLD = 0x5402

USERFAULTFD = {"x86_64": 323, "aarch64": 282}

#: Obeys its input. It ends by itself, as nobody may be able to end it.
CLIENT = """
import ctypes, fcntl, mmap, os, signal, struct, sys, threading

path, userfaultfd, deadline = sys.argv[1], *map(int, sys.argv[2:])
signal.alarm(deadline)
libc = ctypes.CDLL(None)
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
fault = libc.syscall(userfaultfd, os.O_CLOEXEC)
if fault < 0:
    sys.exit("no userfaultfd")
fcntl.ioctl(fault, 0xC018AA3F, struct.pack("QQQ", 0xAA, 0, 0))  # UFFDIO_API
page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
page[:4] = b"here"
device = os.open(path, os.O_RDWR)

def say(*words):
    # At once: two threads have lines to say.
    os.write(1, " ".join(map(str, words)).encode() + b"\\n")

def drop():
    area = struct.pack("QQQQ", address, mmap.PAGESIZE, 1, 0)
    fcntl.ioctl(fault, 0xC020AA00, area)  # UFFDIO_REGISTER
    page.madvise(mmap.MADV_DONTNEED)

def bring():
    source = ctypes.create_string_buffer(b"come", mmap.PAGESIZE)
    copy = struct.pack("QQQQq", address, ctypes.addressof(source), mmap.PAGESIZE, 0, 0)
    fcntl.ioctl(fault, 0xC028AA03, copy)  # UFFDIO_COPY

def call(number):
    result = libc.ioctl(device, number, address)
    # Of a page that has not come, nobody could be told.
    say("result", result, page[:4].decode() if result >= 0 else "")

say("ready")
for line in sys.stdin:
    command, *arguments = line.split()
    if command == "call":
        threading.Thread(target=call, args=[int(arguments[0])], daemon=True).start()
    else:
        {"drop": drop, "bring": bring}[command]()
        say("done")
"""


class Needy(pyfusd.Device):
    """Looks at its clients' memory, and writes to that of one."""

    def __init__(self, name="needy"):
        super().__init__(name, 0o666)
        self.is_asking = False
        self.held = None

    @pyfusd.ioctl(READ)
    def ask(self, file, argument):
        self.is_asking = True
        return len(bytes(file.client_memory(argument, 4)))

    @pyfusd.ioctl(HOLD)
    def hold(self, file, argument):
        view = file.client_memory(argument, 4, write=True)
        view[:] = bytes(view).upper()
        self.held = file.hold()
        return self.held


class Client:
    def __init__(self, path):
        number = USERFAULTFD.get(platform.machine())
        if number is None:
            pytest.skip("the number of userfaultfd(2) is not known here")
        command = [sys.executable, "-c", CLIENT, path, str(number), str(int(DEADLINE))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self.process.stdout.readline() != "ready\n":
            self.process.wait()
            pytest.skip("userfaultfd(2) is not permitted here")

    def say(self, *words):
        print(*words, file=self.process.stdin, flush=True)

    def do(self, command):
        self.say(command)
        assert self.process.stdout.readline() == "done\n"

    def result(self):
        return self.process.stdout.readline().split()[1:]

    def bring(self):
        """The page comes, and with it the call's result, in either order."""
        self.say("bring")
        lines = sorted(self.process.stdout.readline() for _ in range(2))
        assert lines[0] == "done\n"
        return lines[1].split()[1:]


@pytest.fixture
def needy(serve):
    return serve(Needy())


@pytest.fixture
def client(needy):
    client = Client(needy.path)
    yield client
    client.process.kill()
    client.process.communicate()


def test_other_threads_go_on_while_a_page_is_waited_for(needy, client, holds):
    client.do("drop")
    client.say("call", READ)
    if holds("client-memory-at-once"):
        # From here on the driver waits; this thread runs.
        wait_until(lambda: needy.is_asking, "the callback")
    assert client.bring() == ["4", "come"]


def test_other_threads_go_on_while_an_answer_waits_for_its_page(
    needy, client, in_thread
):
    client.say("call", HOLD)
    wait_until(lambda: needy.held is not None, "the held request")
    client.do("drop")
    answering = in_thread(needy.held.reply, 7)
    assert client.bring() == ["7", "HERE"]
    answering.result()


DRIVER = """
import sys, pyfusd

class Needy(pyfusd.Device):
    def ioctl(self, file, request, argument):
        print("asking", flush=True)
        try:
            file.client_memory(argument, 4)
        except OSError as error:
            print("EFAULT" if error.errno == 14 else error, flush=True)

device = Needy("needy", 0o666).register()
print(device.path, flush=True)
pyfusd.run(device)
"""


def test_a_signal_ends_a_driver_that_waits_for_a_page(start_python, holds):
    driver = start_python(DRIVER)
    client = Client(driver.stdout.readline().decode().strip())
    client.do("drop")
    client.say("call", READ)
    assert driver.stdout.readline() == b"asking\n"
    driver.send_signal(signal.SIGTERM)
    assert driver.wait(DEADLINE) == 0
    # Elsewhere the kernel fetches it in the client's thread, which may wait for it.
    result = client.result if holds("client-memory-at-once") else client.bring
    assert result() == ["-1"]
    client.process.kill()
    client.process.communicate()

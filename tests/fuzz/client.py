# SPDX-License-Identifier: BSD-3-Clause
"""The fuzzed clients: bare system calls on memory that is watched.

Each call gives (result, errno, memory): the memory that the call was given, as
it is afterwards, with the guard behind it.

    python client.py CHANNEL...

The first channel is this process's; a forked child takes one of the others.
"""

import ctypes
import os
import select
import sys
from multiprocessing.connection import Connection

GUARD = 64
libc = ctypes.CDLL(None, use_errno=True)
SIZE = ctypes.c_size_t
OFFSET = ctypes.c_longlong
for name in ("read", "write", "pread64", "pwrite64", "lseek64"):
    getattr(libc, name).restype = ctypes.c_ssize_t
libc.lseek64.restype = OFFSET
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]


def watched(content):
    """Memory with this content, and a guard that only a mistake touches."""
    return ctypes.create_string_buffer(content + b"#" * GUARD, len(content) + GUARD)


def outcome(result, memory=None):
    error = ctypes.get_errno() if result < 0 else 0
    return result, error, None if memory is None else memory.raw


def do_open(path, flags):
    return outcome(libc.open(os.fsencode(path), flags))


def do_close(descriptor):
    return outcome(libc.close(descriptor))


def do_dup(descriptor):
    return outcome(libc.dup(descriptor))


def do_read(descriptor, content):
    memory = watched(content)
    return outcome(libc.read(descriptor, memory, SIZE(len(content))), memory)


def do_pread(descriptor, content, at):
    memory = watched(content)
    size = SIZE(len(content))
    return outcome(libc.pread64(descriptor, memory, size, OFFSET(at)), memory)


def do_write(descriptor, content):
    memory = watched(content)
    return outcome(libc.write(descriptor, memory, SIZE(len(content))), memory)


def do_pwrite(descriptor, content, at):
    memory = watched(content)
    size = SIZE(len(content))
    return outcome(libc.pwrite64(descriptor, memory, size, OFFSET(at)), memory)


def do_lseek(descriptor, offset, whence):
    return outcome(libc.lseek64(descriptor, OFFSET(offset), whence))


def do_ioctl(descriptor, number, argument):
    if isinstance(argument, int):
        return outcome(libc.ioctl(descriptor, number, argument))
    memory = watched(argument)
    return outcome(libc.ioctl(descriptor, number, ctypes.addressof(memory)), memory)


def do_poll(descriptor, events):
    poller = select.poll()
    poller.register(descriptor, events)
    ready = poller.poll(0)
    return (ready[0][1] if ready else 0), 0, None


CALLS = {name[3:]: value for name, value in globals().items() if name[:3] == "do_"}


def serve(channel, others):
    while True:
        try:
            call, *arguments = channel.recv()
        except EOFError:
            os._exit(0)
        if call == "exit":
            channel.send(None)
            os._exit(0)
        elif call == "fork":
            child = os.fork()
            if child == 0:
                channel = others[arguments[0]]
            channel.send(os.getpid())
        elif call == "wait":
            channel.send(os.waitpid(arguments[0], 0))
        else:
            ctypes.set_errno(0)
            channel.send(CALLS[call](*arguments))


if __name__ == "__main__":
    channels = [Connection(int(number)) for number in sys.argv[1:]]
    serve(channels[0], channels)

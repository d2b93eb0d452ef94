# SPDX-License-Identifier: BSD-3-Clause
"""The callbacks that a driver may define: what each takes, returns and raises.

They are described where help(), editors, type checkers and the manual look: as
methods of the class. A device does not have them, so that what a driver did not
define is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyfusd._callbacks import described

if TYPE_CHECKING:
    from pyfusd._core import File, Request
    from pyfusd.results import (
        FlushResult,
        FsyncResult,
        IoctlResult,
        MmapResult,
        OpenResult,
        PollResult,
        ReadResult,
        SeekResult,
        WriteResult,
    )


class Callbacks:
    """What a driver may define, as methods of its class derived from Device."""

    @described
    def open(self, file: File, /) -> OpenResult:
        """A client opens the device.

        *file* is a new File. What the driver sets on it, such as ``file.name``,
        the other callbacks of that open file find there.

        Returns None, or ``file.hold()``, which keeps the client in open(2).
        Raises OSError to refuse, with the client's errno: EACCES, EBUSY, ENXIO
        ... After that there is no close(). Without open() the permission
        bits alone decide.

        May be ``async def``. Example, a device for one client at a time::

            import errno

            class One(pyfusd.Device):
                is_open = False

                def open(self, file):
                    if self.is_open:
                        raise OSError(errno.EBUSY, "somebody has it open")
                    self.is_open = True

                def close(self, file):
                    self.is_open = False
        """
        raise NotImplementedError

    @described
    def close(self, file: File, /) -> object:
        """The last descriptor of an open file is closed.

        Called once for each open that succeeded, also of a client that was
        killed, but not for files that are open when the device is
        unregistered. It is the last callback of *file*: it waits for those that
        other threads are inside of, and so must not be waited for in one.
        ``file.pid``, ``uid`` and ``gid`` are 0 on cuse and fuse.

        What it returns or raises the client does not see.

        May be ``async def``. Example, which counts who listens::

            class Radio(pyfusd.Device):
                listeners = 0

                def open(self, file):
                    self.listeners += 1

                def close(self, file):
                    self.listeners -= 1
        """
        raise NotImplementedError

    @described
    def read(self, file: File, buf: memoryview, offset: int, /) -> ReadResult:
        """A client reads.

        *buf* is a writable memoryview of the reply itself, of as many bytes as
        the client asks for: 131,072 (128 KiB) at most. *offset* is the file
        position in bytes.

        Returns the count of bytes that it filled *buf* with, an int, where 0 is
        the end of the file; or a bytes-like object, which is sent without a
        copy in between. More than ``len(buf)`` is cut. The position moves by
        that count, unless the callback sets ``file.offset``. ``file.hold()``
        keeps the client waiting.

        Raises OSError, or returns a negative errno: EAGAIN if the client does
        not want to wait (``file.flags & os.O_NONBLOCK``), EIO, ETIMEDOUT ...
        Without read() clients get EINVAL.

        May be ``async def``. Example::

            class Alphabet(pyfusd.Device):
                data = b"abcdefghijklmnopqrstuvwxyz"

                def read(self, file, buf, offset):
                    return self.data[offset : offset + len(buf)]
        """
        raise NotImplementedError

    @described
    def write(self, file: File, buf: memoryview, offset: int, /) -> WriteResult:
        """A client writes.

        *buf* is a read-only memoryview of its bytes, 131,072 (128 KiB) at most:
        of a longer write the client sees a short count, and writes the rest.
        *offset* is the file position in bytes. ``bytes(buf)`` is a copy.

        Returns the count of bytes that it took, an int; more than ``len(buf)``
        is cut. The position moves by it, unless the callback sets
        ``file.offset``. ``file.hold()`` keeps the client waiting.

        Raises OSError, or returns a negative errno: EAGAIN as in read(), ENOSPC
        if it is full, EINVAL for bytes that it does not understand ... Without
        write() clients get EINVAL.

        May be ``async def``. Example, a device with room for 64 bytes::

            import errno

            class Small(pyfusd.Device):
                data = b""

                def write(self, file, buf, offset):
                    room = 64 - len(self.data)
                    if not room:
                        raise OSError(errno.ENOSPC, "it is full")
                    self.data += bytes(buf[:room])
                    return min(len(buf), room)
        """
        raise NotImplementedError

    @described
    def ioctl(self, file: File, request: int, data: memoryview | int, /) -> IoctlResult:
        """A client sends a request that no method with pyfusd.ioctl() serves.

        *request* is its number, an int; pyfusd.IoctlNumber() takes it apart.
        *data* is a writable memoryview of as many bytes as the number codes for,
        16,383 at most: the client's if it codes for writing, else zeros. What
        the view holds at the end goes back to the client, if the number codes
        for reading. If the number codes no size, *data* is the client's
        argument itself, an int: a number, or a pointer for
        ``file.client_memory()``. For numbers that are not what they code, there
        are methods with pyfusd.ioctl() and a direction.

        Returns None, or an int of 0 or more as the client's result;
        ``file.hold()`` keeps it waiting.

        Raises OSError, or returns a negative errno, after which no data goes
        back: ENOTTY for a request that the device does not know, EINVAL for
        values that it cannot have ... Without ioctl() clients get ENOTTY.

        May be ``async def``. Example; a method for each number, with
        pyfusd.ioctl(), needs no bytes to be taken apart::

            import errno

            SQUARE = pyfusd.IOWR("x", 1, 4)

            class Squares(pyfusd.Device):
                def ioctl(self, file, request, data):
                    if request != SQUARE:
                        raise OSError(errno.ENOTTY, "it does not know that")
                    number = int.from_bytes(data, "little")
                    data[:] = (number * number).to_bytes(4, "little")
        """
        raise NotImplementedError

    @described
    def poll(self, file: File, /) -> PollResult:
        """The state of an open file, for clients in poll(2), select(2), epoll(7).

        It does not wait: call ``poll_changed()`` of the device, or of *file*,
        when it would answer otherwise. C's callback is poll_diff.

        Returns those of Notify.INPUT, OUTPUT, EXCEPT, ERROR and HANGUP that
        hold, or-ed together, or 0. ERROR and HANGUP wake every client that
        polls, whatever it waits for. If it raises, INPUT, OUTPUT and EXCEPT hold.
        Without poll() a device is always ready to be read and written.

        Also runs in the thread that calls poll_changed(), beside other
        callbacks. May not be ``async def``. Example::

            class Alarm(pyfusd.Device):
                is_ringing = False

                def read(self, file, buf, offset):
                    return b"fire\\n" if self.is_ringing else 0

                def poll(self, file):
                    return pyfusd.Notify.INPUT if self.is_ringing else 0

                def ring(self):
                    self.is_ringing = True
                    self.poll_changed()
        """
        raise NotImplementedError

    @described
    def unblock(self, file: File, request: Request, /) -> object:
        """The client of a held request was interrupted by a signal.

        *request* is what ``file.hold()`` gave. The driver may answer it now,
        with what it has so far, or with EINTR. If it does not, or there is no
        unblock(), the client's call ends with EINTR on cuse and fuse, and
        restarts or ends as any other on kfusd. There data for a read whose
        client sees EINTR is refused with BrokenPipeError, and is for the next
        read.

        What it returns is ignored. May not be ``async def``; callbacks that are
        get cancelled, and need no unblock(). Example::

            import errno

            class Doorbell(pyfusd.Device):
                def __init__(self, name="doorbell", mode=0o666):
                    super().__init__(name, mode)
                    self.waiting = []

                def read(self, file, buf, offset):
                    self.waiting.append(file.hold())
                    return pyfusd.NOREPLY

                def unblock(self, file, request):
                    self.waiting.remove(request)
                    request.fail(errno.EINTR)

                def ring(self):
                    while self.waiting:
                        self.waiting.pop().reply(b"ring\\n")
        """
        raise NotImplementedError

    @described
    def mmap(
        self, file: File, offset: int, length: int, prot: int, flags: int, /
    ) -> MmapResult:
        """A client maps the device's memory, of which only kfusd asks the driver.

        Memory that all clients may map is simpler to share by the device's argument
        *shared_memory*, which works on fuse, too; this is not called then.

        *offset* and *length* are in bytes, and multiples of the page size;
        *prot* and *flags* are those of mmap(2).

        Returns the memory, which *offset* counts in from its beginning: a
        shared anonymous mmap.mmap, or a memfd, as a descriptor or an object with
        fileno(), of the process that registered the device. It is kept as long
        as the open file, and clients that mapped it have it as long as they
        like.

        Raises OSError, or returns a negative errno. Memory that is not shared,
        or ends before *offset* and *length* do, gives EINVAL, and EACCES to a
        client that wants to write to what is read-only. Without mmap(), and on
        cuse and fuse, clients get ENODEV.

        May not be ``async def``. Example::

            from mmap import mmap

            class Page(pyfusd.Device):
                memory = mmap(-1, 4096)

                def mmap(self, file, offset, length, prot, flags):
                    return self.memory
        """
        raise NotImplementedError

    @described
    def seek(self, file: File, offset: int, whence: int, /) -> SeekResult:
        """A client seeks: lseek(2).

        *whence* is os.SEEK_SET, os.SEEK_CUR, os.SEEK_END, os.SEEK_DATA or
        os.SEEK_HOLE, *offset* how far from there, and ``file.offset`` the
        position now, all in bytes.

        Returns the new position, an int of 0 or more, which the client gets and
        its next read or write begins at. ``file.hold()`` keeps it waiting.

        Raises OSError, or returns a negative errno, and the position stays:
        EINVAL for a place before the beginning, ENXIO if there is no data.
        Without seek() clients may go anywhere, and the end is at 0. The open
        files of a *stream* cannot seek. On fuse the kernel asks for SEEK_DATA and
        SEEK_HOLE alone, on cuse for nothing.

        A device has to have it when it is registered. May be ``async def``.
        Example, a disk of 512-byte blocks::

            import errno
            import os

            class Blocks(pyfusd.Device):
                size = 512 * 100

                def seek(self, file, offset, whence):
                    begin = {
                        os.SEEK_SET: 0,
                        os.SEEK_CUR: file.offset,
                        os.SEEK_END: self.size,
                    }
                    if whence not in begin:
                        raise OSError(errno.EINVAL, "it has data everywhere")
                    position = begin[whence] + offset
                    if position % 512 or not 0 <= position <= self.size:
                        raise OSError(errno.EINVAL, "no block begins there")
                    return position
        """
        raise NotImplementedError

    @described
    def flush(self, file: File, /) -> FlushResult:
        """A client closes a descriptor of an open file: close(2).

        There may be several, by dup(2) and fork(2): each close calls flush(), and
        the last one close() after that.

        Returns None, or ``file.hold()``, which keeps the client in close(2).

        Raises OSError, or returns a negative errno, which close(2) gives its
        client: EIO, ENOSPC ... The descriptor is closed all the same. A client
        that exits, or is killed, closes its descriptors, too; it does not wait,
        and answering a held request gives BrokenPipeError, while an ``async def``
        goes on, beside close(). Without flush() close(2)
        gives 0, and so it does on cuse. On fuse flush() is not called for a
        descriptor with which the driver's own process has opened the device.

        A device has to have it when it is registered. May be ``async def``.
        Example, which tells whether all was taken::

            import errno

            class Chunks(pyfusd.Device):
                def open(self, file):
                    file.taken = 0

                def write(self, file, buf, offset):
                    file.taken += len(buf)
                    return len(buf)

                def flush(self, file):
                    if file.taken % 16:
                        raise OSError(errno.EIO, "the last chunk is not whole")
        """
        raise NotImplementedError

    @described
    def fsync(self, file: File, datasync: bool, /) -> FsyncResult:
        """A client wants what it wrote to be where it stays: fsync(2).

        *datasync* is True for fdatasync(2), which cares for the data alone.

        Returns None, or ``file.hold()``, which keeps the client waiting.

        Raises OSError, or returns a negative errno: EIO, ENOSPC ... Without
        fsync() clients get EINVAL, as from a kernel driver, but 0 on fuse; on cuse
        they always get EINVAL.

        A device has to have it when it is registered. May be ``async def``.
        Example::

            import os

            class Journal(pyfusd.Device):
                def __init__(self, name, mode, path):
                    super().__init__(name, mode)
                    self.file = open(path, "ab")

                def write(self, file, buf, offset):
                    return self.file.write(buf)

                def fsync(self, file, datasync):
                    self.file.flush()
                    os.fsync(self.file.fileno())
        """
        raise NotImplementedError

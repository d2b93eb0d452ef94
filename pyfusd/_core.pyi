# SPDX-License-Identifier: BSD-3-Clause
"""The extension's types and documentation."""

import errno
import os
from collections.abc import Callable
from typing import Any, final

from typing_extensions import Buffer

#: What a callback may return instead of the Request after file.hold().
NOREPLY: int
#: The bits that poll() answers with: to a client POLLIN, POLLOUT, POLLPRI, and
#: POLLERR and POLLHUP, which every poll shows.
NOTIFY_INPUT: int
NOTIFY_OUTPUT: int
NOTIFY_EXCEPT: int
NOTIFY_ERROR: int
NOTIFY_HANGUP: int

@final
class File:
    """One open file of a device: from open(2) to the last close(2).

    Callbacks for the same open file get the same object. A driver may set any
    attribute of its own on it.

    Any thread may use it. What depends on the running callback (pid, uid, gid,
    flags, offset, hold() and client_memory()) does so in the callback's own
    thread, or in its coroutine.
    """

    @property
    def device(self) -> Any:
        """The Device."""
    @property
    def pid(self) -> int:
        """In a callback, the calling thread's id; else who opened the file.

        0 in close() on cuse and fuse, and for a client in a process namespace
        that the driver cannot see.
        """
    @property
    def uid(self) -> int:
        """As pid, the user's id; 0 in close() on cuse and fuse."""
    @property
    def gid(self) -> int:
        """As pid, the group's id; 0 in close() on cuse and fuse."""
    @property
    def flags(self) -> int:
        """The open file's flags (os.O_RDWR, os.O_NONBLOCK ...).

        Callbacks may change them; RuntimeError elsewhere. On kfusd, changes of
        O_NONBLOCK and O_APPEND go to the client's open file; on cuse and fuse
        they are lost, for the kernel takes none.
        """
    @flags.setter
    def flags(self, flags: int) -> None: ...
    @property
    def offset(self) -> int:
        """In a read or write callback, the file position in bytes.

        What the callback sets here is the new position; otherwise it moves by
        the count of bytes. In a seek callback it is the position now, which
        cannot be set here. RuntimeError elsewhere.
        """
    @offset.setter
    def offset(self, offset: int) -> None: ...
    def hold(
        self, timeout: float | None = None, *, error: int = errno.ETIMEDOUT
    ) -> Request:
        """Keeps the client of the running callback blocked.

        Return the Request, or NOREPLY, from the callback, and answer it later,
        or already inside the callback. Returning a result or raising instead
        answers it after all. A second call gives the same Request. If it is not
        answered *timeout* seconds from now, its client gets *error*, an errno.

        RuntimeError outside an open, read, write, ioctl, seek, flush or fsync
        callback; ValueError if *error* is no errno.
        """
    @property
    def argument(self) -> int:
        """In an ioctl callback, the client's argument as it is, whatever it points at.

        Of a 32-bit client it has 32 bits. RuntimeError elsewhere, and once the
        request was answered.
        """
    @property
    def is_32bit(self) -> bool:
        """In an ioctl callback, whether the client is a 32-bit program.

        Pointers and longs in its data have 4 bytes then, and structures may have
        other sizes, and so other numbers. RuntimeError as for argument.
        """
    def discard_data(self) -> None:
        """In an ioctl callback: its answer takes no data to the client.

        The client's memory stays as it is, be it const, though the request is one
        whose data goes to the client. What client_memory() gave with *write* goes
        there all the same. RuntimeError elsewhere, and once the request was
        answered.
        """
    def open_child(
        self, *, at: int | None = None, flags: int = os.O_RDWR | os.O_CLOEXEC
    ) -> File:
        """Opens the device for the client of an ioctl or a read: its new open file.

        The client gets its descriptor with the answer. Its number is the ioctl's
        result, or, with *at*, an int at that offset in bytes of the data that goes to
        the client; a read needs that. *flags* are os.O_RDONLY, os.O_WRONLY or
        os.O_RDWR, and os.O_NONBLOCK, of the open file, and os.O_CLOEXEC of the
        descriptor; os.O_RDWR | os.O_CLOEXEC unless given.

        The open file is one like any other, for which open() is not called. If the
        answer is an error, there has never been one; after any other answer close()
        is called once, also if the client was gone by then. A read's data is taken
        whole with its descriptors, or is for the file's next read.

        Only kfusd can: OSError ENOTTY elsewhere, with the sentence that says so.
        EINVAL (the data that goes to the client has no int at *at*, or unknown flags),
        BrokenPipeError (nobody waits for the answer), E2BIG (more than 16 descriptors
        in one answer), ENFILE (the client's user has its share of open files), ENOMEM.
        ValueError for a negative *at*.

        RuntimeError outside of these callbacks, and once that was answered.
        """
    def give_descriptor(
        self, descriptor: Any, *, at: int | None = None, flags: int = os.O_CLOEXEC
    ) -> None:
        """Gives the client of an ioctl or a read a descriptor of the driver's.

        *descriptor* is a number or has a fileno(): of a memfd, a pipe, a socket ...
        It stays the driver's, who may close it at once. *flags* are os.O_CLOEXEC,
        unless given, or 0; *at* and the errors are those of open_child(), and OSError
        EBADF (no descriptor, or one of O_PATH); EINVAL for a device's own.

        RuntimeError outside of these callbacks, and once that was answered.
        """
    def client_memory(
        self, address: int | None, length: int, *, write: bool = False
    ) -> memoryview:
        """Memory of the client, for an ioctl whose argument points at it.

        A request number such as TCGETS does not say what its argument points
        at, and a structure may hold further pointers. Inside an ioctl callback,
        before the first ``await`` of a coroutine, this gives a view of a copy of
        *length* bytes at *address*. With *write* the view is writable, and what
        it holds when the request is answered goes back to the client before its
        call returns, unless the answer is an error. A structure of ctypes can be
        laid over the view with from_buffer(). A view that is kept stays valid
        memory, and is no longer the client's.

        On cuse the kernel has to be asked first: the callback is ended by an
        exception, and called again *from the start* with the memory at hand. So
        let it have no effect before its last client_memory(). Elsewhere it
        reads and writes as a debugger would, with process_vm_readv(2).

        The client's other threads may change its memory at any time, so check
        the copy, and use that. A client may give an address whose pages come
        slowly, or never: this thread waits for them, the others go on.

        An *address* of None is the null pointer; a *length* of 0 gives an empty
        view of nothing.

        Raises OSError: EFAULT (the client has no such memory, or it did not come
        within 10 seconds, or half a second after a signal), EPERM (the
        driver may not access the client's memory: run it as the same user or,
        where Yama's ptrace_scope is 1 or more as on Ubuntu, as root), ESRCH (the
        client is gone), E2BIG (more than the device's
        *max_client_memory*, or 254 pieces in one request, where a piece with *write*
        is two), EINVAL (the request was answered),
        ENOMEM, ENOTTY (not on this transport); and RuntimeError outside of an
        ioctl callback. If the client's memory is gone when the answer is
        written, its call gives EFAULT.
        """
    def poll_changed(self) -> None:
        """Calls poll() if a client waits for it, and wakes clients if its state
        is another one than before.

        poll() runs in the calling thread, and what it raises goes to the caller.
        If it is poll() itself that calls this, it is called once more.
        """
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

@final
class Request:
    """A client's call that File.hold() keeps blocked, until it is answered.

    Whoever has it keeps it: one that is dropped without an answer gives EIO to
    its client, and is logged to the logger "pyfusd". It may be answered also
    when its device was unregistered: BrokenPipeError says that nobody waits.

    Any thread may use it, also before the callback has returned. If several
    answer at once, one of them does, and RuntimeError is raised in the others.
    """

    @property
    def file(self) -> File:
        """The open file."""
    @property
    def operation(self) -> str:
        """ "open", "read", "write", "ioctl", "seek", "flush" or "fsync"."""
    @property
    def buffer(self) -> memoryview | None:
        """The callback's view of the data, valid as long as it is kept.

        None of an open, and of an ioctl whose number codes no data.
        """
    @property
    def pid(self) -> int:
        """The id of the thread that waits."""
    @property
    def uid(self) -> int:
        """That thread's user."""
    @property
    def gid(self) -> int:
        """That thread's group."""
    @property
    def interrupted(self) -> bool:
        """True once a signal hit the waiting client."""
    @property
    def done(self) -> bool:
        """True once it was answered, by reply(), fail() or its timeout."""
    @property
    def offset(self) -> int:
        """Of a read or write, as File.offset; may be set until it is answered.

        Of a seek, the position when it came.
        """
    @offset.setter
    def offset(self, offset: int) -> None: ...
    def open_child(
        self, *, at: int | None = None, flags: int = os.O_RDWR | os.O_CLOEXEC
    ) -> File:
        """As File.open_child(), for an ioctl or a read that is held.

        RuntimeError if it was answered before, or is neither.
        """
    def give_descriptor(
        self, descriptor: Any, *, at: int | None = None, flags: int = os.O_CLOEXEC
    ) -> None:
        """As File.give_descriptor(), for an ioctl or a read that is held.

        RuntimeError if it was answered before, or is neither.
        """
    def reply(self, result: int | Buffer | None = None) -> None:
        """Answers with what the callback could have returned.

        Of a read: a count of bytes in ``buffer``, or a bytes-like object, which is
        not needed any more when this returns. A negative int is an errno.

        Raises BrokenPipeError if nobody waits for it any more: the client was
        interrupted or killed, or the device unregistered. RuntimeError if it
        was answered before; TypeError or OverflowError for a result that the
        operation cannot have, and the request stays held.
        """
    def fail(self, error: int) -> None:
        """Answers with an errno; raises as reply() does, and ValueError if
        *error* is none."""

class Retry(BaseException):
    """Ends an ioctl callback that is called again, with its client's memory."""

class DeviceCore:
    """A device's registration; pyfusd.Device is what drivers derive from."""

    @property
    def name(self) -> str:
        """What the device is called, as it was given: "echo", "/dev/echo" or
        "sub/dir/echo", of at most 47 bytes without "/dev/". What is set here is
        for the next register()."""
    @name.setter
    def name(self, name: str) -> None: ...
    @property
    def mode(self) -> int:
        """The permission bits of its node, 0 to 0o777; the umask does not change
        them. What is set here is for the next register()."""
    @mode.setter
    def mode(self, mode: int) -> None: ...
    @property
    def path(self) -> str:
        """Where clients find the device, or found it last; None before it was
        registered."""
    @property
    def transport(self) -> str:
        """ "kfusd", "cuse" or "fuse", as path."""
    @property
    def registered(self) -> bool:
        """True from register() to unregister()."""
    def fileno(self) -> int:
        """A descriptor that is readable while requests wait for dispatch().

        ValueError if the device is not registered.
        """
    def dispatch(self) -> bool:
        """Runs the callbacks of waiting requests, 40 at most; never blocks.

        Returns True if at least one ran. Raises OSError: EBADF (not
        registered), ENODEV (the device was taken away from outside, for
        example by umount(8): unregister it), ENOMEM; and KeyboardInterrupt or
        SystemExit if a callback did.
        """
    def poll_changed(self) -> None:
        """Calls File.poll_changed() for each open file. Any thread may do so."""
    def unregister(self) -> None: ...
    # For pyfusd.tracing: what the trampolines call, by operation, and who is
    # told of the answers to held requests: a count, a negative errno, or the data
    # of a read.
    _calls_begun: int
    _calls_ended: int
    _observer: Callable[[Request, int | Buffer], None] | None
    def _callbacks(self) -> dict[str, Any]: ...
    def _replace_callbacks(self, callbacks: dict[str, Any]) -> None: ...
    def _set_callbacks(
        self, ioctl_handlers: dict[int, Callable[[Any, Any], Any]]
    ) -> None: ...
    # The callbacks that there were when it was registered, of those that kernels
    # are told of then.
    @property
    def _told(self) -> frozenset[str]: ...
    # What its methods serve: Numbers of pyfusd._ioctl.
    _ioctl_numbers: Any
    # Of pyfusd.aio, while that serves the device.
    _server: Any
    def _waits(self) -> int: ...
    def _end_waits(self) -> None: ...
    def _serve(self, waits: int, wake_fd: int) -> None: ...
    def _register(
        self,
        name: str,
        mode: int,
        looked_up: frozenset[str],
        transport: str | None,
        clazz: str | None,
        devname: str | None,
        ioctls: list[tuple[int, int, int, int]],
        max_client_memory: int,
        stream: bool,
        owner: int,
        group: int,
        major: int,
        minor: int,
        attributes: dict[str, str],
        uevent: dict[str, str],
        nonblock: bool,
        shared_memory: Any,
        max_transfer: int,
        spin_us: int,
    ) -> None: ...
    def _set_attribute(self, name: str, value: str) -> None: ...
    def _tell_uevent(self, variables: dict[str, str], is_sent: bool) -> None: ...

def is_data(result: object) -> bool:
    """Whether what read() returned are a client's bytes, not their count."""

def first_bytes(data: Buffer, count: int) -> bytes:
    """A copy of the first bytes of data; of all if there are fewer."""

def is_held(result: object) -> bool:
    """Whether a callback's result says that some request is answered later."""

def answer_for_coroutine(request: Request, result: Any) -> None:
    """Answers a request with what its coroutine returned in the end."""

def fail_for_coroutine(request: Request, error: BaseException | int) -> None:
    """Answers a request whose coroutine raised; an int is an errno."""

def registered_devices() -> list[Any]:
    """The devices of this process that are registered now."""

def transport_problem(transport: str) -> str | None:
    """Why "kfusd", "cuse" or "fuse" does not work here for this user.

    None if it does work; otherwise a sentence that says what to do. Makes no
    device: "fusd doctor" tries one, too.
    """

def transport_advice(transport: str) -> list[str]:
    """The commands that would make a transport work here for this user.

    Some of the commands that transport_problem() speaks of, one of them or all in
    order; none if it works, or if no command helps.
    """

def transport_summaries() -> dict[str, str]:
    """Each transport's name and what its devices are, as "auto" tries them."""

def library_version() -> str:
    """The version of libfusd that the extension carries, as "0.2.0"; also
    ``pyfusd.__version__``."""

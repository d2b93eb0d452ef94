# SPDX-License-Identifier: BSD-3-Clause
"""Device, the class that drivers derive from."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pyfusd import tracing
from pyfusd._callbacks import (
    CALLBACKS,
    check_assigned,
    check_signatures,
    warn_of_misspelt,
)
from pyfusd._core import DeviceCore
from pyfusd._interface import Callbacks
from pyfusd._ioctl import declarations_of, handlers_of, numbers_of
from pyfusd._loops import registry

if TYPE_CHECKING:
    from pyfusd.results import HasFileno

Self = TypeVar("Self", bound="Device")

_MOST_MODE = 0o777


def _check_mode(mode: int) -> None:
    """ValueError for what is not made of permission bits; TypeError for no int."""
    if not hasattr(mode, "__index__"):
        raise TypeError(f"a device's mode is a number such as 0o666, not {mode!r}")
    number = index(mode)
    if 0 <= number <= _MOST_MODE:
        return
    written = str(number)
    hint = ""
    if number > 0 and set(written) <= set("01234567") and len(written) <= 4:
        hint = f": write 0o{written} if that is what you mean"
    raise ValueError(
        f"a device's mode is made of permission bits, 0 to 0o777, and "
        f"{written} ({number:#o}) is not{hint}"
    )


def _id_of(kind: Literal["user", "group"], who: int | str | None) -> int:
    """The number of a user or group, 0 for None; LookupError for an unknown name."""
    if not isinstance(who, str):
        return who or 0
    import grp  # Few need these.
    import pwd

    try:
        return pwd.getpwnam(who).pw_uid if kind == "user" else grp.getgrnam(who).gr_gid
    except KeyError:
        raise LookupError(f"there is no {kind} {who!r}") from None


class Device(Callbacks, DeviceCore):
    """A device whose callbacks are methods of a derived class.

    Any of the callbacks, such as open() and read(), may be defined; a device
    without one behaves as a kernel driver without that operation. Each has its
    description here: ``help(pyfusd.Device.read)``.

    A callback may be assigned to a device, or to its class, at any time, as
    mock.patch.object() does: the next request calls it. TypeError if it does not
    take its arguments; RuntimeError for a poll(), seek(), flush() or fsync() of a
    registered device that had none. None takes it away.

    Every callback may raise OSError, or return a negative errno, which is
    faster; its client gets that. Of OSError's subclasses, such as TimeoutError,
    and of classes derived from those, the class is enough; CancelledError of
    asyncio gives ECANCELED. Any other exception is logged to the logger
    "pyfusd" and gives EIO. ``return file.hold()`` keeps the client blocked.

    *buf* and *data* belong to their callback. A view that is kept longer, or
    an array made of one, stays valid memory that no other request uses.

    The file position moves by the count that read() or write() returned,
    unless the callback sets ``file.offset``.

    ``name`` and ``mode`` are attributes of this object; changing them later is for
    the next register(). All but these two are given by keyword:

    - *name*: "echo", "/dev/echo" or "sub/dir/echo", with at most 47 bytes without
      "/dev/".
    - *mode*: the permission bits of the node, which the umask does not change
      (ValueError for others than 0o777).
    - *transport*: "kfusd", "cuse", "fuse", "auto" for the first that works, or None
      for what the environment's FUSD_TRANSPORT says, or else the first that works.
    - *clazz*, *devname*: what it is in /sys/class on kfusd, at most 47 bytes each (in
      "fusd", with a warning, where the class is the kernel's own).
    - *max_client_memory*: how many bytes ``file.client_memory()`` gives in one request.
    - *stream*: open files have no position, as those of a serial port: lseek and pread
      give ESPIPE (on cuse lseek gives 0), *offset* is 0, and on fuse a write does not
      wait for a read of the same open file that is held.
    - *owner*, *group*, names or numbers: whose the node is, instead of who runs the
      driver. For root, or a group that the driver is in.
    - *major*, *minor*: the device number, for who has to know it beforehand. 0 and 0 is
      any, a minor alone is one of kfusd's own major number, or on cuse of any.
    - *attributes*: files with a text in the device's directory in sysfs, "name" or
      "directory/name"; *uevent*: the variables that udev gets with each of its uevents.
      On kfusd.
    - *nonblock*: reads and writes find what poll() says, so kfusd answers EAGAIN to a
      client that is not to wait (O_NONBLOCK, io_uring) while poll() does not say that
      the device is ready, or says nothing for a tenth of a second, as the driver is
      busy. cuse and fuse ask the driver, which still has to answer so.
    - *shared_memory*: what clients map, without that mmap() is asked: a memfd, open for
      reading and writing, as a descriptor or an object with fileno(), which may be
      closed after register(). On kfusd; on fuse since Linux 6.9 if the driver is root,
      unless the device is a *stream*; elsewhere clients get ENODEV. On fuse the device
      has the memory's size for stat(2), as programs want it that map a file.

    - *max_transfer*: the most bytes of one read or write, 128 KiB to 1 MiB. A client
      that asks for more gets that much. On cuse it stays 128 KiB. On fuse, beyond
      1020 KiB, a call whose memory is in more than 256 pages is several requests.
    - *spin_us*: microseconds to look for a request before the thread sleeps, 1000 at
      most; on kfusd a client looks for its answer, too. For a driver and clients on
      different CPUs: faster, for CPU time that is spent looking.

    What a transport does not have it ignores, unless this says otherwise.

    The device appears with register() and goes with unregister(); ``with
    device:`` does both, and pyfusd.run() serves it in between. What is registered
    when Python exits is unregistered.

    Callbacks run in the thread that calls dispatch() or run(); if several
    threads dispatch one device, they run at the same time, but for close().
    poll() also runs in the thread that calls poll_changed(), beside any of
    them. The methods of a Device may be called from any thread, also inside
    callbacks. In a forked child no device is registered, and no request of its
    parent can be answered.

    open, close, read, write, ioctl, seek, flush and fsync may be ``async def``: see
    pyfusd.aio.

    A process that os.fork() makes does not have the devices of its parent: they
    are not registered in it.
    """

    def __init__(
        self,
        name: str,
        mode: int = 0o600,
        *,
        transport: str | None = None,
        clazz: str | None = None,
        devname: str | None = None,
        max_client_memory: int = 4 << 20,
        stream: bool = False,
        owner: int | str | None = None,
        group: int | str | None = None,
        major: int = 0,
        minor: int = 0,
        attributes: Mapping[str, str] | None = None,
        uevent: Mapping[str, str] | None = None,
        nonblock: bool = False,
        shared_memory: int | HasFileno | None = None,
        max_transfer: int = 128 << 10,
        spin_us: int = 0,
    ) -> None:
        _check_mode(mode)
        if max_transfer < 1 or spin_us < 0:
            raise ValueError(
                f"{max_transfer} and {spin_us} are no max_transfer and spin_us"
            )
        if max_client_memory < 1:
            raise ValueError(f"{max_client_memory} bytes are no max_client_memory")
        self.name = name
        self.mode = mode
        self._transport = transport
        self._class = clazz
        self._devname = devname
        self._max_client_memory = max_client_memory
        self._stream = stream
        self._owner = owner
        self._group = group
        self._major = major
        self._minor = minor
        self._attributes = dict(attributes or {})
        self._uevent = dict(uevent or {})
        self._nonblock = nonblock
        self._shared_memory = shared_memory
        self._max_transfer = max_transfer
        self._spin_us = spin_us

    def register(self: Self) -> Self:
        """Makes the device appear, and returns it.

        Its node is at ``path`` then. A device that is registered in a callback
        of a running run() is served by that loop.

        Raises OSError: EINVAL (name, clazz, devname, transport, device number,
        attribute, uevent, shared_memory, max_transfer or spin_us; nonblock without
        a poll()), EBADF
        (shared_memory is closed), EEXIST (the name is taken, or an attribute's), EBUSY
        (the device number is), ENOPKG or ENODEV (no transport works on this machine,
        or not the one that was chosen), EACCES or EPERM (not for this user, or not with
        that owner, group, number or uevent), EOPNOTSUPP (not with the kernel module
        that is loaded), E2BIG (too many attributes), ENOSPC (kfusd, or the kernel for
        cuse, has as many devices as it may), ENOMEM (also beyond some 1,000 devices in
        a process on cuse and fuse), EMFILE, ENFILE; its text says what to do.
        RuntimeError if the device is
        registered, or its class did not call super().__init__(); TypeError if a
        callback does not take its arguments, or is a coroutine function and may not
        be one; ValueError for a null character, and for a mode that is not made of
        permission bits; LookupError for an owner or group that there is not.
        """
        if not hasattr(self, "_devname"):
            raise RuntimeError(
                f"{type(self).__name__}.__init__() did not call super().__init__(), "
                "which takes the device's name"
            )
        _check_mode(self.mode)
        check_signatures(self)
        registry.check_loop_takes(self)
        self._ioctl_numbers = numbers_of(self)
        names = (name for name, _ in self._ioctl_numbers.values())
        self._register(
            self.name,
            self.mode,
            frozenset({*CALLBACKS, *names}),
            self._transport,
            self._class,
            self._devname,
            declarations_of(self._ioctl_numbers),
            self._max_client_memory,
            self._stream,
            _id_of("user", self._owner),
            _id_of("group", self._group),
            self._major,
            self._minor,
            self._attributes,
            self._uevent,
            self._nonblock,
            self._shared_memory,
            self._max_transfer,
            self._spin_us,
        )
        tracing.attach_if_active(self)
        registry.serve_registered(self)
        return self

    def unregister(self) -> None:
        """Takes the device away; nothing happens if it is not registered.

        The node disappears, its name is free, and clients that are blocked in
        a call on the device get EPIPE. No callback is called any more, not even
        close() for files that are open. The device may be registered again.
        """
        with registry.stop_watching(self):
            super().unregister()
        tracing.forget(self)

    def set_attribute(self, name: str, value: str) -> None:
        """Changes the text of one of the device's attributes in sysfs.

        A newline is added if none is at its end. Clients that poll the file are woken.
        On cuse and fuse, which have no attributes, it is for the next register() only;
        so it is while the device is not registered.

        OSError ENOENT if the device was registered without it, EINVAL for a text of
        more than 4095 bytes, ENOMEM; ValueError for a null character.
        """
        if self.registered:
            self._set_attribute(name, value)
        self._attributes[name] = value

    def set_uevent(self, variables: Mapping[str, str]) -> None:
        """Changes the variables that udev gets with each uevent of the device.

        They take the place of those that were there. udev hears of it with the next
        uevent: see send_uevent(). On cuse and fuse nothing happens.

        OSError EPERM (they are for root), EINVAL (a key of other characters than A-Z,
        0-9 and _, a value with control characters, more than 16 or than 512 bytes),
        EEXIST (a name of the kernel's own, such as DEVNAME), ENOMEM; ValueError for a
        null character.
        """
        if self.registered:
            self._tell_uevent(dict(variables), False)
        self._uevent = dict(variables)

    def send_uevent(self, variables: Mapping[str, str] | None = None) -> None:
        """Sends a uevent "change" to udev, with these variables besides.

        On cuse and fuse nothing happens. ValueError if the device is not registered;
        OSError as set_uevent(), where EPERM is for variables alone.
        """
        self.fileno()
        self._tell_uevent(dict(variables or {}), True)

    # What the extension calls.

    def _check_callback(self, name: str, callback: object) -> None:
        check_assigned(self, name, callback)

    def _look_up(self) -> None:
        """Callbacks may be others now: some were assigned, or the class changed."""
        self._set_callbacks(handlers_of(self, self._ioctl_numbers))
        if self.registered:
            tracing.attach_if_active(self)

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        warn_of_misspelt(cls)

    def __enter__(self: Self) -> Self:
        return self.register()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unregister()

    def __repr__(self) -> str:
        where = f"at {self.path}" if self.registered else "not registered"
        return f"<{type(self).__name__} {self.name!r}, {where}>"

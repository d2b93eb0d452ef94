# SPDX-License-Identifier: BSD-3-Clause
# cython: language_level=3
"""The glue between libfusd's callbacks and Python's.

_core.pxd has its classes with their fields, and says who owns what.
"""

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_FillInfo,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.exc cimport (
    PyErr_CheckSignals,
    PyErr_SetObject,
    PyErr_WriteUnraisable,
)
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.number cimport PyNumber_Check, PyNumber_Index
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from libc.errno cimport (
    EACCES,
    EAGAIN,
    EBADF,
    EINVAL,
    EIO,
    ENODEV,
    ENOTTY,
    EPIPE,
    ETIMEDOUT,
    errno,
)
from libc.limits cimport INT_MAX
from posix.types cimport mode_t, off_t

cimport cython

from pyfusd.libfusd cimport *

import atexit
import contextvars
import os
import weakref

from pyfusd import _callbacks, _errors
from pyfusd._errors import (
    MappingError,
    errno_of,
    log_callback_answer,
    log_callback_failure,
    log_dropped_request,
    log_message,
    logs_answers,
    warn_of_plain_state,
)
from pyfusd._forking import no_fork
from pyfusd._ioctl import find as find_handler
from pyfusd._proc import is_shared_mapping
from pyfusd._timeouts import REQUEST, fail_after, forget_in_child

cdef int MAX_ERRNO = _errors.MAX_ERRNO
cdef int O_CLOEXEC = os.O_CLOEXEC
cdef Py_ssize_t TIMEOUT_REQUEST = REQUEST
del REQUEST

NOREPLY = -FUSD_NOREPLY
NOTIFY_INPUT = FUSD_NOTIFY_INPUT
NOTIFY_OUTPUT = FUSD_NOTIFY_OUTPUT
NOTIFY_EXCEPT = FUSD_NOTIFY_EXCEPT
NOTIFY_ERROR = FUSD_NOTIFY_ERROR
NOTIFY_HANGUP = FUSD_NOTIFY_HANGUP


cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object)
    bint PyCoro_CheckExact(object)
    object PyContext_CopyCurrent()
    int PyContext_Enter(object) except -1
    int PyContext_Exit(object) except -1
    unsigned long PyThread_get_thread_ident()
    int PyObject_AsFileDescriptor(object) except -1


cdef extern from "Python.h":
    bint PyLong_CheckExact(object)
    object PyUnicode_DecodeFSDefault(const char *)
    int PyObject_GenericSetAttr(object, object, PyObject *) except -1


cdef extern from *:
    """
    /* Another number once an attribute of the object's class was changed. */
    static inline unsigned int pyfusd_class_version(PyObject *object)
    {
    #if PY_VERSION_HEX < 0x030B0000
        if (!PyType_HasFeature(Py_TYPE(object), Py_TPFLAGS_VALID_VERSION_TAG))
            return 0;
    #endif
        return Py_TYPE(object)->tp_version_tag;
    }
    """
    unsigned int class_version "pyfusd_class_version"(object)


cdef extern from *:
    """
    #define PYFUSD_PATH_MAX 4096
    /* The Call whose callback this thread runs, the innermost one. */
    static _Thread_local void *pyfusd_call;
    /* The Polling of the poll() that this thread runs, the innermost one. */
    static _Thread_local void *pyfusd_polling;
    /* KeyboardInterrupt or SystemExit of a callback, kept for dispatch(). */
    static _Thread_local void *pyfusd_ending;
    /* The device that this thread serves, to be left for that; or -1. */
    static _Thread_local int pyfusd_serving = -1;
    """
    enum:
        PYFUSD_PATH_MAX
    void *pyfusd_call
    void *pyfusd_polling
    void *pyfusd_ending
    int pyfusd_serving


cdef tuple OPERATION_NAMES = tuple(_callbacks.CALLBACKS)
cdef tuple TOLD = tuple(
    [name for name, one in _callbacks.CALLBACKS.items() if one.is_told]
)
cdef tuple NO_CALLBACKS = (None,) * len(OPERATION_NAMES)


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Buffer:
    """Exports one request's memory to memoryviews.

    Only the dispatcher can make views of it, while armed: what a callback can
    reach through a view's obj is of no use after the callback. If views are
    left then, detach() takes the memory out of libfusd's pool until the last
    of them is gone, which is when the Buffer goes.
    """

    def __getbuffer__(self, Py_buffer *view, int flags):
        if not self.armed:
            raise BufferError("a request's memory is only lent to its callback")
        PyBuffer_FillInfo(view, self, self.data, self.length, self.readonly, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *view):
        self.exports -= 1

    def __dealloc__(self):
        fusd_buffer_release(self.owned)

    cdef inline void detach(self, fusd_file_info *info):
        """Keeps the memory; inside the callback, or where that returns."""
        if self.owned is NULL:
            self.owned = fusd_buffer_acquire(info)


cdef inline void advance_position(loff_t *offset, ssize_t retval, size_t length):
    if retval > 0:
        offset[0] += retval if <size_t>retval < length else <ssize_t>length


include "_descriptors.pxi"
include "_sysfs.pxi"
include "_open_file.pxi"
include "_coroutines.pxi"
include "_client_memory.pxi"
include "_mapping.pxi"
include "_trampolines.pxi"


cdef const char *text_or_null(bytes text) except? NULL:
    """The C string inside text, which the caller keeps."""
    if text is None:
        return NULL
    if b"\0" in text:
        raise ValueError("a device's name and options have no null characters")
    return text


cdef size_t fill_table(fusd_ioctl *table, list ioctls) except? 0:
    """Its first entries; ValueError if there are more than it can have."""
    cdef size_t count = 0
    if len(ioctls) > FUSD_IOCTLS_MAX:
        raise ValueError(
            f"{len(ioctls)} ioctls with a direction are too many: at most "
            f"{FUSD_IOCTLS_MAX}"
        )
    for number, mask, direction, size in ioctls:
        table[count] = fusd_ioctl(number, mask, direction, size)
        count += 1
    return count


# The registered devices of this process, by descriptor.
cdef dict _registered = {}


cdef class DeviceCore:
    """A device's registration; pyfusd.Device is what drivers derive from."""

    def __cinit__(self):
        self.fd = -1
        self.files = set()
        self.callbacks = NO_CALLBACKS
        self.ioctl_handlers = {}
        self._told = frozenset()

    @property
    def registered(self):
        return self.fd >= 0

    def fileno(self):
        """A descriptor that is readable while requests wait for dispatch()."""
        if self.fd < 0:
            raise ValueError(f"device {self.name!r} is not registered")
        return self.fd

    def dispatch(self):
        """Runs the callbacks of waiting requests, 40 at most; never blocks.

        True if at least one ran; OSError EBADF, ENODEV or ENOMEM.
        """
        cdef int result, error
        if self.fd < 0:
            raise OSError(EBADF, f"device {self.name!r} is not registered")
        result = fusd_dispatch(self.fd)
        error = errno
        raise_ending()
        if result == 0:
            return True
        if error == EAGAIN:
            return False
        raise OSError(error, f"{os.strerror(error)}: device {self.name!r}")

    def _waits(self):
        """For _serve(), which misses no _end_waits() after this."""
        return fusd_waits(self.fd)

    def _end_waits(self):
        """Makes _serve() return; any thread may do so."""
        fusd_end_waits_of(self.fd)

    def _serve(self, unsigned int waits, int wake_fd):
        """Waits, and runs callbacks, until waits are ended, or wake_fd is readable.

        Or a signal came. OSError EBADF, ENODEV or ENOMEM, as dispatch().
        """
        global pyfusd_serving
        cdef int result, error, before = pyfusd_serving
        pyfusd_serving = self.fd
        result = fusd_serve(self.fd, waits, wake_fd)
        error = errno
        pyfusd_serving = before
        raise_ending()
        if result < 0:
            raise OSError(error, f"{os.strerror(error)}: device {self.name!r}")

    def poll_changed(self):
        """Calls File.poll_changed() for each open file. Any thread may do so."""
        for file in list(self.files):
            (<File>file).poll_changed()

    def _set_attribute(self, name, value):
        cdef Attributes told = Attributes({name: value})
        cdef int result, error
        with nogil:
            result = fusd_set_attribute(self.fd, told.table.name, told.table.value)
            error = errno
        check_told(result, error)

    def _tell_uevent(self, dict variables, bint is_sent):
        cdef Variables told = Variables(variables)
        cdef int result, error
        with nogil:
            if is_sent:
                result = fusd_send_uevent(self.fd, told.table, told.count)
            else:
                result = fusd_set_uevent(self.fd, told.table, told.count)
            error = errno
        check_told(result, error)

    def unregister(self):
        cdef int fd
        if self.fd < 0:
            return
        with no_fork():
            # Inside: a signal may raise in no_fork() itself.
            fd = self.fd
            if fd < 0:
                return
            self.fd = -1
            _registered.pop(fd, None)
            # Before another thread may register the device anew.
            self.forget()
            with nogil:
                fusd_unregister(fd)

    def __setattr__(self, name, value):
        if self.looked_up is None or name not in self.looked_up:
            PyObject_GenericSetAttr(self, name, <PyObject *>value)
            return
        self._check_callback(name, value)
        PyObject_GenericSetAttr(self, name, <PyObject *>value)
        self.look_up_again()

    def __delattr__(self, name):
        PyObject_GenericSetAttr(self, name, NULL)
        if self.looked_up is not None and name in self.looked_up:
            self.look_up_again()

    cdef inline void follow_class(self):
        """Before a callback: its class may have another one by now."""
        if class_version(self) != self.version:
            self.class_changed()

    cdef object look_up_again(self):
        """While registered. It runs Python's code, which may end that."""
        try:
            self._look_up()
        finally:
            if self.looked_up is None:
                self.forget()

    cdef void class_changed(self) noexcept:
        if self.looked_up is None:
            return
        try:
            self.look_up_again()
        except BaseException as error:
            not_raised(error, self)
        self.version = class_version(self)

    cdef void forget(self):
        """Lets go of what belonged to the registration."""
        self.looked_up = None
        for file in self.files:
            (<File>file).drop_poll()
        self.files.clear()
        self.callbacks = NO_CALLBACKS
        self.ioctl_handlers = {}

    def _callbacks(self):
        callbacks = dict(zip(OPERATION_NAMES, self.callbacks))
        callbacks["ioctl_handlers"] = self.ioctl_handlers
        return callbacks

    def _replace_callbacks(self, dict callbacks):
        self.callbacks = tuple([callbacks[name] for name in OPERATION_NAMES])
        self.ioctl_handlers = callbacks["ioctl_handlers"]

    def _set_callbacks(self, dict ioctl_handlers):
        """Looks up what the trampolines call."""
        self.callbacks = tuple([getattr(self, name, None) for name in OPERATION_NAMES])
        self.ioctl_handlers = ioctl_handlers
        self.version = class_version(self)

    def _register(
        self, name, mode_t mode, frozenset looked_up, transport, clazz, devname,
        list ioctls, size_t max_client_memory, bint stream, uid_t owner, gid_t group,
        unsigned int major, unsigned int minor, dict attributes, dict uevent,
        bint nonblock, shared_memory, unsigned int max_transfer, unsigned int spin_us,
    ):
        cdef fusd_file_operations operations
        cdef fusd_options options
        cdef fusd_ioctl table[FUSD_IOCTLS_MAX]
        cdef const char *c_name
        cdef int fd, error, memory
        if self.fd >= 0 or self.registering:
            raise RuntimeError(f"device {self.name!r} is registered already")
        cdef list encoded = [
            None if text is None else os.fsencode(text)
            for text in (name, transport, clazz, devname)
        ]
        options.size = sizeof(options)
        c_name = text_or_null(encoded[0])
        options.transport = text_or_null(encoded[1])
        options.clazz = text_or_null(encoded[2])
        options.devname = text_or_null(encoded[3])
        options.ioctls = table
        options.ioctl_count = fill_table(table, ioctls)
        options.max_client_memory = max_client_memory
        options.stream = stream
        options.owner = owner
        options.group = group
        options.major = major
        options.minor = minor
        cdef Attributes told = Attributes(attributes)
        options.attributes = told.table
        options.attribute_count = told.count
        cdef Variables variables = Variables(uevent)
        options.uevent = variables.table
        options.uevent_count = variables.count
        options.nonblock = nonblock
        options.max_transfer = max_transfer
        options.spin_us = spin_us
        options.shared_memory = NULL
        if shared_memory is not None:
            memory = PyObject_AsFileDescriptor(shared_memory)
            options.shared_memory = &memory
        self.held = weakref.WeakValueDictionary()
        operations = OPERATIONS
        self.looked_up = looked_up
        try:
            self._look_up()
        except BaseException:
            self.forget()
            raise
        self._told = frozenset(
            [
                name for name in TOLD
                if callback_of(self, OPERATION_NAMES.index(name)) is not None
            ]
        )
        # Without them, the kernel answers for the driver.
        if "poll" not in self._told:
            operations.poll_diff = NULL
        if "seek" not in self._told:
            operations.seek = NULL
        if "flush" not in self._told:
            operations.flush = NULL
        if "fsync" not in self._told:
            operations.fsync = NULL
        self.registering = True
        try:
            with no_fork():
                with nogil:
                    fd = fusd_register_with(
                        c_name, mode, <void *>self, &operations, &options
                    )
                    error = errno
                if fd >= 0:
                    self.registration_began(fd)
            if fd < 0:
                raise OSError(error, os.fsdecode(fusd_error()))
        except BaseException:
            DeviceCore.unregister(self)
            raise
        finally:
            self.registering = False
            if self.fd < 0:
                self.forget()

    cdef int registration_began(self, int fd) except -1:
        """Runs no code of Python's, in which a signal could raise."""
        cdef char path[PYFUSD_PATH_MAX]
        self.fd = fd
        _registered[fd] = self
        fusd_device_path(fd, path, sizeof(path))
        self.path = PyUnicode_DecodeFSDefault(path)
        self.transport = fusd_device_transport(fd).decode()
        return 0


cdef void keep_ending(object error) noexcept:
    """Keeps an exception that is meant to end this thread's loop."""
    global pyfusd_ending
    if isinstance(error, (KeyboardInterrupt, SystemExit)) and pyfusd_ending is NULL:
        Py_INCREF(error)
        pyfusd_ending = <void *><PyObject *>error
        if pyfusd_serving >= 0:
            fusd_end_waits_of(pyfusd_serving)


cdef void not_raised(object error, object origin) noexcept:
    """Takes an exception where none can be raised."""
    keep_ending(error)
    if not isinstance(error, (KeyboardInterrupt, SystemExit)):
        PyErr_SetObject(type(error), error)
        PyErr_WriteUnraisable(origin)


cdef int raise_ending() except -1:
    """Raises what keep_ending() kept."""
    global pyfusd_ending
    if pyfusd_ending is NULL:
        return 0
    error = <object><PyObject *>pyfusd_ending
    Py_XDECREF(<PyObject *>pyfusd_ending)
    pyfusd_ending = NULL
    raise error


def registered_devices():
    """The devices of this process that are registered now."""
    return list(_registered.values())


def transport_problem(str transport not None):
    """Why a transport does not work here for this user; None if it does."""
    cdef char reason[1024]
    encoded = transport.encode()
    if fusd_transport_check(encoded, reason, sizeof(reason)) == 0:
        return None
    return os.fsdecode(reason)


def transport_advice(str transport not None):
    """The commands that would make a transport work here for this user."""
    encoded = transport.encode()
    if fusd_transport_check(encoded, NULL, 0) == 0:
        return []
    return os.fsdecode(fusd_advice()).splitlines()


def transport_summaries():
    """Each transport's name and what its devices are, as "auto" tries them."""
    cdef const fusd_transport *transport
    summaries = {}
    transport = fusd_transport_at(0)
    while transport is not NULL:
        summaries[transport.name.decode()] = transport.summary.decode()
        transport = fusd_transport_at(len(summaries))
    return summaries


def library_version():
    """The version of libfusd that the extension carries."""
    return fusd_version().decode()


def _unregister_all():
    for device in registered_devices():
        device.unregister()
    # A thread that takes its lock when there is no interpreter any more would crash.
    with nogil:
        fusd_set_lock_probe(NULL)


def _forget_in_child():
    """A forked child serves nothing and must not keep its parent's devices."""
    cdef DeviceCore device
    fusd_forget_devices()
    for device in _registered.values():
        device.fd = -1
        device._server = device._observer = None
        device.forget()
    _registered.clear()
    # Drops requests, which by now have nothing to answer.
    forget_in_child()


cdef void on_log(int priority, const char *message, void *data) noexcept with gil:
    try:
        log_message(priority, os.fsdecode(message))
    except BaseException as error:
        not_raised(error, log_message)


cdef void take_interpreter_lock() noexcept with gil:
    """Returns once a callback could run."""


fusd_set_log(on_log, NULL)
fusd_set_lock_probe(take_interpreter_lock)
fusd_set_passive_open(
    <int (*)(fusd_file_info *) noexcept nogil>on_open, on_passive_open
)
fusd_set_wait_hooks(pyfusd_before_wait, pyfusd_after_wait)
atexit.register(_unregister_all)
os.register_at_fork(after_in_child=_forget_in_child)

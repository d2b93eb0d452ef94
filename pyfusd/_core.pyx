# SPDX-License-Identifier: BSD-3-Clause
# cython: language_level=3
"""The glue between libfusd's callbacks and Python's.

libfusd calls the trampolines below from fusd_dispatch(), with the GIL held.
Each shows the request's own memory to a Python callback as a memoryview, and
turns what the callback returns or raises into the request's answer.

Who owns what:
- A DeviceCore is a device's device_info. While registered, _registered holds it.
- A File is an open file's private_data. Its device's files hold it, from open
  to close or unregister.
- A Buffer stands between memoryviews and a request's memory. Views that are
  kept hold it, and it then holds the memory.
- A Request owns a held request until that is answered.
"""

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBuffer_FillInfo,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.number cimport PyNumber_Index
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from libc.errno cimport EAGAIN, EBADF, EIO, ENOTTY, EPIPE, errno
from libc.limits cimport INT_MAX
from posix.types cimport mode_t

cimport cython

from pyfusd.libfusd cimport *

import atexit
import os
import warnings
import weakref

from pyfusd.errors import log_callback_failure, log_message

NOREPLY = -FUSD_NOREPLY
NOTIFY_INPUT = FUSD_NOTIFY_INPUT
NOTIFY_OUTPUT = FUSD_NOTIFY_OUTPUT
NOTIFY_EXCEPT = FUSD_NOTIFY_EXCEPT


cdef extern from "<sys/ioctl.h>":
    unsigned int _IOC_DIR(unsigned int)


cdef extern from *:
    """
    #define PYFUSD_MAX_ERRNO 4095
    #define PYFUSD_PATH_MAX 4096
    /* The Call whose callback this thread runs, the innermost one. */
    static _Thread_local void *pyfusd_call;
    /* KeyboardInterrupt or SystemExit of a callback, kept for dispatch(). */
    static _Thread_local void *pyfusd_ending;
    """
    enum:
        PYFUSD_MAX_ERRNO
        PYFUSD_PATH_MAX
    void *pyfusd_call
    void *pyfusd_ending


cdef enum Operation:
    OPEN
    CLOSE
    READ
    WRITE
    IOCTL
    POLL
    UNBLOCK

cdef tuple OPERATION_NAMES = (
    "open", "close", "read", "write", "ioctl", "poll", "unblock"
)


cdef struct Call:
    fusd_file_info *info
    PyObject *file     # borrowed: the trampoline holds it
    PyObject *view     # borrowed, or NULL
    PyObject *buffer   # borrowed, or NULL
    PyObject *request  # owned, or NULL: what hold() made
    int operation
    bint offset_is_set
    Call *outer


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

    cdef char *data
    cdef Py_ssize_t length
    cdef bint readonly
    cdef bint armed
    cdef Py_ssize_t exports
    cdef fusd_buffer *owned

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


cdef inline Call *call_of(object file):
    """This thread's running callback, if it is one of this open file."""
    cdef Call *call = <Call *>pyfusd_call
    if call is not NULL and call.file is <PyObject *>file:
        return call
    return NULL


cdef class File:
    # Documented in _core.pyi.
    cdef readonly DeviceCore device
    cdef dict __dict__
    cdef pid_t opener_pid
    cdef uid_t opener_uid
    cdef gid_t opener_gid
    cdef unsigned int last_flags
    # The held poll_diff, the driver's; NULL if there is none.
    cdef fusd_file_info *poll_info
    cdef unsigned int poll_cached
    # Counts poll_changed(), to see those that come while poll() runs.
    cdef unsigned long poll_changes

    def __init__(self):
        raise TypeError("a File is made by an open, not by a call")

    @property
    def pid(self):
        cdef Call *call = call_of(self)
        return self.opener_pid if call is NULL else call.info.pid

    @property
    def uid(self):
        cdef Call *call = call_of(self)
        return self.opener_uid if call is NULL else call.info.uid

    @property
    def gid(self):
        cdef Call *call = call_of(self)
        return self.opener_gid if call is NULL else call.info.gid

    @property
    def flags(self):
        cdef Call *call = call_of(self)
        return self.last_flags if call is NULL else call.info.flags

    @flags.setter
    def flags(self, unsigned int flags):
        cdef Call *call = call_of(self)
        if call is NULL:
            raise RuntimeError("flags can be changed only inside a callback")
        call.info.flags = self.last_flags = flags

    @property
    def offset(self):
        return fusd_get_offset(transfer_of(self).info)[0]

    @offset.setter
    def offset(self, loff_t offset):
        cdef Call *call = transfer_of(self)
        fusd_get_offset(call.info)[0] = offset
        call.offset_is_set = True

    def hold(self):
        cdef Call *call = call_of(self)
        if call is NULL or call.operation in (POLL, UNBLOCK, CLOSE):
            raise RuntimeError(
                "hold() belongs inside an open, read, write or ioctl callback"
            )
        if call.request is NULL:
            request = make_request(call)
            Py_INCREF(request)
            call.request = <PyObject *>request
        return <Request>call.request

    def poll_changed(self):
        cdef fusd_file_info *info = self.poll_info
        cdef unsigned int state
        self.poll_changes += 1
        if info is NULL:
            return
        state = poll_state(self.device.poll_callback(self))
        # poll() may have let another thread or a newer poll_diff in.
        if self.poll_info is info and state != self.poll_cached:
            self.poll_info = NULL
            # EPIPE: its client is gone, or has asked again.
            fusd_return(info, state)

    cdef void drop_poll(self):
        cdef fusd_file_info *info = self.poll_info
        self.poll_info = NULL
        fusd_destroy(info)

    def __repr__(self):
        return f"<pyfusd.File of {self.device.name!r}, pid {self.pid}>"


cdef Call *transfer_of(object file) except NULL:
    cdef Call *call = call_of(file)
    if call is NULL or call.operation not in (READ, WRITE):
        raise RuntimeError("offset belongs to a read or write callback")
    return call


@cython.final
cdef class Request:
    # Documented in _core.pyi.
    cdef readonly File file
    cdef readonly object buffer
    cdef readonly bint interrupted
    cdef readonly pid_t pid
    cdef readonly uid_t uid
    cdef readonly gid_t gid
    cdef fusd_file_info *info  # NULL once answered
    cdef int kind
    cdef size_t length
    cdef loff_t position
    cdef bint offset_is_set
    cdef long transaction
    cdef object __weakref__

    def __init__(self):
        raise TypeError("a Request is made by File.hold(), not by a call")

    @property
    def operation(self):
        return OPERATION_NAMES[self.kind]

    @property
    def done(self):
        return self.info is NULL

    @property
    def offset(self):
        return self.position

    @offset.setter
    def offset(self, loff_t offset):
        if self.kind != READ and self.kind != WRITE:
            raise RuntimeError("offset belongs to a read or write")
        self.position = offset
        self.offset_is_set = True

    def reply(self, result=None):
        cdef Py_buffer data
        cdef ssize_t retval
        self.check_pending()
        if self.kind == READ and not isinstance(result, int) \
                and PyObject_CheckBuffer(result):
            PyObject_GetBuffer(result, &data, PyBUF_SIMPLE)
            try:
                # Another thread may have been first while the GIL was gone.
                self.check_pending()
                self.send_data(data.buf, data.len)
            finally:
                PyBuffer_Release(&data)
        else:
            retval = result_of(self.kind, result)
            self.check_pending()
            self.send(retval)

    def fail(self, int error):
        if not 0 < error <= PYFUSD_MAX_ERRNO:
            raise ValueError(f"{error} is no errno")
        self.check_pending()
        self.send(-error)

    def __del__(self):
        if self.info is NULL:
            return
        try:
            self.send(-EIO)
        except OSError:
            return  # Its client did not wait any longer.
        warnings.warn(
            f"a held {self.operation} of {self.file!r} was dropped without a "
            "reply; its client got EIO",
            ResourceWarning,
            source=self,
        )

    def __repr__(self):
        state = "answered" if self.done else "held"
        return f"<pyfusd.Request: {self.operation}, pid {self.pid}, {state}>"

    cdef int check_pending(self) except -1:
        if self.info is NULL:
            raise RuntimeError(f"{self!r} has been answered already")
        return 0

    cdef fusd_file_info *take(self, ssize_t retval):
        """Ends this object's ownership, with the offset of the answer set."""
        cdef fusd_file_info *info = self.info
        self.info = NULL
        if self.kind == READ or self.kind == WRITE:
            fusd_get_offset(info)[0] = self.position
            if not self.offset_is_set:
                advance(fusd_get_offset(info), retval, self.length)
        return info

    cdef int send(self, ssize_t retval) except -1:
        cdef int result = fusd_return(self.take(retval), retval)
        return self.sent(result, retval)

    cdef int send_data(self, const void *data, Py_ssize_t length) except -1:
        cdef int result = fusd_return_data(self.take(length), data, length)
        return self.sent(result, length)

    cdef int sent(self, int result, ssize_t retval) except -1:
        cdef int error = errno
        if self.kind == OPEN and (result < 0 or retval < 0):
            self.file.device.files.discard(self.file)
        if result < 0:
            raise OSError(error, f"the {self.operation} was not waited for any more")
        return 0


cdef Request make_request(Call *call):
    """Moves the running callback's request into a Request of its own."""
    cdef Request request = Request.__new__(Request)
    cdef fusd_file_info *info = call.info
    request.file = <File>call.file
    request.pid = info.pid
    request.uid = info.uid
    request.gid = info.gid
    request.kind = call.operation
    request.transaction = fusd_get_transaction(info)
    if call.operation == READ or call.operation == WRITE:
        request.length = fusd_get_length(info)
        request.position = fusd_get_offset(info)[0]
        request.offset_is_set = call.offset_is_set
    if call.view is not NULL:
        request.buffer = <object>call.view
        (<Buffer>call.buffer).detach(info)
    request.file.device.held[request.transaction] = request
    # From here on the Request answers, be it by being dropped.
    request.info = info
    return request


cdef inline void advance(loff_t *offset, ssize_t retval, size_t length):
    if retval > 0:
        offset[0] += retval if <size_t>retval < length else <ssize_t>length


cdef ssize_t result_of(int operation, object result) except? -1:
    """What a callback's result means in C, data of a read left aside."""
    cdef ssize_t retval
    if result is None and operation != READ and operation != WRITE:
        return 0
    try:
        retval = PyNumber_Index(result)
    except TypeError:
        raise TypeError(
            f"{OPERATION_NAMES[operation]}() must return "
            + ("a count or bytes" if operation == READ else "an int")
            + f", not {type(result).__name__}"
        ) from None
    if retval < -PYFUSD_MAX_ERRNO:
        raise OverflowError(f"{retval} is neither a result nor a negative errno")
    if operation == IOCTL and retval > INT_MAX:
        raise OverflowError(f"{retval} does not fit into an ioctl's result")
    return retval


cdef unsigned int poll_state(object state) except? 0:
    return PyNumber_Index(state)


cdef ssize_t answer(Call *call, object result) except? -1:
    """Turns a callback's result into the trampoline's."""
    cdef Py_buffer data
    cdef ssize_t retval
    cdef loff_t *offset
    if call.request is not NULL:
        request = <Request>call.request
        if not (result is request or result is NOREPLY or result == NOREPLY):
            if not request.done:
                request.reply(result)
        return -FUSD_NOREPLY
    if call.operation == READ and not isinstance(result, int) \
            and PyObject_CheckBuffer(result):
        PyObject_GetBuffer(result, &data, PyBUF_SIMPLE)
        offset = fusd_get_offset(call.info)
        if not call.offset_is_set:
            advance(offset, data.len, fusd_get_length(call.info))
        # A client that is gone meanwhile is none of the driver's business.
        fusd_return_data(call.info, data.buf, data.len)
        PyBuffer_Release(&data)
        return -FUSD_NOREPLY
    if isinstance(result, Request) or (isinstance(result, int) and result == NOREPLY):
        raise RuntimeError("a callback that does not answer has to call file.hold()")
    retval = result_of(call.operation, result)
    if (call.operation == READ or call.operation == WRITE) and not call.offset_is_set:
        advance(fusd_get_offset(call.info), retval, fusd_get_length(call.info))
    return retval


cdef ssize_t failure(Call *call, object error):
    """The answer for a callback that raised."""
    global pyfusd_ending
    cdef int number = EIO
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        number = EPIPE
        if pyfusd_ending is NULL:
            Py_INCREF(error)
            pyfusd_ending = <void *><PyObject *>error
    elif isinstance(error, OSError) and isinstance(error.errno, int) \
            and 0 < error.errno <= PYFUSD_MAX_ERRNO:
        number = error.errno
    else:
        log_callback_failure(
            (<File>call.file).device, OPERATION_NAMES[call.operation], error
        )
    if call.request is NULL:
        return -number
    request = <Request>call.request
    if not request.done:
        request.fail(number)
    return -FUSD_NOREPLY


cdef ssize_t failed(Call *call, object error) noexcept:
    try:
        return failure(call, error)
    except OSError:
        return -FUSD_NOREPLY  # The held request's client is gone.


cdef inline void begin(Call *call, fusd_file_info *info, File file, int operation):
    global pyfusd_call
    call.info = info
    call.file = <PyObject *>file
    call.view = call.buffer = call.request = NULL
    call.operation = operation
    call.offset_is_set = False
    call.outer = <Call *>pyfusd_call
    pyfusd_call = call


cdef inline void end(Call *call):
    global pyfusd_call
    pyfusd_call = call.outer
    Py_XDECREF(call.request)


cdef inline object lend(
    Call *call, Buffer buffer, const void *data, size_t length, bint readonly
):
    """A memoryview of the request's data, for the callback."""
    buffer.data = <char *>data
    buffer.length = length
    buffer.readonly = readonly
    buffer.armed = True
    view = PyMemoryView_FromObject(buffer)
    buffer.armed = False
    call.view = <PyObject *>view
    call.buffer = <PyObject *>buffer
    return view


cdef inline File file_of(fusd_file_info *info):
    """The request's open file; None if its device was unregistered meanwhile."""
    cdef DeviceCore device = <DeviceCore>info.device_info
    if device.fd != info.fd or info.private_data is NULL:
        return None
    return <File>info.private_data


cdef int on_open(fusd_file_info *info) noexcept:
    cdef Call call
    cdef ssize_t retval
    cdef DeviceCore device = <DeviceCore>info.device_info
    cdef File file
    if device.fd != info.fd:
        return -EPIPE
    file = File.__new__(File)
    file.device = device
    file.opener_pid = info.pid
    file.opener_uid = info.uid
    file.opener_gid = info.gid
    file.last_flags = info.flags
    device.files.add(file)
    info.private_data = <void *>file
    if device.open_callback is None:
        return 0
    begin(&call, info, file, OPEN)
    try:
        retval = answer(&call, device.open_callback(file))
    except BaseException as error:
        retval = failed(&call, error)
    end(&call)
    if retval < 0 and retval != -FUSD_NOREPLY:
        device.files.discard(file)
    return <int>retval


cdef int on_close(fusd_file_info *info) noexcept:
    cdef Call call
    cdef File file = file_of(info)
    cdef DeviceCore device
    if file is None:
        return -EPIPE
    device = file.device
    file.drop_poll()
    if device.close_callback is not None:
        begin(&call, info, file, CLOSE)
        try:
            device.close_callback(file)
        except BaseException as error:
            failed(&call, error)
        end(&call)
    device.files.discard(file)
    return 0


cdef ssize_t on_read(
    fusd_file_info *info, char *data, size_t length, loff_t *offset
) noexcept:
    cdef Call call
    cdef ssize_t retval
    cdef Buffer buffer
    cdef File file = file_of(info)
    if file is None:
        return -EPIPE
    begin(&call, info, file, READ)
    buffer = view = None
    try:
        buffer = Buffer.__new__(Buffer)
        view = lend(&call, buffer, data, length, False)
        retval = answer(&call, file.device.read_callback(file, view, offset[0]))
    except BaseException as error:
        retval = failed(&call, error)
    view = None
    if buffer is not None and buffer.exports:
        buffer.detach(info)
    end(&call)
    return retval


cdef ssize_t on_write(
    fusd_file_info *info, const char *data, size_t length, loff_t *offset
) noexcept:
    cdef Call call
    cdef ssize_t retval
    cdef Buffer buffer
    cdef File file = file_of(info)
    if file is None:
        return -EPIPE
    begin(&call, info, file, WRITE)
    buffer = view = None
    try:
        buffer = Buffer.__new__(Buffer)
        view = lend(&call, buffer, data, length, True)
        retval = answer(&call, file.device.write_callback(file, view, offset[0]))
    except BaseException as error:
        retval = failed(&call, error)
    view = None
    if buffer is not None and buffer.exports:
        buffer.detach(info)
    end(&call)
    return retval


cdef object call_ioctl(DeviceCore device, File file, object number, object argument):
    handler = device.ioctl_handlers.get(number)
    if handler is not None:
        return handler(file, argument)
    if device.ioctl_callback is not None:
        return device.ioctl_callback(file, number, argument)
    return -ENOTTY


cdef int on_ioctl(fusd_file_info *info, int request, void *data) noexcept:
    cdef Call call
    cdef ssize_t retval
    cdef Buffer buffer
    cdef unsigned int number = <unsigned int>request
    cdef File file = file_of(info)
    if file is None:
        return -EPIPE
    begin(&call, info, file, IOCTL)
    buffer = argument = None
    try:
        buffer = Buffer.__new__(Buffer)
        if _IOC_DIR(number):
            argument = lend(&call, buffer, data, fusd_get_length(info), False)
        else:
            argument = <size_t>data
        retval = answer(&call, call_ioctl(file.device, file, number, argument))
    except BaseException as error:
        retval = failed(&call, error)
    argument = None
    if buffer is not None and buffer.exports:
        buffer.detach(info)
    end(&call)
    return <int>retval


cdef int on_poll_diff(fusd_file_info *info, unsigned int cached) noexcept:
    cdef Call call
    cdef unsigned int state
    cdef unsigned long changes
    cdef File file = file_of(info)
    if file is None:
        return -EPIPE
    begin(&call, info, file, POLL)
    while True:
        changes = file.poll_changes
        try:
            state = poll_state(file.device.poll_callback(file))
        except BaseException as error:
            failed(&call, error)
            # Its client shall not wait for ever because of this.
            state = FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT | FUSD_NOTIFY_EXCEPT
        if state != cached or changes == file.poll_changes:
            break
    end(&call)
    file.drop_poll()
    if state != cached:
        return <int>state
    if file.device.fd != info.fd:
        return -EPIPE
    file.poll_info = info
    file.poll_cached = cached
    return -FUSD_NOREPLY


cdef int on_unblock(fusd_file_info *info) noexcept:
    cdef Call call
    cdef Request request
    cdef File file = file_of(info)
    if file is None:
        return 0
    begin(&call, info, file, UNBLOCK)
    try:
        request = file.device.held.get(fusd_get_transaction(info))
        if request is not None and request.file is file and not request.done:
            request.interrupted = True
            if file.device.unblock_callback is not None:
                file.device.unblock_callback(file, request)
    except BaseException as error:
        failed(&call, error)
    end(&call)
    return 0


cdef const char *text_or_null(bytes text) except? NULL:
    """The C string inside text, which the caller keeps."""
    if text is None:
        return NULL
    if b"\0" in text:
        raise ValueError("a device's name and options have no null characters")
    return text


# The registered devices of this process, by descriptor.
cdef dict _registered = {}


cdef class DeviceCore:
    """A device's registration; pyfusd.Device is what drivers derive from."""

    cdef int fd  # -1 unless registered
    cdef bint registering
    cdef public object name
    cdef public object mode
    cdef readonly object path
    cdef readonly object transport
    cdef set files
    cdef object held  # transaction -> Request, while somebody has that
    # Bound methods, looked up once; None where the driver has none.
    cdef object open_callback
    cdef object close_callback
    cdef object read_callback
    cdef object write_callback
    cdef object ioctl_callback
    cdef object poll_callback
    cdef object unblock_callback
    cdef dict ioctl_handlers

    def __cinit__(self):
        self.fd = -1
        self.files = set()
        self.ioctl_handlers = {}

    @property
    def registered(self):
        return self.fd >= 0

    def fileno(self):
        if self.fd < 0:
            raise ValueError(f"device {self.name!r} is not registered")
        return self.fd

    def dispatch(self):
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

    def poll_changed(self):
        for file in list(self.files):
            (<File>file).poll_changed()

    def unregister(self):
        cdef int fd = self.fd
        if fd < 0:
            return
        self.fd = -1
        _registered.pop(fd, None)
        with nogil:
            fusd_unregister(fd)
        self.forget()

    cdef void forget(self):
        """Lets go of what belonged to the registration."""
        for file in self.files:
            (<File>file).drop_poll()
        self.files.clear()
        self.open_callback = self.close_callback = None
        self.read_callback = self.write_callback = None
        self.ioctl_callback = self.poll_callback = self.unblock_callback = None
        self.ioctl_handlers = {}

    cdef void connect(self, fusd_file_operations *operations):
        self.open_callback = getattr(self, "open", None)
        self.close_callback = getattr(self, "close", None)
        self.read_callback = getattr(self, "read", None)
        self.write_callback = getattr(self, "write", None)
        self.ioctl_callback = getattr(self, "ioctl", None)
        self.poll_callback = getattr(self, "poll", None)
        self.unblock_callback = getattr(self, "unblock", None)
        operations[0] = fusd_file_operations(
            open=on_open, close=on_close, read=NULL, write=NULL,
            ioctl=on_ioctl, poll_diff=NULL, unblock=on_unblock,
        )
        if self.read_callback is not None:
            operations.read = on_read
        if self.write_callback is not None:
            operations.write = on_write
        if self.poll_callback is not None:
            operations.poll_diff = on_poll_diff

    def _register(
        self, name, mode_t mode, dict ioctl_handlers, transport, clazz, devname
    ):
        cdef fusd_file_operations operations
        cdef fusd_options options
        cdef const char *c_name
        cdef int fd, error
        cdef char path[PYFUSD_PATH_MAX]
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
        self.held = weakref.WeakValueDictionary()
        self.connect(&operations)
        self.ioctl_handlers = ioctl_handlers
        self.registering = True
        with nogil:
            fd = fusd_register_with(c_name, mode, <void *>self, &operations, &options)
            error = errno
        self.registering = False
        if fd < 0:
            self.forget()
            raise OSError(error, os.fsdecode(fusd_error()))
        fusd_device_path(fd, path, sizeof(path))
        self.path = os.fsdecode(path)
        self.transport = fusd_device_transport(fd).decode()
        self.fd = fd
        _registered[fd] = self


cdef int raise_ending() except -1:
    """Raises what ended a callback and is meant to end its loop."""
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


def library_version():
    return fusd_version().decode()


def _unregister_all():
    for device in registered_devices():
        device.unregister()


def _forget_in_child():
    """A forked child serves nothing and must not keep its parent's devices."""
    for fd, device in _registered.items():
        (<DeviceCore>device).fd = -1
        os.close(fd)
    _registered.clear()


cdef void on_log(int priority, const char *message, void *data) noexcept with gil:
    try:
        log_message(priority, os.fsdecode(message))
    except BaseException as error:
        warnings.warn(f"pyfusd cannot log: {error!r}")


fusd_set_log(on_log, NULL)
atexit.register(_unregister_all)
os.register_at_fork(after_in_child=_forget_in_child)

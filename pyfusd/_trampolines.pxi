# SPDX-License-Identifier: BSD-3-Clause
"""From libfusd's callbacks to Python's, and from what those answer back."""

# What has to be returned, where that is not any number.
cdef dict RESULTS_OF = {
    READ: "bytes, or the count of bytes in buf",
    WRITE: "the count of bytes that it has taken",
}


cdef ssize_t result_of(int operation, object result) except? -1:
    """What a callback's result means in C, data of a read left aside."""
    cdef ssize_t retval
    if result is None and operation not in (READ, WRITE, SEEK):
        return 0
    try:
        retval = PyNumber_Index(result)
    except TypeError:
        raise TypeError(
            f"{OPERATION_NAMES[operation]}() must return "
            + RESULTS_OF.get(operation, "an int")
            + f", not {type(result).__name__}"
        ) from None
    if retval < -MAX_ERRNO:
        raise OverflowError(f"{retval} is neither a result nor a negative errno")
    if operation not in (READ, WRITE, SEEK) and retval > INT_MAX:
        raise OverflowError(
            f"{retval} does not fit into the result of {OPERATION_NAMES[operation]}()"
        )
    return retval


# POLLOUT and POLLPRI of select have the values of each other's.
cdef unsigned int NOT_AS_SELECT = FUSD_NOTIFY_OUTPUT | FUSD_NOTIFY_EXCEPT


cdef unsigned int poll_state(DeviceCore device, object state) except? 0:
    """What poll() returned, in C."""
    number = PyNumber_Index(state)
    if PyLong_CheckExact(state) and number & NOT_AS_SELECT:
        warn_of_plain_state(device, number)
    if number & ~FUSD_NOTIFY_ALL:
        raise ValueError(
            f"poll() returned {number:#x}, which is not made of NOTIFY_ bits"
        )
    return number


# In the struct module's language.
cdef str NUMBER_FORMATS = "?bBhHiIlLqQnNefdg"


cpdef bint is_data(object result) except? True:
    """Whether what read() returned are a client's bytes, not their count."""
    if isinstance(result, int) or not PyObject_CheckBuffer(result):
        return False
    if not PyNumber_Check(result):
        return True
    # The numbers of numpy show their bytes, too, as its arrays and records do.
    view = memoryview(result)
    return view.ndim > 0 or view.format[-1] not in NUMBER_FORMATS


def first_bytes(data, Py_ssize_t count):
    """A copy of the first bytes of data, which numpy's records are, too."""
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return (<char *>view.buf)[:min(view.len, count)]
    finally:
        PyBuffer_Release(&view)


# So many bytes take longer to copy than another thread should wait for the GIL.
cdef Py_ssize_t LARGE = 64 << 10


cdef inline bint is_noreply(object result):
    return isinstance(result, int) and result == NOREPLY


cpdef bint is_held(object result):
    """Whether a callback's result says that some request is answered later."""
    return isinstance(result, Request) or is_noreply(result)


cdef inline bint leaves_held(Request request, object result):
    """Whether a callback's result says that this request is answered later."""
    return result is request or is_noreply(result)


cdef ssize_t answer_of(Call *call, object result) except? -1:
    """Turns a callback's result into the trampoline's."""
    cdef Py_buffer data
    cdef ssize_t retval
    cdef loff_t *offset
    if is_awaitable(result):
        result = start_coroutine(call, result)
        if result is SUSPENDED:
            return -FUSD_NOREPLY
    if call.request is not NULL:
        request = <Request>call.request
        if not leaves_held(request, result) and not request.done:
            if result is None and call.operation in (READ, WRITE):
                raise RuntimeError("a held request: return what file.hold() gave")
            request.reply(result)
        return -FUSD_NOREPLY
    if call.operation == READ and is_data(result):
        PyObject_GetBuffer(result, &data, PyBUF_SIMPLE)
        offset = fusd_get_offset(call.info)
        if not call.offset_is_set:
            advance_position(offset, data.len, fusd_get_length(call.info))
        if data.len < LARGE:
            retval = fusd_answer_data(call.info, data.buf, data.len)
        else:
            with nogil:
                retval = fusd_answer_data(call.info, data.buf, data.len)
        PyBuffer_Release(&data)
        return retval
    if is_held(result):
        raise RuntimeError("a callback that does not answer has to call file.hold()")
    retval = result_of(call.operation, result)
    if (call.operation == READ or call.operation == WRITE) and not call.offset_is_set:
        advance_position(fusd_get_offset(call.info), retval, fusd_get_length(call.info))
    return retval


cdef object method_of(File file, int operation, fusd_file_info *info):
    """The name of the method that serves a request, or of its operation."""
    if operation == IOCTL and info is not NULL and file.device._ioctl_numbers:
        served = find_handler(file.device._ioctl_numbers, fusd_get_ioctl_number(info))
        if served is not None:
            return served[0]
    return OPERATION_NAMES[operation]


cdef int errno_for(
    File file, int operation, fusd_file_info *info, Request request, object error
) except -1:
    """What the client gets for a callback's exception; logs those of no errno.

    *info* is the request's of a running callback; that of a held one may be gone
    as soon as other threads run.
    """
    number = errno_of(error)
    if number and not logs_answers():
        return number
    if request is not None:
        info = request.info
    name = method_of(file, operation, info)
    if number:
        log_callback_answer(file.device, name, error)
        return number
    log_callback_failure(file.device, name, error)
    return EIO


cdef ssize_t answer_of_error(Call *call, object error) noexcept:
    """The answer for a callback that raised."""
    cdef int number = EIO
    request = None
    keep_ending(error)
    if call.request is not NULL:
        request = <Request>call.request
    # A signal's exception may come at any time, also while this one is logged.
    try:
        number = errno_for(
            <File>call.file, call.operation, call.info, request, error
        )
    except BaseException as another:
        not_raised(another, log_callback_failure)
    if request is None:
        return -number
    try:
        if not request.done:
            request.fail(number)
    except OSError:
        pass  # Its client is gone.
    except BaseException as another:
        not_raised(another, request)
    return -FUSD_NOREPLY


cdef inline void begin_call(Call *call, fusd_file_info *info, File file, int operation):
    global pyfusd_call
    call.info = info
    call.file = <PyObject *>file
    call.view = call.buffer = call.request = call.children = NULL
    call.operation = operation
    call.offset_is_set = call.retry = False
    call.outer = <Call *>pyfusd_call
    pyfusd_call = call
    file.device._calls_begun += 1


cdef inline void end_call(Call *call):
    global pyfusd_call
    pyfusd_call = call.outer
    (<File>call.file).device._calls_ended += 1
    Py_XDECREF(call.request)
    Py_XDECREF(call.children)


cdef inline void end_giving_call(Call *call, ssize_t retval):
    """Of an operation whose answer may have brought descriptors."""
    if call.children is not NULL and retval < 0 and retval != -FUSD_NOREPLY:
        forget_children((<File>call.file).device, <list>call.children)
    end_call(call)


cdef inline object lend_data(
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
    # First: it runs Python's code, and another thread may unregister meanwhile.
    device.follow_class()
    if device.fd != info.fd or info.private_data is NULL:
        return None
    return <File>info.private_data


@cython.boundscheck(False)
@cython.wraparound(False)
cdef inline object callback_of(DeviceCore device, Py_ssize_t operation):
    """The bound method of an Operation; None where the driver has none.

    The enumeration itself as an index becomes an int of Python's at each request.
    """
    return device.callbacks[operation]


cdef int on_open(fusd_file_info *info) noexcept:
    cdef Call call
    cdef ssize_t retval
    cdef DeviceCore device = <DeviceCore>info.device_info
    cdef File file
    device.follow_class()
    file = File.__new__(File)
    # From here on no code of Python's runs until the file is among the files.
    if device.fd != info.fd:
        return -EPIPE
    file.begin(device, info)
    device.files.add(file)
    info.private_data = <void *>file
    if callback_of(device, OPEN) is None:
        return 0
    begin_call(&call, info, file, OPEN)
    try:
        retval = answer_of(&call, callback_of(device, OPEN)(file))
    except BaseException as error:
        retval = answer_of_error(&call, error)
    end_call(&call)
    if retval < 0 and retval != -FUSD_NOREPLY:
        device.files.discard(file)
    return <int>retval


cdef int on_passive_open(fusd_file_info *info) noexcept with gil:
    """An open while the driver's threads are busy, from one of libfusd's own."""
    cdef DeviceCore device = _registered.get(info.fd)
    if device is None or <void *>device != info.device_info:
        return -EPIPE
    device.follow_class()
    return on_open(info) if callback_of(device, OPEN) is None else -FUSD_RETRY


cdef int on_close(fusd_file_info *info) noexcept:
    cdef Call call
    cdef File file = file_of(info)
    cdef DeviceCore device
    cdef bint suspended = False
    if file is None:
        return -EPIPE
    device = file.device
    file.drop_poll()
    begin_call(&call, info, file, CLOSE)
    try:
        if device._server is not None:
            device._server.file_closed(file)
        if callback_of(device, CLOSE) is not None:
            result = callback_of(device, CLOSE)(file)
            if is_awaitable(result):
                suspended = start_coroutine(&call, result) is SUSPENDED
    except BaseException as error:
        answer_of_error(&call, error)
    end_call(&call)
    if suspended:
        return -FUSD_NOREPLY
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
    callback = callback_of(file.device, READ)
    if callback is None:
        return -EINVAL
    begin_call(&call, info, file, READ)
    buffer = view = None
    try:
        buffer = Buffer.__new__(Buffer)
        view = lend_data(&call, buffer, data, length, False)
        retval = answer_of(&call, callback(file, view, offset[0]))
    except BaseException as error:
        retval = answer_of_error(&call, error)
    view = None
    if buffer is not None and buffer.exports:
        buffer.detach(info)
    end_giving_call(&call, retval)
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
    callback = callback_of(file.device, WRITE)
    if callback is None:
        return -EINVAL
    begin_call(&call, info, file, WRITE)
    buffer = view = None
    try:
        buffer = Buffer.__new__(Buffer)
        view = lend_data(&call, buffer, data, length, True)
        retval = answer_of(&call, callback(file, view, offset[0]))
    except BaseException as error:
        retval = answer_of_error(&call, error)
    view = None
    if buffer is not None and buffer.exports:
        buffer.detach(info)
    end_call(&call)
    return retval


cdef object call_ioctl(DeviceCore device, File file, object number, object argument):
    handler = device.ioctl_handlers.get(number)
    if handler is None and device.ioctl_handlers:
        handler = find_handler(device.ioctl_handlers, number)
    if handler is not None:
        return handler(file, argument)
    if callback_of(device, IOCTL) is not None:
        return callback_of(device, IOCTL)(file, number, argument)
    return -ENOTTY


cdef int on_ioctl(fusd_file_info *info, int request, void *data) noexcept:
    cdef Call call
    cdef ssize_t retval
    cdef Buffer buffer
    cdef unsigned int number = <unsigned int>request
    cdef File file = file_of(info)
    if file is None:
        return -EPIPE
    begin_call(&call, info, file, IOCTL)
    buffer = argument = None
    try:
        buffer = Buffer.__new__(Buffer)
        if fusd_ioctl_is_value(info):
            argument = <size_t>data
        else:
            argument = lend_data(&call, buffer, data, fusd_get_length(info), False)
        retval = answer_of(&call, call_ioctl(file.device, file, number, argument))
    except Retry:
        retval = -EIO  # call.retry is set: the answer is made below.
    except BaseException as error:
        retval = answer_of_error(&call, error)
    if call.retry:
        # Even if the callback caught Retry: it has not got its client's bytes.
        retval = answer_of_retry(&call)
    argument = None
    if buffer is not None and buffer.exports:
        buffer.detach(info)
    end_giving_call(&call, retval)
    return <int>retval


cdef int on_poll_diff(fusd_file_info *info, unsigned int cached) noexcept:
    cdef Call call
    cdef unsigned int state
    cdef unsigned long changes
    cdef bint is_newest
    cdef File file = file_of(info)
    if file is None:
        return -EPIPE
    begin_call(&call, info, file, POLL)
    while True:
        changes = file.poll_changes
        try:
            state = current_state(file)
        except BaseException as error:
            answer_of_error(&call, error)
            # Its client shall not wait for ever because of this.
            state = FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT | FUSD_NOTIFY_EXCEPT
        if state != cached or changes == file.poll_changes:
            break
    end_call(&call)
    # Another thread may have been in poll() for a newer question.
    is_newest = file.poll_info is NULL or (
        fusd_get_transaction(info) > fusd_get_transaction(file.poll_info)
    )
    if is_newest:
        file.drop_poll()
    if state != cached:
        return <int>state
    if file.device.fd != info.fd:
        return -EPIPE
    if not is_newest:
        fusd_destroy(info)
        return -FUSD_NOREPLY
    file.poll_info = info
    file.poll_cached = cached
    return -FUSD_NOREPLY


cdef Request interrupted_request(fusd_file_info *info):
    """The held request that an unblock is about; None if it needs no more."""
    cdef DeviceCore device = <DeviceCore>info.device_info
    cdef Request request
    device.follow_class()
    if device.fd != info.fd:
        return None
    # Not by private_data: that of an open that was not answered is NULL.
    request = device.held.get(fusd_get_transaction(info))
    return None if request is None or request.done else request


cdef int on_unblock(fusd_file_info *info) noexcept:
    cdef Call call
    cdef Request request
    cdef File file
    try:
        request = interrupted_request(info)
    except BaseException as error:
        not_raised(error, <DeviceCore>info.device_info)
        return 0
    if request is None:
        return 0
    file = request.file
    begin_call(&call, info, file, UNBLOCK)
    try:
        request.interrupted = True
        if request.task is not None:
            request.task.cancel_soon()
        if callback_of(file.device, UNBLOCK) is not None:
            callback_of(file.device, UNBLOCK)(file, request)
    except BaseException as error:
        answer_of_error(&call, error)
    end_call(&call)
    return 0


cdef int on_mmap(
    fusd_file_info *info, int offset, size_t length, int protection, int flags,
    void **address, size_t *out_length,
) noexcept:
    cdef Call call
    cdef int retval
    cdef File file = file_of(info)
    if file is None:
        return -EPIPE
    if callback_of(file.device, MMAP) is None:
        return -ENODEV
    begin_call(&call, info, file, MMAP)
    try:
        # Not offset, which is cut to an int.
        result = callback_of(file.device, MMAP)(
            file, fusd_mmap_offset(info), length, protection, flags
        )
        retval = mmap_answer(&call, result, length, protection, address, out_length)
    except MappingError as error:
        log_callback_failure(file.device, "mmap", error, EINVAL)
        retval = -EINVAL
    except BaseException as error:
        retval = <int>answer_of_error(&call, error)
    end_call(&call)
    return retval


cdef loff_t on_seek(fusd_file_info *info, loff_t offset, int whence) noexcept:
    cdef Call call
    cdef ssize_t retval
    cdef File file = file_of(info)
    if file is None:
        return -EPIPE
    callback = callback_of(file.device, SEEK)
    if callback is None:  # The driver took it away.
        return -EINVAL
    begin_call(&call, info, file, SEEK)
    try:
        retval = answer_of(&call, callback(file, offset, whence))
    except BaseException as error:
        retval = answer_of_error(&call, error)
    end_call(&call)
    return retval


cdef int on_flush(fusd_file_info *info) noexcept:
    cdef Call call
    cdef ssize_t retval
    cdef File file = file_of(info)
    if file is None:
        return -EPIPE
    callback = callback_of(file.device, FLUSH)
    if callback is None:
        return 0
    begin_call(&call, info, file, FLUSH)
    try:
        retval = answer_of(&call, callback(file))
    except BaseException as error:
        retval = answer_of_error(&call, error)
    end_call(&call)
    return <int>retval


cdef int on_fsync(fusd_file_info *info, int datasync) noexcept:
    cdef Call call
    cdef ssize_t retval
    cdef File file = file_of(info)
    if file is None:
        return -EPIPE
    callback = callback_of(file.device, FSYNC)
    if callback is None:
        return -EINVAL
    begin_call(&call, info, file, FSYNC)
    try:
        retval = answer_of(&call, callback(file, datasync != 0))
    except BaseException as error:
        retval = answer_of_error(&call, error)
    end_call(&call)
    return <int>retval


# What a device registers with, but for those that _told says it has not.
cdef fusd_file_operations OPERATIONS = fusd_file_operations(
    open=on_open,
    close=on_close,
    read=on_read,
    write=on_write,
    ioctl=on_ioctl,
    poll_diff=on_poll_diff,
    unblock=on_unblock,
    mmap=on_mmap,
    seek=on_seek,
    flush=on_flush,
    fsync=on_fsync,
)

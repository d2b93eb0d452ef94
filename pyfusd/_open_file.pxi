# SPDX-License-Identifier: BSD-3-Clause
"""Open files, the callbacks that run for them, and their held requests."""

cdef inline Call *call_of(object file):
    """This thread's running callback, if it is one of this open file."""
    cdef Call *call = <Call *>pyfusd_call
    if call is not NULL and call.file is <PyObject *>file:
        return call
    return NULL


cdef class File:
    """One open file of a device: from open(2) to the last close(2).

    The manual's Python reference, made of _core.pyi, describes it in full.
    """

    def __init__(self):
        raise TypeError("a File is made by an open, not by a call")

    @property
    def pid(self):
        cdef Call *call = call_of(self)
        if call is not NULL:
            return call.info.pid
        request = coroutine_request(self)
        return self.opener_pid if request is None else request.pid

    @property
    def uid(self):
        cdef Call *call = call_of(self)
        if call is not NULL:
            return call.info.uid
        request = coroutine_request(self)
        return self.opener_uid if request is None else request.uid

    @property
    def gid(self):
        cdef Call *call = call_of(self)
        if call is not NULL:
            return call.info.gid
        request = coroutine_request(self)
        return self.opener_gid if request is None else request.gid

    @property
    def flags(self):
        cdef fusd_file_info *info = info_of(self)
        return self.last_flags if info is NULL else info.flags

    @flags.setter
    def flags(self, unsigned int flags):
        cdef fusd_file_info *info = info_of(self)
        if info is NULL:
            raise RuntimeError("flags can be changed only inside a callback")
        info.flags = self.last_flags = flags

    @property
    def offset(self):
        cdef Call *call = call_of(self)
        if call is not NULL and call.operation == SEEK and call.request is NULL:
            return fusd_get_offset(call.info)[0]
        call = transfer_of(self)
        if call is NULL:
            return held_transfer_of(self, True).position
        return fusd_get_offset(call.info)[0]

    @offset.setter
    def offset(self, loff_t offset):
        cdef Call *call = transfer_of(self)
        if call is NULL:
            held_transfer_of(self, False).offset = offset
        else:
            fusd_get_offset(call.info)[0] = offset
            call.offset_is_set = True

    def hold(self, timeout=None, *, int error=ETIMEDOUT):
        """Keeps the client of the running callback blocked; gives its Request."""
        cdef Call *call = call_of(self)
        if not 0 < error <= MAX_ERRNO:
            raise ValueError(f"{error} is no errno")
        if call is NULL:
            request = coroutine_request(self)
        elif call.operation in (OPEN, READ, WRITE, IOCTL, SEEK, FLUSH, FSYNC):
            request = hold_call(call)
        else:
            request = None
        if request is None:
            raise RuntimeError(
                "hold() belongs inside an open, read, write, ioctl, seek, flush or "
                "fsync callback"
            )
        if timeout is not None:
            (<Request>request).set_timeout(timeout, error)
        return request

    @property
    def argument(self):
        return fusd_get_ioctl_argument(ioctl_of(self))

    @property
    def is_32bit(self):
        return fusd_is_32bit(ioctl_of(self))

    def discard_data(self):
        """The answer of the running ioctl takes no data to the client."""
        fusd_discard_data(ioctl_of(self))

    def open_child(self, *, at=None, int flags=os.O_RDWR | os.O_CLOEXEC):
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
        cdef fusd_file_info *info = giving_request_of(self)
        return open_child(self, info, children_of(self), at, flags)

    def give_descriptor(self, descriptor, *, at=None, int flags=os.O_CLOEXEC):
        """Gives the client of an ioctl or a read a descriptor of the driver's.

        *descriptor* is a number or has a fileno(): of a memfd, a pipe, a socket ...
        It stays the driver's, who may close it at once. *flags* are os.O_CLOEXEC,
        unless given, or 0; *at* and the errors are those of open_child(), and OSError
        EBADF (no descriptor, or one of O_PATH); EINVAL for a device's own.

        RuntimeError outside of these callbacks, and once that was answered.
        """
        give_descriptor(giving_request_of(self), descriptor, at, flags)

    def client_memory(self, address, size_t length, *, bint write=False):
        """A view of the client's memory, for an ioctl whose argument points at it."""
        cdef Call *call = call_of(self)
        if call is NULL or call.operation != IOCTL:
            raise RuntimeError(
                "client_memory() belongs inside an ioctl callback, before that waits"
            )
        if length == 0:
            return memoryview(bytearray())
        # A null pointer in a ctypes structure is None.
        return client_memory(call, 0 if address is None else address, length, write)

    def poll_changed(self):
        """Calls poll() again, and wakes clients if its state is another one."""
        cdef fusd_file_info *info = self.poll_info
        cdef unsigned int state
        cdef Polling *polling = polling_of(self)
        if polling is not NULL:
            polling.changed = True
            return
        self.poll_changes += 1
        if info is NULL:
            return
        state = current_state(self)
        # poll() may have let another thread or a newer poll_diff in.
        if self.poll_info is info and state != self.poll_cached:
            self.poll_info = NULL
            # EPIPE: its client is gone, or has asked again.
            fusd_return(info, state)

    cdef void begin(self, DeviceCore device, fusd_file_info *info):
        """Of a new one, which the client of this request opens."""
        self.device = device
        self.opener_pid = info.pid
        self.opener_uid = info.uid
        self.opener_gid = info.gid
        self.last_flags = info.flags

    cdef void drop_poll(self):
        cdef fusd_file_info *info = self.poll_info
        self.poll_info = NULL
        fusd_destroy(info)

    def __repr__(self):
        # Without a device: somebody called __new__().
        name = None if self.device is None else self.device.name
        return f"<pyfusd.File of {name!r}, pid {self.pid}>"


cdef Polling *polling_of(File file):
    """The poll() of this open file that this thread runs, if there is one."""
    cdef Polling *polling = <Polling *>pyfusd_polling
    while polling is not NULL and polling.file is not <PyObject *>file:
        polling = polling.outer
    return polling


cdef unsigned int state_of(File file) except? 0:
    poll = callback_of(file.device, POLL)
    if poll is None:  # The driver took its poll() away.
        return FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT
    return poll_state(file.device, poll(file))


cdef unsigned int current_state(File file) except? 0:
    """Calls poll(); once more if that said itself that there is a change."""
    global pyfusd_polling
    cdef Polling polling
    cdef unsigned int state
    polling.file = <PyObject *>file
    polling.changed = False
    polling.outer = <Polling *>pyfusd_polling
    pyfusd_polling = &polling
    try:
        state = state_of(file)
        if polling.changed:
            state = state_of(file)
    finally:
        pyfusd_polling = polling.outer
    return state


cdef fusd_file_info *info_of(File file):
    """The running callback's request, also in its coroutine; NULL without one."""
    cdef Call *call = call_of(file)
    cdef Request request
    if call is not NULL and call.request is NULL:
        return call.info
    request = <Request>call.request if call is not NULL else coroutine_request(file)
    return NULL if request is None else request.info


cdef fusd_file_info *pending_of(File file, int operation):
    """The running request, also in its coroutine, if it is one of an operation."""
    cdef Call *call = call_of(file)
    request = coroutine_request(file) if call is NULL else None
    if call is not NULL and call.operation == operation:
        if call.request is NULL:
            return call.info
        request = <Request>call.request
    if request is None or (<Request>request).kind != operation:
        return NULL
    return (<Request>request).info


cdef fusd_file_info *ioctl_of(File file) except NULL:
    """The running ioctl's request, also in its coroutine."""
    cdef fusd_file_info *info = pending_of(file, IOCTL)
    if info is NULL:
        raise RuntimeError("that belongs to an ioctl callback, before its answer")
    return info


cdef fusd_file_info *giving_request_of(File file) except NULL:
    """The running ioctl's or read's, whose answer may bring descriptors."""
    cdef fusd_file_info *info = pending_of(file, IOCTL)
    if info is NULL:
        info = pending_of(file, READ)
    if info is NULL:
        raise RuntimeError("that belongs to an ioctl or a read, before its answer")
    return info


cdef Call *transfer_of(File file):
    """The running read or write, unless that is held by now."""
    cdef Call *call = call_of(file)
    if call is NULL or call.request is not NULL \
            or call.operation not in (READ, WRITE):
        return NULL
    return call


cdef Request held_transfer_of(File file, bint or_seek):
    """The held read or write, or seek, of the running callback or coroutine."""
    cdef Call *call = call_of(file)
    cdef Request request
    if call is NULL:
        request = coroutine_request(file)
    else:
        request = <Request>call.request if call.request is not NULL else None
    if request is None or not (
        request.kind in (READ, WRITE) or (or_seek and request.kind == SEEK)
    ):
        raise RuntimeError("offset belongs to a read or write callback")
    return request


cdef inline void withdraw_timeout(list timeout) noexcept:
    """Its request was answered. Calls nothing in which a signal could raise."""
    timeout[TIMEOUT_REQUEST] = None


@cython.final
cdef class Request:
    """A client's call that File.hold() keeps blocked, until it is answered.

    The manual's Python reference, made of _core.pyi, describes it in full.
    """

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
        """Answers with what the callback could have returned."""
        cdef Py_buffer data
        cdef ssize_t retval
        self.check_pending()
        if self.kind == READ and is_data(result):
            PyObject_GetBuffer(result, &data, PyBUF_SIMPLE)
            try:
                # Another thread may have been first while the GIL was gone.
                self.check_pending()
                self.send_data(data.buf, data.len, result)
            finally:
                PyBuffer_Release(&data)
        else:
            retval = result_of(self.kind, result)
            self.check_pending()
            self.send(retval)

    def fail(self, int error):
        """Answers with an errno."""
        if not 0 < error <= MAX_ERRNO:
            raise ValueError(f"{error} is no errno")
        self.check_pending()
        self.send(-error)

    def open_child(self, *, at=None, int flags=os.O_RDWR | os.O_CLOEXEC):
        """As File.open_child(), for an ioctl or a read that is held.

        RuntimeError if it was answered before, or is neither.
        """
        self.check_giving()
        return open_child(self.file, self.info, self.list_children(), at, flags)

    def give_descriptor(self, descriptor, *, at=None, int flags=os.O_CLOEXEC):
        """As File.give_descriptor(), for an ioctl or a read that is held.

        RuntimeError if it was answered before, or is neither.
        """
        self.check_giving()
        give_descriptor(self.info, descriptor, at, flags)

    def __del__(self):
        if self.info is NULL:
            return
        try:
            self.send(-EIO)
        except OSError:
            return  # Its client did not wait any longer.
        log_dropped_request(self.file.device, self.operation, self.pid)

    def __repr__(self):
        state = "answered" if self.done else "held"
        return f"<pyfusd.Request: {self.operation}, pid {self.pid}, {state}>"

    cdef int check_pending(self) except -1:
        if self.info is NULL:
            raise RuntimeError(f"{self!r} has been answered already")
        return 0

    cdef int check_giving(self) except -1:
        self.check_pending()
        if self.kind not in (IOCTL, READ):
            raise RuntimeError(f"descriptors belong to ioctls and reads, not {self!r}")
        return 0

    cdef list list_children(self):
        if self.children is None:
            self.children = []
        return self.children

    cdef object set_timeout(self, seconds, int error):
        """The last one set is the one that holds."""
        if self.timeout is not None:
            withdraw_timeout(self.timeout)
        self.timeout = None if self.info is NULL else fail_after(self, seconds, error)

    cdef fusd_file_info *abandon(self):
        """Ends this object's ownership."""
        cdef fusd_file_info *info = self.info
        self.info = NULL
        if self.timeout is not None:
            withdraw_timeout(self.timeout)
            self.timeout = None
        return info

    cdef fusd_file_info *take(self, ssize_t retval):
        """Ends this object's ownership, with the offset of the answer set."""
        cdef fusd_file_info *info = self.abandon()
        if self.kind == READ or self.kind == WRITE:
            fusd_get_offset(info)[0] = self.position
            if not self.offset_is_set:
                advance_position(fusd_get_offset(info), retval, self.length)
        return info

    cdef int send(self, ssize_t retval) except -1:
        cdef int result = fusd_return(self.take(retval), retval)
        return self.sent(result, retval, None)

    cdef int send_data(
        self, const void *data, Py_ssize_t length, object source
    ) except -1:
        cdef int result = fusd_return_data(self.take(length), data, length)
        return self.sent(result, length, source)

    cdef int sent(self, int result, ssize_t retval, object data) except -1:
        cdef int error = errno
        if self.kind == CLOSE or (self.kind == OPEN and (result < 0 or retval < 0)):
            self.file.device.files.discard(self.file)
        if self.children is not None and (result < 0 or retval < 0):
            forget_children(self.file.device, self.children)
        if self.file.device._observer is not None:
            if result < 0:
                answer = -error
            else:
                answer = retval if data is None else data
            self.file.device._observer(self, answer)
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
    request.position = fusd_get_offset(info)[0]
    if call.operation == READ or call.operation == WRITE:
        request.length = fusd_get_length(info)
        request.offset_is_set = call.offset_is_set
    if call.view is not NULL:
        request.buffer = <object>call.view
        (<Buffer>call.buffer).detach(info)
    if call.children is not NULL:
        request.children = <list>call.children
    request.file.device.held[request.transaction] = request
    # From here on the Request answers, be it by being dropped.
    request.info = info
    return request


cdef Request hold_call(Call *call):
    """The Request of the running callback, made at the first time."""
    if call.request is NULL:
        request = make_request(call)
        Py_INCREF(request)
        call.request = <PyObject *>request
    return <Request>call.request

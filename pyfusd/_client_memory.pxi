# SPDX-License-Identifier: BSD-3-Clause
"""Client memory that an ioctl points at, for callbacks that ask for it."""


class Retry(BaseException):
    """Ends an ioctl callback that is called again, with its client's memory.

    It is no Exception, so that drivers, which it does not concern, do not catch it.
    """


cdef extern from *:
    """
    /* libfusd waits for a client: other threads go on meanwhile. */
    static void *pyfusd_before_wait(void)
    {
        return PyGILState_Check() ? PyEval_SaveThread() : NULL;
    }

    static void pyfusd_after_wait(void *state)
    {
        if (state)
            PyEval_RestoreThread(state);
    }
    """
    void *pyfusd_before_wait() noexcept nogil
    void pyfusd_after_wait(void *state) noexcept nogil


cdef object client_memory(Call *call, unsigned long address, size_t length, bint write):
    """A view of the client's bytes; the view keeps its memory."""
    cdef Buffer buffer
    cdef int error
    cdef void *data = fusd_client_memory(
        call.info, address, length, FUSD_CLIENT_WRITE if write else FUSD_CLIENT_READ
    )
    error = errno
    if data is NULL:
        if error == EAGAIN:
            call.retry = True
            raise Retry
        # A signal may be what ended the wait.
        PyErr_CheckSignals()
        raise OSError(
            error,
            f"{os.strerror(error)}: {length} bytes at {address:#x} of process "
            f"{call.info.pid}",
        )
    buffer = Buffer.__new__(Buffer)
    buffer.detach(call.info)
    buffer.data = <char *>data
    buffer.length = length
    buffer.readonly = not write
    buffer.armed = True
    view = PyMemoryView_FromObject(buffer)
    buffer.armed = False
    return view


cdef inline ssize_t answer_of_retry(Call *call):
    """The answer of an ioctl callback that was ended by Retry."""
    if call.request is not NULL:
        # The same ioctl comes again as a new request.
        (<Request>call.request).abandon()
    return -FUSD_RETRY

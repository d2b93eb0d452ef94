# SPDX-License-Identifier: BSD-3-Clause
"""Coroutines of `async def` callbacks: their first step, and their answers.

The first step is taken inside the trampoline, like a plain callback. Only a
coroutine that then waits for something gets a task of pyfusd.aio, and its
request becomes a held one.
"""

cdef extern from *:
    """
    static inline int pyfusd_is_awaitable(PyObject *object)
    {
        PyAsyncMethods *methods = Py_TYPE(object)->tp_as_async;

        return methods && methods->am_await;
    }

    /* 1: *result is what it waits for; 0: what it returned; -1: it raised. */
    static int pyfusd_send_none(PyObject *coroutine, PyObject **result)
    {
    #if PY_VERSION_HEX >= 0x030A0000
        return PyIter_Send(coroutine, Py_None, result);
    #else
        *result = PyObject_CallMethod(coroutine, "send", "O", Py_None);
        return *result ? 1 : _PyGen_FetchStopIterationValue(result);
    #endif
    }
    """
    bint is_awaitable "pyfusd_is_awaitable"(object)
    int send_none "pyfusd_send_none"(object, PyObject **) except -1

# What start_coroutine() gives for a coroutine that goes on in a task.
cdef object SUSPENDED = object()

# The request that the running coroutine is to answer, after its first step.
cdef object _coroutine_request = contextvars.ContextVar("pyfusd_request", default=None)


cdef Request coroutine_request(File file):
    """The request of this open file that the running coroutine is to answer."""
    request = _coroutine_request.get()
    if request is not None and (<Request>request).file is file:
        return <Request>request
    return None


cdef object take_step(object coroutine, object context, bint *waits):
    """Runs a coroutine until it waits or ends; what it waits for or returned."""
    cdef PyObject *result = NULL
    PyContext_Enter(context)
    try:
        waits[0] = send_none(coroutine, &result)
    finally:
        PyContext_Exit(context)
    value = <object>result
    Py_XDECREF(result)
    return value


cdef object server_of(Call *call, object coroutine):
    """The aio server whose loop this thread runs; RuntimeError without one."""
    cdef DeviceCore device = (<File>call.file).device
    server = device._server
    if server is None or server.thread != PyThread_get_thread_ident() \
            or server.loop.is_closed():
        if hasattr(coroutine, "close"):
            coroutine.close()
        raise RuntimeError(
            f"{OPERATION_NAMES[call.operation]}() returned a coroutine: "
            "serve the device with pyfusd.run() or pyfusd.aio.serve()"
        )
    return server


cdef Request hold_for_task(Call *call, object task):
    request = hold_call(call)
    request.task = task
    return request


cdef object first_step(
    Call *call, object server, object task, Py_ssize_t references,
    object coroutine, object context, bint *waits,
):
    """take_step() in a task that was entered; SUSPENDED if that is to answer."""
    cdef object value = None
    cdef object error = None
    try:
        value = take_step(coroutine, context, waits)
    except BaseException as raised:
        error = raised
    finally:
        server.leave_task(server.loop, task)
    if waits[0] and error is None:
        return value
    # If the coroutine kept its task, it may cancel it later, or look at it: that
    # task ends as this coroutine's own, and no other coroutine gets to see it.
    if server.spare is not task or Py_REFCNT(task) != references:
        server.give_up(task)
        if not isinstance(error, (KeyboardInterrupt, SystemExit, Retry)):
            task.end(hold_for_task(call, task), value, error)
            return SUSPENDED
        task.cancel()
    if error is not None:
        raise error
    return value


cdef object start_coroutine(Call *call, object coroutine):
    """What a coroutine returned at once, or SUSPENDED; raises what it raised."""
    cdef Request request
    cdef Py_ssize_t references
    cdef bint waits = True
    server = server_of(call, coroutine)
    if not PyCoro_CheckExact(coroutine):
        coroutine = server.coroutine_of(coroutine)
    context = PyContext_CopyCurrent()
    value = None
    task = server.spare
    if task is None:
        task = server.spare = server.new_task()
    references = Py_REFCNT(task)
    try:
        server.enter_task(server.loop, task)
    except RuntimeError:
        # A task called dispatch(), and two cannot run at once: the coroutine
        # begins later.
        task = server.new_task()
    else:
        value = first_step(
            call, server, task, references, coroutine, context, &waits
        )
        if not waits or value is SUSPENDED:
            return value
    request = hold_for_task(call, task)
    context.run(_coroutine_request.set, request)
    task.adopt(request, coroutine, context, value)
    return SUSPENDED


def answer_for_coroutine(Request request not None, result):
    """Answers a request with what its coroutine returned in the end."""
    if request.done or leaves_held(request, result):
        return
    try:
        request.reply(result)
    except OSError:
        pass  # A client that is gone meanwhile is none of the driver's business.


def fail_for_coroutine(Request request not None, error):
    """Answers a request whose coroutine raised; an int is an errno."""
    if not isinstance(error, int):
        error = errno_for(request.file, request.kind, NULL, request, error)
    if request.done:
        return
    try:
        request.fail(error)
    except OSError:
        pass

# SPDX-License-Identifier: BSD-3-Clause
"""Descriptors that an ioctl's answer brings its client."""

cdef ssize_t offset_of_number(object at) except? -1:
    """Where the client finds a descriptor's number, in C; None: it is the result."""
    if at is None:
        return FUSD_AS_RESULT
    if at < 0:
        raise ValueError(f"at is an offset in the ioctl's data, not {at}")
    return at


cdef int check_descriptor(int result) except -1:
    """Raises what libfusd has refused a descriptor with."""
    cdef int error = errno
    if result == 0:
        return 0
    if error == ENOTTY:
        raise OSError(error, PyUnicode_DecodeFSDefault(fusd_error()))
    raise OSError(error, os.strerror(error))


cdef File open_child(
    File parent, fusd_file_info *info, list children, object at, int flags
):
    """A new open file for the client of this ioctl, which has to be pending."""
    cdef ssize_t offset = offset_of_number(at)
    cdef File child = File.__new__(File)
    cdef DeviceCore device = parent.device
    child.begin(device, info)
    child.last_flags = flags & ~O_CLOEXEC
    device.files.add(child)
    try:
        check_descriptor(fusd_open_child(info, <void *>child, flags, offset))
    except BaseException:
        device.files.discard(child)
        raise
    children.append(child)
    return child


cdef int give_descriptor(
    fusd_file_info *info, object descriptor, object at, int flags
) except -1:
    cdef ssize_t offset = offset_of_number(at)
    cdef int number = PyObject_AsFileDescriptor(descriptor)
    return check_descriptor(fusd_give_descriptor(info, number, flags, offset))


cdef list children_of(File file):
    """What open_child() has made for the running ioctl, also in its coroutine."""
    cdef Call *call = call_of(file)
    cdef Request request
    if call is not NULL and call.request is NULL:
        if call.children is NULL:
            children = []
            Py_INCREF(children)
            call.children = <PyObject *>children
        return <list>call.children
    request = coroutine_request(file) if call is NULL else <Request>call.request
    return request.list_children()


cdef int forget_children(DeviceCore device, list children) except -1:
    """Their ioctl has failed: they never were."""
    for child in children:
        device.files.discard(child)
    return 0

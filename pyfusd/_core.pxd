# SPDX-License-Identifier: BSD-3-Clause
# cython: language_level=3
"""Every class of the extension, its fields, and who owns what.

libfusd calls the trampolines of _trampolines.pxi from fusd_dispatch(), with the GIL
held. Each shows the request's own memory to a Python callback as a memoryview, and
turns what the callback returns or raises into the request's answer.

Who owns what, and what ends its life:
- A DeviceCore is a device's device_info. While registered, _registered holds it.
- A File is an open file's private_data. Its device's files hold it, from open
  to close or unregister. One that open_child() made is among them, too, unless its
  ioctl fails.
- A Buffer stands between memoryviews and a request's memory. Views that are
  kept hold it, and it then holds the memory.
- A Request owns a held request until that is answered. Whoever called hold() has
  it; the device's held knows it weakly, a running Call and a task hold it.
- A Mapping is memory that mmap() gave; its File holds it.
- A Call and a Polling are on the stack of their trampoline, one inside the other,
  and known to their thread only.

The GIL guards all fields. A callback, and any Python code that runs in between, may
let another thread in, which may answer the request or unregister the device: what was
read before is looked at again.
"""

from cpython.ref cimport PyObject
from posix.types cimport gid_t, pid_t, uid_t

cimport cython

from pyfusd.libfusd cimport fusd_buffer, fusd_file_info, loff_t


# In the order of CALLBACKS in _callbacks.py, which has their names.
cdef enum Operation:
    OPEN
    CLOSE
    READ
    WRITE
    IOCTL
    POLL
    UNBLOCK
    MMAP
    SEEK
    FLUSH
    FSYNC


cdef struct Call:
    # A callback that runs, of the trampoline on whose stack this is.
    fusd_file_info *info
    PyObject *file     # borrowed: the trampoline holds it
    PyObject *view     # borrowed, or NULL
    PyObject *buffer   # borrowed, or NULL
    PyObject *request  # owned, or NULL: what hold() made
    PyObject *children  # owned, or NULL: what open_child() made; not of a request
    int operation
    bint offset_is_set
    bint retry  # the ioctl comes again, with its client's memory
    Call *outer


cdef struct Polling:
    # A poll() that runs, in a trampoline or in poll_changed().
    PyObject *file  # borrowed: its caller holds it
    bint changed    # poll() called poll_changed() itself
    Polling *outer


@cython.final
cdef class Buffer:
    cdef char *data
    cdef Py_ssize_t length
    cdef bint readonly
    cdef bint armed  # inside the trampoline, which makes the views
    cdef Py_ssize_t exports  # views that there are
    cdef fusd_buffer *owned  # the memory, once views outlive the callback

    cdef void detach(self, fusd_file_info *info)


cdef class DeviceCore:
    cdef int fd  # -1 unless registered
    cdef bint registering
    cdef public object name
    cdef public object mode
    cdef readonly object path
    cdef readonly object transport
    cdef set files  # the open Files
    cdef object held  # transaction -> Request, while somebody has that
    cdef public object _ioctl_numbers  # what its methods serve: pyfusd._ioctl
    cdef public object _server  # of pyfusd.aio, while that serves this device
    # Bound methods by Operation, looked up once; None where the driver has none.
    cdef tuple callbacks
    cdef dict ioctl_handlers  # request number -> what serves it
    cdef unsigned int version  # of its class, when they were looked up
    # Those that libfusd was told of at registration: see _callbacks.py.
    cdef readonly frozenset _told
    # The names of what was looked up; None unless registered.
    cdef object looked_up
    # Callbacks that began, and those of them that returned.
    cdef readonly unsigned long _calls_begun
    cdef readonly unsigned long _calls_ended
    # Called with each held request and its answer; None unless traced.
    cdef public object _observer

    cdef void follow_class(self)
    cdef object look_up_again(self)
    cdef void class_changed(self) noexcept
    cdef void forget(self)
    cdef int registration_began(self, int fd) except -1


cdef class File:
    cdef readonly DeviceCore device
    cdef dict __dict__  # what the driver keeps on it
    cdef pid_t opener_pid
    cdef uid_t opener_uid
    cdef gid_t opener_gid
    cdef unsigned int last_flags
    # The held poll_diff, the driver's; NULL if there is none.
    cdef fusd_file_info *poll_info
    cdef unsigned int poll_cached
    cdef dict mappings  # what mmap() gave, by what that is; None if nothing
    # Counts poll_changed(), to see those that come while poll() runs.
    cdef unsigned long poll_changes

    cdef void begin(self, DeviceCore device, fusd_file_info *info)
    cdef void drop_poll(self)


@cython.final
cdef class Request:
    cdef readonly File file
    cdef readonly object buffer
    cdef readonly bint interrupted
    cdef readonly pid_t pid
    cdef readonly uid_t uid
    cdef readonly gid_t gid
    cdef fusd_file_info *info  # NULL once answered
    cdef int kind  # an Operation
    # How many bytes a read or write has, and where.
    cdef size_t length
    cdef loff_t position
    cdef bint offset_is_set
    cdef long transaction
    cdef object task  # of the coroutine that is to answer, if it is one
    cdef object timeout  # what fail_after() gave; None without one
    cdef list children  # Files that open_child() made; None without one
    cdef object __weakref__

    cdef int check_pending(self) except -1
    cdef int check_giving(self) except -1
    cdef list list_children(self)
    cdef object set_timeout(self, seconds, int error)
    cdef fusd_file_info *abandon(self)
    cdef fusd_file_info *take(self, ssize_t retval)
    cdef int send(self, ssize_t retval) except -1
    cdef int send_data(
        self, const void *data, Py_ssize_t length, object source
    ) except -1
    cdef int sent(self, int result, ssize_t retval, object data) except -1


cdef class Mapping:
    cdef char *address
    cdef size_t length
    cdef bint writable
    cdef bint is_own  # to be unmapped; else the buffer's
    cdef Py_buffer buffer

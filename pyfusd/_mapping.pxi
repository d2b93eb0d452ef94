# SPDX-License-Identifier: BSD-3-Clause
"""Memory that mmap() callbacks give to clients.

libfusd wants the address of a shared mapping. A mmap object has one; of a file
descriptor it is made here. It is kept as long as the open file: the kernel
looks at it only while the client's mmap(2) is answered, but another thread may
be answering that.
"""

cdef extern from "<sys/mman.h>" nogil:
    enum:
        PROT_READ
        PROT_WRITE
        MAP_SHARED
    void *MAP_FAILED
    void *c_mmap "mmap"(void *, size_t, int, int, int, off_t)
    int munmap(void *, size_t)


cdef size_t PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


cdef class Mapping:
    """A shared mapping of this process."""

    def __dealloc__(self):
        if self.is_own:
            munmap(self.address, self.length)
        elif self.address is not NULL:
            PyBuffer_Release(&self.buffer)


cdef Mapping mapping_of_memory(object memory):
    cdef Mapping mapping = Mapping.__new__(Mapping)
    try:
        PyObject_GetBuffer(memory, &mapping.buffer, PyBUF_WRITABLE)
    except (BufferError, TypeError):
        PyObject_GetBuffer(memory, &mapping.buffer, PyBUF_SIMPLE)
    mapping.address = <char *>mapping.buffer.buf
    mapping.length = mapping.buffer.len
    mapping.writable = not mapping.buffer.readonly
    if not is_shared_mapping(<size_t>mapping.address, mapping.length):
        raise MappingError(
            "mmap() returned private memory, which clients cannot share: return "
            "a mmap object made with MAP_SHARED, or a memfd"
        )
    return mapping


cdef Mapping mapping_of_descriptor(int descriptor):
    cdef Mapping mapping = Mapping.__new__(Mapping)
    cdef size_t length = os.fstat(descriptor).st_size
    cdef int access = PROT_READ | PROT_WRITE
    cdef void *address
    if length == 0:
        raise MappingError("mmap() returned an empty file")
    address = c_mmap(NULL, length, access, MAP_SHARED, descriptor, 0)
    if address == MAP_FAILED and errno == EACCES:
        access = PROT_READ
        address = c_mmap(NULL, length, access, MAP_SHARED, descriptor, 0)
    if address == MAP_FAILED:
        raise MappingError(f"mmap() returned a file that {os.strerror(errno)}")
    mapping.address = <char *>address
    mapping.length = length
    mapping.writable = access != PROT_READ
    mapping.is_own = True
    return mapping


cdef Mapping mapping_of(File file, object result):
    """The mapping of what a callback returned, which the open file keeps."""
    descriptor = result
    if hasattr(result, "fileno"):
        descriptor = result.fileno()
    if isinstance(descriptor, int):
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino, status.st_size)
    elif PyObject_CheckBuffer(result):
        key = id(result)
    else:
        raise TypeError(
            "mmap() must return a mmap object or a file descriptor, not "
            f"{type(result).__name__}"
        )
    if file.mappings is None:
        file.mappings = {}
    mapping = file.mappings.get(key)
    if mapping is None:
        if isinstance(descriptor, int):
            mapping = mapping_of_descriptor(descriptor)
        else:
            mapping = mapping_of_memory(result)
        file.mappings[key] = mapping
    return mapping


cdef int mmap_answer(Call *call, object result, size_t length, int protection,
                     void **address, size_t *out_length) except? -1:
    """Turns a callback's result into the trampoline's."""
    cdef Mapping mapping
    cdef size_t offset = fusd_mmap_offset(call.info)
    cdef size_t end
    if isinstance(result, int) and result < 0:
        return result_of(MMAP, result)
    mapping = mapping_of(<File>call.file, result)
    # Mappings end with a page.
    end = (mapping.length + PAGE_SIZE - 1) & ~<size_t>(PAGE_SIZE - 1)
    if offset >= end or length > end - offset:
        return -EINVAL
    if protection & PROT_WRITE and not mapping.writable:
        return -EACCES
    address[0] = mapping.address + offset
    out_length[0] = end - offset
    return 0

# SPDX-License-Identifier: BSD-3-Clause
"""What a device shows in sysfs, as libfusd takes it."""

from libc.stdlib cimport calloc, free


cdef bytes text_of(object text):
    """A name or value in C, which has no null characters."""
    encoded = os.fsencode(text)
    if b"\0" in encoded:
        raise ValueError(f"{text!r} has a null character")
    return encoded


@cython.final
cdef class Attributes:
    """Names and values in C, which live as long as this."""

    cdef fusd_attribute *table
    cdef size_t count
    cdef list texts

    def __init__(self, dict attributes):
        cdef bytes name, value
        self.texts = []
        self.table = <fusd_attribute *>calloc(
            len(attributes) + 1, sizeof(fusd_attribute)
        )
        if self.table is NULL:
            raise MemoryError
        for given, text in attributes.items():
            name, value = text_of(given), text_of(text)
            self.texts += (name, value)
            self.table[self.count] = fusd_attribute(name, value)
            self.count += 1

    def __dealloc__(self):
        free(self.table)


@cython.final
cdef class Variables:
    """KEY=VALUE for each variable of a uevent, in C; they live as long as this."""

    cdef const char **table
    cdef size_t count
    cdef list texts

    def __init__(self, dict variables):
        cdef bytes text
        self.texts = []
        self.table = <const char **>calloc(len(variables) + 1, sizeof(char *))
        if self.table is NULL:
            raise MemoryError
        for key, value in variables.items():
            text = text_of(key) + b"=" + text_of(value)
            self.texts.append(text)
            self.table[self.count] = text
            self.count += 1

    def __dealloc__(self):
        free(self.table)


cdef int check_told(int result, int error) except -1:
    """Raises what libfusd has refused an attribute or a uevent with."""
    if result == 0:
        return 0
    if error == EBADF:
        raise OSError(error, "the device is not registered any more")
    raise OSError(error, os.fsdecode(fusd_error()))

# SPDX-License-Identifier: BSD-3-Clause
# cython: language_level=3
"""What pyfusd uses of libfusd: declarations only; include/fusd.h explains."""

from posix.types cimport gid_t, mode_t, off_t, pid_t, uid_t


cdef extern from "fusd.h" nogil:
    enum:
        FUSD_NOREPLY
        FUSD_RETRY
        FUSD_CLIENT_READ
        FUSD_CLIENT_WRITE
        FUSD_NOTIFY_INPUT
        FUSD_NOTIFY_OUTPUT
        FUSD_NOTIFY_EXCEPT
        FUSD_NOTIFY_ERROR
        FUSD_NOTIFY_HANGUP
        FUSD_NOTIFY_ALL
        MAX_RW_SIZE
        FUSD_IOCTLS_MAX
        FUSD_AS_RESULT

    ctypedef long long loff_t

    struct fusd_file_info:
        void *device_info
        void *private_data
        unsigned int flags
        pid_t pid
        uid_t uid
        gid_t gid
        int fd

    struct fusd_file_operations:
        int (*open)(fusd_file_info *) noexcept
        int (*close)(fusd_file_info *) noexcept
        ssize_t (*read)(fusd_file_info *, char *, size_t, loff_t *) noexcept
        ssize_t (*write)(fusd_file_info *, const char *, size_t, loff_t *) noexcept
        int (*ioctl)(fusd_file_info *, int, void *) noexcept
        int (*poll_diff)(fusd_file_info *, unsigned int) noexcept
        int (*unblock)(fusd_file_info *) noexcept
        int (*mmap)(
            fusd_file_info *, int, size_t, int, int, void **, size_t *
        ) noexcept
        loff_t (*seek)(fusd_file_info *, loff_t, int) noexcept
        int (*flush)(fusd_file_info *) noexcept
        int (*fsync)(fusd_file_info *, int) noexcept

    struct fusd_ioctl:
        unsigned int number
        unsigned int mask
        unsigned int direction
        unsigned int size

    struct fusd_attribute:
        const char *name
        const char *value

    struct fusd_options:
        size_t size
        const char *transport
        const char *clazz
        const char *devname
        const fusd_ioctl *ioctls
        size_t ioctl_count
        size_t max_client_memory
        const fusd_attribute *attributes
        size_t attribute_count
        const char *const *uevent
        size_t uevent_count
        int stream
        uid_t owner
        gid_t group
        unsigned int major
        unsigned int minor
        int nonblock
        const int *shared_memory
        unsigned int max_transfer
        unsigned int spin_us

    struct fusd_buffer:
        pass

    int fusd_register_with(const char *name, mode_t mode, void *device_info,
                           const fusd_file_operations *fops,
                           const fusd_options *options)
    int fusd_unregister(int fd)
    void fusd_forget_devices()
    int fusd_dispatch(int fd)
    int fusd_return(fusd_file_info *file, ssize_t retval)
    int fusd_return_data(fusd_file_info *file, const void *data, size_t length)
    void fusd_destroy(fusd_file_info *file)
    size_t fusd_get_length(fusd_file_info *file)
    loff_t *fusd_get_offset(fusd_file_info *file)
    long fusd_get_transaction(fusd_file_info *file)
    unsigned int fusd_get_ioctl_number(fusd_file_info *file)
    unsigned long fusd_get_ioctl_argument(fusd_file_info *file)
    bint fusd_is_32bit(fusd_file_info *file)
    int fusd_discard_data(fusd_file_info *file)
    int fusd_open_child(fusd_file_info *file, void *private_data, int flags,
                        ssize_t offset)
    int fusd_give_descriptor(fusd_file_info *file, int fd, int flags,
                             ssize_t offset)
    int fusd_set_attribute(int fd, const char *name, const char *value)
    int fusd_set_uevent(int fd, const char *const *variables, size_t count)
    int fusd_send_uevent(int fd, const char *const *variables, size_t count)
    fusd_buffer *fusd_buffer_acquire(fusd_file_info *file)
    void fusd_buffer_release(fusd_buffer *buffer)
    void *fusd_client_memory(fusd_file_info *file, unsigned long address,
                             size_t length, int access)
    ssize_t fusd_device_path(int fd, char *path, size_t size)
    const char *fusd_device_transport(int fd)
    int fusd_transport_check(const char *transport, char *reason, size_t size)
    const char *fusd_error()
    void fusd_set_log(void (*log)(int, const char *, void *) noexcept, void *data)
    const char *fusd_version()


cdef extern from "own_request.h" nogil:
    void fusd_set_lock_probe(void (*take_and_release)() noexcept nogil)


cdef extern from "serve.h":
    # With the GIL, which it lets go of while it waits.
    int fusd_serve(int fd, unsigned int waits, int wake_fd)
    unsigned int fusd_waits(int fd)
    void fusd_end_waits_of(int fd)


cdef extern from "internal.h" nogil:
    struct fusd_transport:
        const char *name
        const char *summary

    const fusd_transport *fusd_transport_at(size_t index)
    const char *fusd_advice()
    bint fusd_ioctl_is_value(const fusd_file_info *file)
    ssize_t fusd_answer_data(fusd_file_info *file, const void *data, size_t length)
    void fusd_set_passive_open(
        int (*open)(fusd_file_info *) noexcept nogil,
        int (*passive)(fusd_file_info *) noexcept nogil,
    )
    void fusd_set_wait_hooks(
        void *(*before)() noexcept nogil, void (*after)(void *) noexcept nogil
    )


cdef extern from *:
    """
    static inline unsigned long fusd_mmap_offset(struct fusd_file_info *file)
    {
        return file->fusd_msg->parm.fops_msg.mmoffset;
    }
    """
    unsigned long fusd_mmap_offset(fusd_file_info *file)

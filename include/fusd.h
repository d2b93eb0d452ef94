/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libfusd: device drivers as ordinary programs.
 *
 * A driver fills in a struct fusd_file_operations, registers it under a name,
 * and serves its clients from fusd_run() or from a loop of its own around
 * fusd_dispatch(). Clients open the device like any other file.
 *
 * The first part is the interface of FUSD 1.10, unchanged. Programs written
 * for the later fork, whose fusd_register() takes six arguments, compile with
 * -DFUSD_KOR_API. The second part, "Additions", is new and opt-in.
 *
 * Unless a comment says otherwise, functions return 0 or a positive value on
 * success and -1 with errno set on failure, and any thread may call them at
 * any time, also from inside a callback.
 */
#ifndef FUSD_H
#define FUSD_H

#include "fusd_msg.h"

/* In the kernel there are only the messages and their constants. */
#ifndef FUSD_IN_KERNEL

#include <string.h>
#include <sys/select.h>
#include <sys/types.h>

/* loff_t is part of the callbacks; strict ISO modes hide it. */
#if defined(__GLIBC__) && !defined(__USE_MISC)
typedef __loff_t loff_t;
#elif !defined(__GLIBC__) && !defined(loff_t)
#define loff_t off_t
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * One request, as a callback sees it: who asks, on which open file.
 *
 * The library allocates it and keeps it valid until the callback returns, or,
 * when the callback returns -FUSD_NOREPLY, until the driver passes it to
 * fusd_return(), fusd_return_data() or fusd_destroy(). Two requests on the same
 * open file have two fusd_file_info; what they share is private_data. The
 * library does not lock it: of a held request, one thread at a time may use it.
 */
struct fusd_file_info {
	/** As given to fusd_register(); changing it has no effect. */
	void *device_info;
	/**
	 * The driver's own, one per open file; NULL at open. What a callback,
	 * or whoever answers a held request, leaves here is what the next
	 * request on the open file begins with. The library never frees it.
	 */
	void *private_data;
	/**
	 * The open file's flags (O_RDWR, O_NONBLOCK ...). On kfusd, changes of
	 * O_NONBLOCK and O_APPEND go back to the open file with the answer; on
	 * cuse and fuse they are lost, for the kernel takes none.
	 */
	unsigned int flags;
	/**
	 * The id of the calling thread; in a process namespace that the driver
	 * cannot see, 0. In close, pid, uid and gid are 0 on cuse and fuse.
	 */
	pid_t pid;
	/** The calling thread's user. */
	uid_t uid;
	/** The calling thread's group. */
	gid_t gid;
	/** The device's descriptor, as fusd_register() returned it. */
	int fd;
	/**
	 * The request itself; read it through the fusd_get_ functions. Of a
	 * read, or an ioctl with _IOC_READ, data may be replaced by the address
	 * of a buffer of the driver's own, from which the answer is sent then.
	 * It must have fusd_get_length() bytes, stays the driver's, and must
	 * not change until the request is answered.
	 */
	fusd_msg_t *fusd_msg;
};

/**
 * A driver's callbacks. All are optional.
 *
 * Each answers with a result or a negative errno, which becomes the result of
 * the client's system call, or with -FUSD_NOREPLY, which keeps the client
 * blocked until the driver calls fusd_return(), fusd_return_data() or
 * fusd_destroy(). A negative number that is no errno gives the client EIO. A
 * callback that is NULL behaves as in a kernel driver without that operation:
 * open and close succeed, read and write give EINVAL, ioctl ENOTTY, mmap
 * ENODEV, and the device always polls ready.
 *
 * Callbacks run in the thread that called fusd_dispatch(), fusd_run() or
 * fusd_dispatch_fdset(), one after the other; no lock of the library's is held.
 * If several threads dispatch one device, its callbacks run at the same time.
 * Only close is the last callback of its open file, and none runs beside it.
 *
 * A read or write callback of a program of 2003 may be declared int: its
 * results are taken as they were meant.
 *
 * Buffers belong to the request: they are valid until it is answered or
 * destroyed, and, after fusd_buffer_acquire(), until fusd_buffer_release().
 */
struct fusd_file_operations {
	/**
	 * A client opens the device. Answer 0, or -errno to refuse; after that
	 * there is no close, and private_data is forgotten.
	 */
	int (*open)(struct fusd_file_info *file);
	/**
	 * The last descriptor of an open file is closed. Called exactly once
	 * for each successful open, but not any more once the device was
	 * unregistered. Requests of that open file that are held still, of a
	 * client that was killed or a poll_diff, are to be destroyed here. The
	 * client sees no error: the answer's value is ignored.
	 *
	 * It is the last callback of that open file, and none runs beside it:
	 * while another thread is inside one, or a callback itself dispatches,
	 * the close waits, and is called when the last of them has returned, in
	 * that one's thread. So a callback must not wait for the close.
	 */
	int (*close)(struct fusd_file_info *file);
	/**
	 * Fill buffer with up to length bytes; *offset is the file position in
	 * bytes, and what the callback leaves there is the new position: the
	 * library does not move it. Answer the count of bytes filled, 0 for end
	 * of file, or -errno. A count above length is cut. length is at most
	 * MAX_RW_SIZE. What the callback does not fill is 0, or bytes of an
	 * earlier request of the same open file.
	 */
	ssize_t (*read)(struct fusd_file_info *file, char *buffer,
			size_t length, loff_t *offset);
	/**
	 * Take up to length bytes from buffer; the byte after them is 0.
	 * length and *offset are as for read. Answer the count of bytes taken,
	 * or -errno. A count above length is cut.
	 */
	ssize_t (*write)(struct fusd_file_info *file, const char *buffer,
			 size_t length, loff_t *offset);
	/**
	 * The request number's direction and size bits decide what data is. To
	 * tell requests apart, switch over fusd_get_ioctl_number().
	 * With _IOC_READ or _IOC_WRITE, data points at _IOC_SIZE(request)
	 * bytes, at most 16383: filled by the client if _IOC_WRITE, else 0;
	 * copied back to it if _IOC_READ and the answer is not negative; the
	 * byte after them is 0. With neither, data is the client's argument
	 * itself: a number, or an address in the client, for which there is
	 * fusd_client_memory(). An answer of 0 or more is the client's result.
	 */
	int (*ioctl)(struct fusd_file_info *file, int request, void *data);
	/**
	 * The client side believes that the device's state is cached_state
	 * (FUSD_NOTIFY_ bits): what was answered last, without
	 * FUSD_NOTIFY_INPUT after a read and without FUSD_NOTIFY_OUTPUT after a
	 * write; 0 at first. Answer the true state if it differs; otherwise
	 * return -FUSD_NOREPLY and fusd_return() the state when it changes. A
	 * callback that returns cached_state itself wakes nobody, and is called
	 * again only by the next poll. While a client may be waiting, the
	 * driver is asked again after each answer, and after a read or write
	 * that changed cached_state. A new call for the same open file replaces
	 * one still held: destroy the old one, which has the lower
	 * fusd_get_transaction() whichever callback ends first. A negative
	 * answer means "do not ask again", and leaves the state as it is.
	 * FUSD_NOTIFY_ERROR and FUSD_NOTIFY_HANGUP ("it broke", "it was
	 * unplugged") wake every client that polls, whatever it waits for.
	 */
	int (*poll_diff)(struct fusd_file_info *file,
			 unsigned int cached_state);
	/**
	 * A client blocked in a call on this open file was interrupted by a
	 * signal. fusd_get_transaction() tells which of the held requests it
	 * was. The driver may answer that request now, for example with what
	 * it has so far. If it does not, then on kfusd the request stays with
	 * the driver, and goes on if the client's call is restarted; on cuse
	 * and fuse the client gets EINTR when unblock returns, and the request
	 * is still to be given back with fusd_destroy(). After the answer
	 * -EINTR, a call that kfusd restarts is a new request; there data for a
	 * read whose client sees EINTR, as its handler lacks SA_RESTART, is
	 * refused with EPIPE, and is for the next read. The value that
	 * unblock returns is ignored. If several threads dispatch the device,
	 * then on kfusd the callback of that request may not have returned yet,
	 * and unblock runs beside it; on cuse and fuse it comes after.
	 */
	int (*unblock)(struct fusd_file_info *file);
	/**
	 * A client maps length bytes from offset on, both multiples of the
	 * page size, and offset cut to an int; prot and flags (MAP_SHARED or
	 * MAP_PRIVATE) are those of mmap(2). Set *addr to memory of the driver
	 * and *out_length to its size in bytes, and answer 0, or answer -errno.
	 * The client's mapping then shows the same memory, and lasts when the
	 * driver unmaps it or ends. *addr must begin a page, and the memory
	 * must be in one mapping that was made with MAP_SHARED, anonymous or of
	 * a memfd (memfd_create(2), without MFD_HUGETLB), by the process that
	 * registered the device; otherwise, or if it is smaller than length,
	 * the client gets EINVAL, EACCES if it wants more access than the
	 * driver's mapping has or to execute, and EPERM if a seal forbids it.
	 * Only the kfusd transport asks; clients of others get ENODEV. What
	 * works on fuse as well is struct fusd_options' shared_memory, with
	 * which this is never called.
	 */
	int (*mmap)(struct fusd_file_info *file, int offset, size_t length,
		    int prot, int flags, void **addr, size_t *out_length);
	/**
	 * A client calls lseek(2): offset and whence (SEEK_SET, SEEK_CUR,
	 * SEEK_END, SEEK_DATA or SEEK_HOLE) are its arguments, and
	 * *fusd_get_offset() is the file position now, in bytes. Answer the new
	 * position, 0 or more, which the client gets and its next transfer has;
	 * or -errno, which leaves the position: EINVAL, EOVERFLOW, or ENXIO if
	 * there is no data. Without it the kernel answers: SEEK_SET and
	 * SEEK_CUR go anywhere, and the size is 0. A stream has no position to
	 * ask about. On fuse only SEEK_DATA and SEEK_HOLE reach the driver, on
	 * cuse nothing does. In 0.2, not for fusd_register().
	 */
	loff_t (*seek)(struct fusd_file_info *file, loff_t offset, int whence);
	/**
	 * A client closes a descriptor of an open file, perhaps one of several
	 * that dup(2) and fork(2) have made: close comes after that for the
	 * last one. Answer 0, or -errno, which is close(2)'s; the descriptor is
	 * closed in any case. A client that exits or is killed closes its
	 * descriptors, too: the driver is told, but nobody waits for the
	 * answer, and a held request gets EPIPE. On kfusd the thread that
	 * serves the device does not wait for itself, and only what kills a
	 * client ends its wait. On fuse it is not called for an open file that
	 * the driver's own process has opened, and a client that proc(5) does
	 * not show to the driver counts as one that exits. Without it close(2)
	 * gives 0, and so it does on cuse. In 0.2, not for fusd_register().
	 */
	int (*flush)(struct fusd_file_info *file);
	/**
	 * A client calls fsync(2), or fdatasync(2), for which datasync is 1:
	 * what it has written is to be where it stays. Answer 0, or -errno:
	 * EIO, ENOSPC, EDQUOT. Without it the client gets EINVAL, on fuse 0.
	 * cuse has none. In 0.2, not for fusd_register().
	 */
	int (*fsync)(struct fusd_file_info *file, int datasync);
};

typedef struct fusd_file_info fusd_file_info_t;
typedef struct fusd_file_operations fusd_file_operations_t;

#ifndef FUSD_KOR_API
/**
 * Registers a device.
 *
 * @name         "echo", "/dev/echo" or "sub/dir/echo", at most
 *               FUSD_MAX_NAME_LENGTH bytes without "/dev/"
 * @clazz        (six-argument form) device class in /sys/class, or NULL
 * @devname      (six-argument form) name inside the class, or NULL for name
 * @mode         permission bits of the node, such as 0666; the umask does not
 *               change them
 * @device_info  handed to every callback; the library never looks at it
 * @fops         the callbacks; copied, as are the names
 *
 * Returns a descriptor that is readable while requests wait; use it with
 * fusd_dispatch(), poll(2), select(2) or epoll(7), and give it back with
 * fusd_unregister(), never with close(2). errno is 0 then. The descriptor is
 * closed on exec.
 *
 * The device is there until fusd_unregister(), or until no process has the
 * descriptor any more, however they end. After fork(2) the child has it too,
 * and one of them may serve the device: so a driver may call daemon(3) after it
 * registered.
 *
 * Errors:
 *   EINVAL          name or fops is NULL; name is empty, too long, has an
 *                   empty, "." or ".." part, or control characters, or is one
 *                   that cuse cannot have; FUSD_TRANSPORT is unknown; on kfusd
 *                   clazz or devname cannot be one
 *   EEXIST          the name belongs to a live device, or something else is
 *                   there
 *   ENOPKG          no transport works on this machine, or kfusd was chosen
 *                   and is not loaded
 *   ENODEV          the transport that was chosen is not there
 *   EACCES, EPERM   not for this user
 *   ENOSPC          kfusd has max_devices devices, or the kernel has no number
 *                   left for a device of cuse
 *   ENOMEM          no memory; on cuse and fuse also beyond some 1000 devices
 *                   in a process, where libfuse has no thread keys left
 *   EMFILE, ENFILE  no descriptors left
 *
 * Other errors are those of the system calls that make a node. fusd_error()
 * has the sentence that says what happened and what to do.
 */
int fusd_register(const char *name, mode_t mode, void *device_info,
		  struct fusd_file_operations *fops);
#else
#define FUSD_KOR_HACKED_VERSION
/* clang-format off */
int fusd_register(const char *name, const char *clazz, const char *devname,
		  mode_t mode, void *device_info,
		  struct fusd_file_operations *fops)
	__asm__("fusd_register_kor");
/* clang-format on */
#endif

/**
 * What fusd_simple_register() calls, in both of its forms. fops_size is the
 * size that the caller's header gives the structure: see fusd_register_sized().
 */
int fusd_register_simply(const char *name, const char *clazz,
			 const char *devname, mode_t mode, void *device_info,
			 const struct fusd_file_operations *fops,
			 size_t fops_size);

#ifdef __cplusplus
#define FUSD_OPS(...) fusd_ops_copy(fusd_file_operations{ __VA_ARGS__ })
static inline struct fusd_file_operations *
fusd_ops_copy(const struct fusd_file_operations &ops)
{
	return const_cast<struct fusd_file_operations *>(&ops);
}
#else
/**
 * A pointer to a struct fusd_file_operations with the callbacks that are given
 * as designated initialisers, and no others, for fusd_register(), which copies
 * it. It lasts as long as the block that it stands in.
 */
#define FUSD_OPS(...) (&(struct fusd_file_operations){ __VA_ARGS__ })
#endif

#ifndef FUSD_KOR_API
/**
 * fusd_simple_register(name, mode, device_info, .read = f, .write = g, ...)
 *
 * Registers with the callbacks written in place, as designated initialisers.
 * Returns what fusd_register() returns. A failure is said in one line on
 * standard error, as it was in FUSD 1.10, unless fusd_set_log() has set who
 * hears of it.
 */
#define fusd_simple_register(name, mode, device_info, ...)              \
	fusd_register_simply((name), NULL, NULL, (mode), (device_info), \
			     FUSD_OPS(__VA_ARGS__),                     \
			     sizeof(struct fusd_file_operations))
#else
#define fusd_simple_register(name, clazz, devname, mode, device_info, ...) \
	fusd_register_simply((name), (clazz), (devname), (mode),           \
			     (device_info), FUSD_OPS(__VA_ARGS__),         \
			     sizeof(struct fusd_file_operations))
#endif

/**
 * Takes a device away and closes its descriptor.
 *
 * The node disappears, the name is free again, and every client blocked in a
 * call on the device gets EPIPE. No callback is called any more, not even
 * close for files that are open: what private_data points at is the driver's
 * to free. Requests the driver still holds stay valid memory until
 * fusd_return() or fusd_destroy(). A callback that another thread is inside
 * of, or has just begun to call, still runs to its end, and the descriptor is
 * closed after it: before device_info, or what such a callback's private_data
 * points at, is freed, other threads' fusd_dispatch() must have returned.
 *
 * Errors: EBADF (fd is no registered device).
 */
int fusd_unregister(int fd);

/**
 * Answers a request that was held with -FUSD_NOREPLY, and frees it.
 *
 * retval is what the callback would have answered. For a read, the data must
 * be in fusd_get_read_buffer() by now, and the new file position at
 * fusd_get_offset(); for an ioctl, the data in fusd_get_ioctl_buffer(). Inside
 * the callback it is legal too, if the callback then returns -FUSD_NOREPLY.
 * Whatever the outcome, file must not be used afterwards.
 *
 * Errors:
 *   EPIPE   nobody waits for this answer any more: the client was interrupted
 *           or is gone, a newer poll_diff replaced this one, or the device was
 *           unregistered
 *   EINVAL  file is NULL; or, of an mmap, kfusd refused the memory
 *   ENOMEM  (kfusd only) no memory for the data; the client gets EIO
 */
int fusd_return(struct fusd_file_info *file, ssize_t retval);

/**
 * Frees a held request without an answer.
 *
 * Its client, if there still is one, stays blocked until it is interrupted or
 * the device goes away. Meant for requests whose client is known to be gone,
 * and for a poll_diff that a newer one replaced. file must not be used
 * afterwards; NULL is ignored.
 */
void fusd_destroy(struct fusd_file_info *file);

/**
 * Handles requests that wait on a device; never blocks.
 *
 * At most 40 requests are handled in one call, so that one busy device does
 * not starve the others.
 *
 * Several threads may dispatch one device.
 *
 * Returns 0 if at least one callback ran. Errors: EAGAIN (nothing waits, or
 * only what the library handled by itself), EBADF (fd is no registered
 * device), ENODEV (the device was taken away from outside, for example by
 * umount(8): unregister it), ENOMEM.
 */
int fusd_dispatch(int fd);

/**
 * Serves all registered devices of this process, also ones registered later.
 *
 * Returns when no device is left, or if there is none. Several threads may run
 * it: each request is handled by one of them. Signal dispositions are not
 * touched: a signal that ends the process ends the device with it, and leaves
 * no node behind. A device that was taken away from outside is unregistered.
 * fusd_stop() makes it return, too.
 */
void fusd_run(void);

/**
 * Adds the descriptors of all registered devices to *set and raises *max to
 * the largest of them, if it is larger. Descriptors of FD_SETSIZE and above
 * do not fit into an fd_set and are left out: use poll(2) or fusd_run().
 */
void fusd_fdset_add(fd_set *set, int *max);

/**
 * Calls fusd_dispatch() for each registered device that is in *set; other
 * descriptors in it are ignored. A device that was taken away from outside is
 * unregistered.
 */
void fusd_dispatch_fdset(fd_set *set);

/**
 * "RWE" for FUSD_NOTIFY_ bits, with '-' for each that is not set, then "X" for
 * FUSD_NOTIFY_ERROR and "H" for FUSD_NOTIFY_HANGUP if they are. The string is
 * static memory, constant for each value of flags.
 */
char *fusd_unparse_flags(int flags);

/* The fusd_get_ functions. */
#include "fusd_get.h"

/*
 * Additions: not in FUSD 1.10.
 */

/**
 * Of an ioctl, inside its callback or while it is held: the answer takes no
 * data to the client, whose memory stays as it is, be it const. That of
 * fusd_client_memory() is another matter. 0, or -1 and EINVAL: no ioctl. For
 * the thread that answers.
 */
int fusd_discard_data(struct fusd_file_info *file);

/* fusd_open_child(), fusd_give_descriptor(). */
#include "fusd_descriptor.h"

/* fusd_set_attribute(), fusd_set_uevent(), fusd_send_uevent(). */
#include "fusd_sysfs.h"

/* fusd_register_with() and its options. */
#include "fusd_options.h"

/**
 * The full path at which clients find the device.
 *
 * Writes at most size bytes with the terminating 0 to path, and returns the
 * path's length without it. Errors: EBADF (fd is no registered device), ERANGE
 * (size is too small; PATH_MAX never is).
 */
ssize_t fusd_device_path(int fd, char *path, size_t size);

/**
 * The name of a device's transport: "kfusd", "cuse" or "fuse", static memory.
 * NULL and EBADF if fd is no registered device.
 */
const char *fusd_device_transport(int fd);

/**
 * Says whether a transport ("kfusd", "cuse", "fuse") works here for this user.
 *
 * Returns 0, or -1 with errno, and then a sentence that says why and what to
 * do about it, cut to size bytes with the terminating 0, in reason ("" if it
 * works; not touched if size is 0).
 *
 * Errors: EINVAL (unknown transport), ENOPKG or ENODEV (it is not there),
 * EACCES or EPERM (not for this user), or what opening its device file gives.
 */
int fusd_transport_check(const char *transport, char *reason, size_t size);

/**
 * One sentence about why the last fusd_register(), fusd_register_with(),
 * fusd_transport_check(), fusd_set_attribute(), fusd_send_uevent() or, with
 * ENOTTY, fusd_open_child() of this thread failed, and what to do. It means
 * nothing after one that succeeded. The memory belongs to the thread, and the
 * text is valid until its next call of one of these.
 */
const char *fusd_error(void);

/**
 * Answers a read with length bytes of data instead of the request's buffer.
 *
 * Frees file as fusd_return() does. More than was asked for is cut; 0 bytes are
 * the end of the file. data must stay as it is until the call returns, not
 * longer. The new file position is what fusd_get_offset() points at. Legal
 * inside the callback if it then returns -FUSD_NOREPLY.
 *
 * Errors: as fusd_return(), and EINVAL if the request is no read (it is then
 * still held).
 */
int fusd_return_data(struct fusd_file_info *file, const void *data,
		     size_t length);

/**
 * Makes fusd_run() return in all threads that are in it, each after the
 * callbacks that it is in and those of requests it has been told of.
 *
 * Nothing is unregistered: the devices are there until fusd_unregister(), and
 * fusd_run() may be called again. If no thread is in fusd_run(), the next call
 * returns at once, so that a signal that comes early is not lost; a thread that
 * calls it later than that stays in it.
 *
 * May be called from a signal handler, and keeps errno. Never fails.
 */
void fusd_stop(void);

/** The memory of one request: its header and its data. */
struct fusd_buffer;

/**
 * Keeps a request's memory beyond its answer.
 *
 * The data that fusd_get_read_buffer(), fusd_get_write_buffer() and
 * fusd_get_ioctl_buffer() point at stays readable and writable, and is used
 * for no other request, until fusd_buffer_release(), also when the device was
 * unregistered. Never fails. Each call needs a release of its own. file must
 * not have been answered yet, unless its callback is still running.
 */
struct fusd_buffer *fusd_buffer_acquire(struct fusd_file_info *file);

/** Gives back what fusd_buffer_acquire() returned; NULL is ignored. */
void fusd_buffer_release(struct fusd_buffer *buffer);

/** What fusd_client_memory() is asked for: the client's bytes. */
#define FUSD_CLIENT_READ 0x1
/** The client's bytes, and to write them back with the answer. */
#define FUSD_CLIENT_WRITE 0x2

/**
 * An ioctl callback that returns -FUSD_RETRY is called again, from the start,
 * with the client's memory at hand: see fusd_client_memory(). Without such a
 * reason the client gets EIO.
 */
#define FUSD_RETRY 0x1001

/**
 * The client's memory, for an ioctl whose argument or data points into it.
 *
 * An ioctl number such as TCGETS does not say what its argument points at,
 * and a structure may hold pointers to more. Inside its ioctl callback, in the
 * callback's thread and only there, a driver that knows may ask for those bytes
 * by their address in the client.
 *
 * @address, @length  where they are, and how many: at least 1
 * @access            FUSD_CLIENT_READ or FUSD_CLIENT_WRITE or both
 *
 * Returns a copy of the client's bytes, aligned for any type, which belongs
 * to the library: valid until the request is answered, and, after
 * fusd_buffer_acquire(), until fusd_buffer_release(). With FUSD_CLIENT_WRITE,
 * what the copy holds when the request is answered is written back before the
 * client's call completes, unless the answer is an error; what the driver
 * left as it was is written back as it was. If the client's memory cannot be
 * written then, its call fails with EFAULT. Asking for the same bytes with
 * the same access again gives the same copy.
 *
 * Errors:
 *   EAGAIN  (cuse only) the kernel must be asked for these bytes first: the
 *           callback returns -FUSD_RETRY, after asking for more if it knows
 *           more, and is called again from the start, with new bytes. So it
 *           must not have had an effect before its last fusd_client_memory().
 *   EFAULT  the client has no such memory, or may not access it so; or it
 *           did not come within 10 seconds, or half a second after a signal
 *   EPERM   this driver may not access its client's memory: a debugger could
 *           not either (see ptrace(2); where Yama's ptrace_scope is 1 or more,
 *           as on Ubuntu, only root's drivers may); or the client is in no
 *           process namespace that the driver can see
 *   ESRCH   the client is gone
 *   E2BIG   more than the device's max_client_memory, 4 MiB unless its options
 *           say otherwise, or 254 regions in one request; a region with
 *           FUSD_CLIENT_WRITE counts as two
 *   EINVAL  no ioctl callback, or it has answered; length 0; unknown access
 *   ENOTTY  the transport cannot do it
 *   ENOMEM  no memory for the copy
 *
 * Client memory is never touched unless a driver calls this. Mind that it
 * changes while it is looked at: another thread of the client may write to it
 * at any time, so check the copy, and check again after -FUSD_RETRY. On cuse
 * the kernel copies the first 128 KiB on the client's behalf. Beyond that, and
 * elsewhere, the library does, with
 * process_vm_readv(2) and process_vm_writev(2) on the thread that waits in
 * the ioctl. A client may ask for memory whose pages come slowly, or never
 * (from a network file system, or userfaultfd(2)): threads of the library's
 * own make these calls, 16 at most, and this one, and the answer's, give up
 * after the time above. Then the client gets EFAULT.
 */
void *fusd_client_memory(struct fusd_file_info *file, unsigned long address,
			 size_t length, int access);

/**
 * Sends the library's messages (syslog(3) priority, one line without a
 * newline, and data as given here) to log; NULL, the default, drops them. The
 * message is valid during the call. Set it before the first device is
 * registered, and while no other thread uses libfusd. log may be called from
 * any thread that uses libfusd.
 */
void fusd_set_log(void (*log)(int priority, const char *message, void *data),
		  void *data);

/**
 * In a forked child: lets go of all devices, which stay their parent's.
 *
 * Closes the child's copies of their descriptors, so that the parent's death
 * ends the devices as if there were no child. Requests that the child has
 * copies of cannot be answered there: fusd_return() gives EPIPE, and frees
 * them. The child may register devices of its own afterwards. A child that
 * goes on as the driver, as after daemon(3), must not call this; one that
 * execs need not.
 *
 * To be called once, in the child's only thread, before anything else of the
 * library. Never fails.
 */
void fusd_forget_devices(void);

/** libfusd's version, "MAJOR.MINOR.PATCH"; static memory. */
const char *fusd_version(void);

#ifdef __cplusplus
}
#endif

#endif /* FUSD_IN_KERNEL */

#endif /* FUSD_H */

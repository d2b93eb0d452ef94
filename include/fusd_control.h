/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a driver may ask of the control descriptor beyond the classic messages.
 *
 * All of it is opt-in: a driver that never calls these ioctls is served exactly
 * as FUSD 1.10 did. An older module without one answers ENOTTY.
 */
#ifndef FUSD_CONTROL_H
#define FUSD_CONTROL_H

#ifdef __KERNEL__
#include <linux/ioctl.h>
#include <linux/types.h>
#else
#include <linux/types.h>
#include <sys/ioctl.h>
#endif

#include "fusd_ioctl.h"

/*
 * Before the device is registered: asks for FUSD_OPTION_ bits. What comes back
 * are those that this module grants; bits it does not know are cleared.
 * Errors: EBUSY (the device is registered), EFAULT.
 */
#define FUSD_CONTROL_OPTIONS _IOWR('F', 101, __u64)

/* FUSD_UNBLOCK tells the driver that a client's call was interrupted. */
#define FUSD_OPTION_UNBLOCK 0x1
/* The driver has no poll_diff: its device polls ready, and is never asked. */
#define FUSD_OPTION_ALWAYS_READY 0x2
/* Open files have no position: lseek and pread give ESPIPE, offsets are 0. */
#define FUSD_OPTION_STREAM 0x4
/* An ioctl tells of its client: FUSD_CLIENT_32BIT in mmflags, which else is 0.
 */
#define FUSD_OPTION_CLIENT_BITS 0x8
/*
 * FUSD_SEEK asks the driver where lseek is to go, unless the device is a
 * stream: cmd is whence, arg the offset, offset the position now. The reply's
 * retval is the new position. Without this the module answers.
 */
#define FUSD_OPTION_SEEK 0x10
/*
 * FUSD_FLUSH tells of each close(2) of a descriptor of an open file, and of
 * those that end with their process, before the FUSD_CLOSE of the last one. The
 * client gets what the reply says. A client that is killed or exits, or that
 * serves the device itself, does not wait: then a reply gets EPIPE.
 */
#define FUSD_OPTION_FLUSH 0x20
/* FUSD_FSYNC is fsync(2), or, if cmd is 1, fdatasync(2). Without: EINVAL. */
#define FUSD_OPTION_FSYNC 0x40
/*
 * A read or write with O_NONBLOCK, or by io_uring or RWF_NOWAIT, for which the
 * driver is not ready gets EAGAIN without that the driver gets it. Ready it is
 * when its poll_diff says so; FUSD_CONTROL_HELD says that it is not.
 */
#define FUSD_OPTION_NONBLOCK 0x80

/* It is a 32-bit program: pointers and longs in its data have 4 bytes. */
#define FUSD_CLIENT_32BIT 0x1

struct fusd_control_ioctls {
	__u64 address; /* of an array of struct fusd_ioctl */
	__u32 count;
	__u32 size; /* of one of them */
};

/*
 * Before the device is registered: tells what ioctls really are. The first that
 * fits a client's number counts; a number that none fits is what it codes. A
 * second call replaces what the first one told.
 * Errors: EBUSY (the device is registered), EFAULT, ENOMEM, EINVAL (too many,
 * an unknown size or direction, more than MAX_RW_SIZE bytes).
 */
#define FUSD_CONTROL_IOCTLS _IOW('F', 102, struct fusd_control_ioctls)

/* A descriptor that the answer of an ioctl or a read is to bring its client. */
struct fusd_control_descriptor {
	/* The cookies of the request, as they were received. */
	__u64 fusd_file;
	__s64 transid;
	__s32 hint;
	/* The driver's own; -1: a new open file of the device is to be made. */
	__s32 descriptor;
	__u64 private_info; /* of the new open file */
	/*
	 * O_CLOEXEC for the client's descriptor; of a new open file its access
	 * mode and O_NONBLOCK, too.
	 */
	__u32 flags;
	/* Where in the answer's data the client finds its number, an int. */
	__u32 offset;
};

/* Instead of an offset: the number is the result, which an ioctl's may be. */
#define FUSD_CONTROL_RESULT 0xffffffff
/* So many descriptors may an answer bring. */
#define FUSD_CONTROL_DESCRIPTORS 16

/*
 * Before a request is answered, which the driver has received: adds a
 * descriptor to its answer. If that is an error, it is as if this had never
 * been called. Any other answer, which is taken then even if the client is
 * gone, is followed by exactly one FUSD_CLOSE for each new open file, as an
 * open is: at its release, or at once if it did not reach the client.
 * Errors: EPIPE (nobody waits for an answer), EBADF (no such descriptor),
 * EINVAL (no ioctl and no read, a control descriptor, unknown flags, an offset
 * whose int is not all in the answer's data), E2BIG (more than
 * FUSD_CONTROL_DESCRIPTORS), ENFILE (the client's user has its share of open
 * files), ENODEV (the device was never registered), EFAULT, ENOMEM.
 */
#define FUSD_CONTROL_DESCRIPTOR _IOW('F', 103, struct fusd_control_descriptor)

struct fusd_control_number {
	__u32 major; /* 0: the module's own */
	__u32 minor; /* 0, of major 0: any */
	__u32 reserved[2];
};

/*
 * Before the device is registered: asks for a device number. Registering fails
 * with EBUSY then if that is taken, by a device or by another module's region.
 * Errors: EPERM (a major number that is not the module's is for
 * CAP_SYS_ADMIN), EINVAL (no such number; reserved is not 0), EBUSY (the device
 * is registered), EFAULT.
 */
#define FUSD_CONTROL_NUMBER _IOW('F', 104, struct fusd_control_number)

/* An attribute: a file of the device's directory in sysfs, or of one in it. */
struct fusd_control_attribute {
	__u64 value; /* the address of what clients read */
	__u32 size;  /* bytes of it */
	__u32 reserved;
	char name[48]; /* "name", or "directory/name"; with a 0 at its end */
};

/* So many has a device, each of so many bytes. */
#define FUSD_CONTROL_ATTRIBUTES 64
#define FUSD_CONTROL_ATTRIBUTE_SIZE 4095

/*
 * Before the device is registered: gives it an attribute, which is there before
 * user space hears of the device; or another value to one that it has. Once it
 * is registered, only that. Clients that poll the attribute are woken.
 * Errors: EEXIST (the kernel has a file of that name there, or it would be a
 * directory as well), EINVAL (no name, too many bytes, reserved is not 0),
 * E2BIG (too many), ENOENT (registered, and without that attribute), ENODEV
 * (the device is gone), EFAULT, ENOMEM.
 */
#define FUSD_CONTROL_ATTRIBUTE _IOW('F', 105, struct fusd_control_attribute)

/* Variables of uevents. */
struct fusd_control_variables {
	__u64 address; /* of texts KEY=VALUE, each with a 0 at its end */
	__u32 size;    /* bytes of all of them */
	__u32 reserved;
};

/* So many may be told, of so many bytes in all. */
#define FUSD_CONTROL_VARIABLES_COUNT 16
#define FUSD_CONTROL_VARIABLES_SIZE 512

/*
 * Tells the variables of all of the device's uevents from now on, in place of
 * those that were told before.
 * Errors: EPERM (udev obeys them, so they are for CAP_SYS_ADMIN), EEXIST (a
 * variable of the kernel's own), EINVAL (a key of other characters than A-Z,
 * 0-9 and _, control characters, too much, reserved is not 0), ENODEV (the
 * device is gone), EFAULT, ENOMEM.
 */
#define FUSD_CONTROL_VARIABLES _IOW('F', 106, struct fusd_control_variables)

/*
 * Sends a uevent "change" of the device, with these variables besides.
 * Errors: those of FUSD_CONTROL_VARIABLES, EPERM if there are any; ENODEV (it
 * is not registered, or gone).
 */
#define FUSD_CONTROL_CHANGE _IOW('F', 107, struct fusd_control_variables)

/* The cookies of a poll_diff, as they were received. */
struct fusd_control_held {
	__u64 fusd_file;
	__s64 transid;
	__s32 hint;
	__u32 reserved; /* 0 */
};

/*
 * The driver holds a poll_diff: the state is what the poll_diff says it is, and
 * an answer will come when it is another.
 * Errors: EPIPE (nobody waits for an answer, or it is no poll_diff), EINVAL,
 * EFAULT.
 */
#define FUSD_CONTROL_HELD _IOW('F', 108, struct fusd_control_held)

#endif /* FUSD_CONTROL_H */

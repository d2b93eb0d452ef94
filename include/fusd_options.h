/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registering a device with options; a part of fusd.h, which includes it.
 */
#ifndef FUSD_OPTIONS_H
#define FUSD_OPTIONS_H

#include "fusd.h"
#include "fusd_ioctl.h"
#include "fusd_sysfs.h"

#ifdef __cplusplus
extern "C" {
#endif

/** 4 MiB: the bytes of its client's memory that a request may have. */
#define FUSD_MAX_CLIENT_MEMORY (4 << 20)

/** 1 MiB: the most bytes that a request may carry. */
#define FUSD_MAX_TRANSFER (1 << 20)

/**
 * What fusd_register_with() takes beyond fusd_register(). Fields that are zero
 * have their default; strings are read during the call only.
 */
struct fusd_options {
	/** sizeof(struct fusd_options): see fusd_register_sized(). */
	size_t size;
	/**
	 * "kfusd", "cuse", "fuse", or NULL or "auto" for the first of these
	 * that works. NULL asks the environment's FUSD_TRANSPORT first.
	 */
	const char *transport;
	/**
	 * Device class in /sys/class, at most FUSD_MAX_NAME_LENGTH bytes; NULL
	 * for "fusd". A class that the kernel has, such as "input", takes
	 * devices of its own only: the device is in "fusd" then, and a warning
	 * goes to fusd_set_log(). Only kfusd has classes; cuse and fuse ignore
	 * this.
	 */
	const char *clazz;
	/** The device's name in its class, as long; NULL for its own name. */
	const char *devname;
	/**
	 * What ioctls really are whose numbers do not say it, ioctl_count
	 * entries, FUSD_IOCTLS_MAX at most; copied. The first that fits a
	 * client's number counts; a number that none fits is what it codes.
	 * The ioctl callback gets its data as the entry says, and
	 * fusd_get_length() is its size. On fuse the kernel has copied by then
	 * what the number codes: a client whose argument is not the address of
	 * that much memory gets EFAULT if the number has _IOC_WRITE. Data that
	 * the number does not code is fetched there as fusd_client_memory()
	 * does it, and the client gets that one's errors.
	 */
	const struct fusd_ioctl *ioctls;
	size_t ioctl_count;
	/**
	 * How many bytes fusd_client_memory() gives in one request; 0 for
	 * FUSD_MAX_CLIENT_MEMORY. The memory is taken as it is asked for.
	 */
	size_t max_client_memory;
	/**
	 * Attributes in sysfs, attribute_count of them, 64 at most; copied.
	 * They are there before udev hears of the device.
	 * fusd_set_attribute() changes their values, and has the errors. Only
	 * kfusd has attributes; cuse and fuse ignore this.
	 */
	const struct fusd_attribute *attributes;
	size_t attribute_count;
	/**
	 * Variables of all uevents of the device, uevent_count of them, as
	 * fusd_set_uevent() takes them. cuse and fuse ignore them, too.
	 */
	const char *const *uevent;
	size_t uevent_count;
	/**
	 * Not 0: open files are streams, such as those of a serial port. They
	 * have no position: lseek and pread give ESPIPE (on cuse lseek gives
	 * 0), and callbacks get the offset 0, where what they leave means
	 * nothing. On fuse a write of an open file waits for a read of it that
	 * is held, as on any regular file, unless it is a stream.
	 */
	int stream;
	/**
	 * Whose the node is. 0: who runs the driver, root on kfusd and cuse,
	 * and that one's group. Another owner, and a group that the driver is
	 * not in, are for root alone: EPERM.
	 */
	uid_t owner;
	gid_t group;
	/**
	 * The device number, for who has to know it beforehand. 0 and 0: any.
	 * A minor number alone has a major number that the transport chooses:
	 * kfusd's own, or on cuse any. EBUSY if the number is taken, EINVAL for
	 * more than 511 and 1048575; EPERM on kfusd for another major number
	 * than its own without CAP_SYS_ADMIN. Ignored on fuse, whose node has
	 * none.
	 */
	unsigned int major;
	unsigned int minor;
	/**
	 * Not 0: what poll_diff says of the device is what reads and writes
	 * find, and kfusd keeps the promise of O_NONBLOCK for the driver: a
	 * client that is not to wait gets EAGAIN, and the driver no request,
	 * while its poll_diff is held or its state lacks FUSD_NOTIFY_INPUT for
	 * a read, FUSD_NOTIFY_OUTPUT for a write. It has a tenth of a second
	 * to say so, once for each poll_diff, so a driver that is busy keeps
	 * nobody for long. io_uring, and preadv2(2) with RWF_NOWAIT, work
	 * then; these never wait for what the driver has to say. A driver
	 * still answers -EAGAIN itself where another client was quicker, and
	 * on cuse, fuse and with an older module, where this means nothing.
	 *
	 * Errors: EINVAL (there is no poll_diff).
	 */
	int nonblock;
	/**
	 * Memory that clients map without that the driver is asked: where a
	 * memfd's descriptor is (memfd_create(2), without MFD_HUGETLB), open
	 * for reading and writing. NULL: none. The library takes a descriptor
	 * of its own, and the driver may close the one given. Offsets of
	 * mmap(2) are those in the memfd; the callback mmap is not called. The
	 * mappings last when the driver ends.
	 *
	 * A client needs the device open for what it wants to do with the
	 * memory (EACCES). To let clients only read it, seal it with
	 * F_SEAL_FUTURE_WRITE before the device is registered (EPERM); a
	 * mapping that the driver has by then stays writable.
	 *
	 * On kfusd for the process that registered the device, as the callback
	 * mmap; a part that the memory has not gives the client EINVAL. On
	 * fuse since Linux 6.9 if the driver is root, and not for a stream or
	 * sealed memory, as the kernel takes no notice of seals there; the
	 * device's size in stat(2) is the memory's, as it was when the device
	 * was registered, and what is mapped behind the memory's end gives
	 * SIGBUS. Elsewhere, and on cuse, clients get ENODEV.
	 *
	 * Errors: EBADF (no descriptor), EINVAL (no memfd, or not open for
	 * both).
	 */
	const int *shared_memory;
	/**
	 * The most bytes of one read or write, from MAX_RW_SIZE, which 0 means,
	 * to FUSD_MAX_TRANSFER. What a client asks beyond that is another
	 * request. cuse, and kfusd with an older module, carry no more than
	 * MAX_RW_SIZE, and clients get that much at once. On fuse the kernel
	 * carries 256 pages of the client's memory: if this is more than one
	 * page less than that, a longer transfer is several requests instead of
	 * short, and so is one that is as long and does not begin on a page.
	 *
	 * Errors: EINVAL (another size).
	 */
	unsigned int max_transfer;
	/**
	 * So many microseconds a thread that waits for requests looks for them
	 * before it sleeps, 1000 at most; and on kfusd a client for its answer.
	 * 0: none. For a driver and clients on different CPUs that are asked
	 * for latency: no thread has to be woken while they are busy. The time
	 * is the CPU's, and grows and shrinks with how often it is well spent.
	 * On one CPU, and for transfers of more than a page, nobody looks.
	 *
	 * Errors: EINVAL (more than 1000).
	 */
	unsigned int spin_us;
};

/**
 * What fusd_register_with() calls, with the size that struct
 * fusd_file_operations has for the caller, in bytes.
 *
 * Both structures may grow in later versions, at their ends: fewer bytes than
 * this library's, from a program that was compiled with an older header, mean 0
 * for the rest; more bytes must be 0. fusd_register() has no size, and always
 * takes the callbacks from open to mmap.
 *
 * Errors: those of fusd_register(); EINVAL for an unknown transport, or a size
 * that no version had; E2BIG for a callback or an option that this library does
 * not know.
 */
int fusd_register_sized(const char *name, mode_t mode, void *device_info,
			const struct fusd_file_operations *fops,
			size_t fops_size, const struct fusd_options *options);

/**
 * Registers as fusd_register() does, with options (NULL: none).
 *
 * Errors: those of fusd_register_sized().
 */
static inline int fusd_register_with(const char *name, mode_t mode,
				     void *device_info,
				     const struct fusd_file_operations *fops,
				     const struct fusd_options *options)
{
	return fusd_register_sized(name, mode, device_info, fops, sizeof(*fops),
				   options);
}

#ifdef __cplusplus
}
#endif

#endif /* FUSD_OPTIONS_H */

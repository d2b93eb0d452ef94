/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One open file of a device on libfuse: what a kernel module would keep in its
 * struct file. All fields are guarded by the device's lock.
 */
#ifndef FUSD_OPEN_FILE_H
#define FUSD_OPEN_FILE_H

#include "session.h"

/* A file position as the kernel holds it, and as the driver left it. */
struct fusd_position {
	uint64_t kernel;
	loff_t driver;
};

/*
 * The regions that an ioctl callback waits for: the kernel fetches them and
 * sends the ioctl again, as a new request of the same thread, in whose data
 * they follow one another.
 */
struct fusd_retry {
	struct fusd_retry *next;
	pid_t pid;
	unsigned int number;
	const void *argument;
	struct fusd_region *regions;
};

struct fusd_open_file {
	struct fusd_open_file *next, **link; /* the session's files */
	uint64_t id;			     /* never used twice, never 0 */
	void *private_info;
	unsigned long flags;
	struct fusd_descriptor descriptor; /* as it was looked at last */

	struct fusd_position positions[2]; /* the latest first */

	/* The latest read, if it was answered in full. */
	pid_t full_thread; /* 0: it was not */
	uint64_t full_end; /* the kernel's offset after it */

	struct fusd_retry *retries; /* the latest first */

	/* The poll_diff exchange; see poll.c. */
	unsigned int cached_state;
	bool never_ask;
	struct fusd_request *poll_request;   /* the outstanding poll_diff */
	struct fuse_pollhandle *poll_handle; /* somebody may be waiting */
};

/*
 * The position a driver sees for a call at the kernel's offset.
 *
 * FUSE passes the kernel's file position, or pread's offset, and cannot set
 * the former; a driver may leave any position behind. So an offset that the
 * kernel is known to hold stands for the position that the driver left there,
 * and any other is an lseek or a pread and is passed on as it is. A sequential
 * call's offset means nothing, and it is at the position the driver left.
 */
loff_t fusd_position_begin(const struct fusd_open_file *file, uint64_t offset,
			   bool sequential);

/* Notes that a call at offset moved count bytes and left position behind. */
void fusd_position_end(struct fusd_open_file *file, uint64_t offset,
		       size_t count, loff_t position, bool sequential);

#endif /* FUSD_OPEN_FILE_H */

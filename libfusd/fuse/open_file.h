/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One open file of a device on libfuse: what a kernel module would keep in its
 * struct file. All fields are guarded by the device's lock.
 */
#ifndef FUSD_FUSE_OPEN_FILE_H
#define FUSD_FUSE_OPEN_FILE_H

#include "client_descriptor.h"
#include "internal.h"
#include "position.h"
#include "retry.h"

struct fuse_pollhandle;

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

/* A new one with an id of its own, on no list; NULL: no memory. */
struct fusd_open_file *fusd_open_file_new(unsigned long flags);
void fusd_open_file_free(struct fusd_open_file *file);

/* On and off the list of its session's; under the device's lock. */
void fusd_open_file_link(struct fusd_open_file *file,
			 struct fusd_open_file **files);
void fusd_open_file_unlink(struct fusd_open_file *file);

#endif /* FUSD_FUSE_OPEN_FILE_H */

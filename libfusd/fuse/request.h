/* SPDX-License-Identifier: BSD-3-Clause */
/* A request that libfuse decoded, and its message. */
#ifndef FUSD_FUSE_REQUEST_H
#define FUSD_FUSE_REQUEST_H

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include "internal.h"

struct fusd_open_file;

/* What the transports on libfuse know of a request. */
struct fuse_request {
	struct fusd_request common; /* first */

	/* The kernel's number of who waits for the answer; 0: nobody. */
	uint64_t unique;
	fuse_req_t fuse; /* what libfuse decoded; NULL once answered, or none */
	struct fusd_open_file *open_file;
	uint64_t kernel_offset; /* what the kernel passed */

	struct fuse_pollhandle
		*poll_handle;		    /* the poll that fuse is, or NULL */
	struct fuse_pollhandle *poll_woken; /* to be woken, after the answer */
	pthread_t poll_asker;		    /* whose callback it goes to */
	unsigned int poll_round;	    /* how often for the same poll */
	bool poll_is_same; /* the callback answered what it was asked */

	bool held; /* the callback left it pending; device->lock */
	atomic_bool interrupted;
	struct fusd_request *interrupts; /* of an unblock: a reference */
};

/*
 * A message is read to where the data that follows the headers of a write, the
 * longest of all, is the request's payload.
 */
#define FUSD_MESSAGE_HEADERS 80

_Static_assert(sizeof(struct fuse_request) + FUSD_MESSAGE_HEADERS <=
		       FUSD_PAGE_SIZE,
	       "a message must not overlap its request");

static inline struct fuse_request *fuse_part(const struct fusd_request *request)
{
	return (struct fuse_request *)request;
}

#endif /* FUSD_FUSE_REQUEST_H */

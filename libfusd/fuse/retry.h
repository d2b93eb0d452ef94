/* SPDX-License-Identifier: BSD-3-Clause */
/* What an ioctl waits for until the kernel has fetched it. */
#ifndef FUSD_FUSE_RETRY_H
#define FUSD_FUSE_RETRY_H

#include "internal.h"

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

/* Takes what a client's thread waits for off a list; NULL: nothing. */
struct fusd_retry *fusd_retry_take(struct fusd_device *device,
				   struct fusd_retry **retries, pid_t pid);

/* Puts it on the list of its open file, first. */
void fusd_retry_put(struct fusd_device *device, struct fusd_retry **retries,
		    struct fusd_retry *retry);

void fusd_retry_free(struct fusd_retry *retry);
void fusd_retry_free_all(struct fusd_retry *retries);

#endif /* FUSD_FUSE_RETRY_H */

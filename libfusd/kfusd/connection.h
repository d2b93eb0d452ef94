/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's connection to the kernel module, and what its requests have. */
#ifndef FUSD_KFUSD_CONNECTION_H
#define FUSD_KFUSD_CONNECTION_H

#include <linux/types.h>

#include "internal.h"
#include "private_data.h"
#include "ring.h"

/* A device's transport_data. */
struct kfusd_device {
	/* A message is received, and listed, by one thread at a time. */
	pthread_mutex_t receive_lock;
	uint64_t files; /* what its open files' ids begin with */
	__u64 options;	/* that the module has granted */
	struct fusd_private_data private_data;
	struct fusd_ring *ring; /* NULL: classic messages only */
};

/* What the kfusd transport knows of a request. */
struct kfusd_request {
	struct fusd_request common;	 /* first */
	unsigned long long client_start; /* of the client's thread */
	/*
	 * Where the payload is: a slot of the ring, whose reference this is; or
	 * a block's; or, if all are NULL, nowhere, and nothing.
	 */
	struct fusd_ring *ring;
	unsigned int slot;
	unsigned int fork_number; /* of who has the slot */
	struct fusd_request *block;
	char *large; /* instead of a block's, malloc'ed */
	char nothing[8];
};

static inline struct kfusd_device *kfusd_device(struct fusd_device *device)
{
	return device->transport_data;
}

static inline struct kfusd_request *kfusd_part(struct fusd_request *request)
{
	return (struct kfusd_request *)request;
}

/* The ids of the other transports count up from 1. */
#define KFUSD_FILES (UINT64_C(1) << 63)

#endif /* FUSD_KFUSD_CONNECTION_H */

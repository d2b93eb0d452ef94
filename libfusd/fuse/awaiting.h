/* SPDX-License-Identifier: BSD-3-Clause */
/* Which threads wait in read(2) of a device's connection, and which may not. */
#ifndef FUSD_FUSE_AWAITING_H
#define FUSD_FUSE_AWAITING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fusd_awaiting {
	/*
	 * Bits 0 to 15: threads inside, whose waits go on. 16 to 31: those
	 * whose waits were ended. 32 and up: how often that was done.
	 */
	_Atomic uint64_t threads;

	pthread_mutex_t lock;
	atomic_int others;	 /* threads whose reads may not wait */
	atomic_bool may_block;	 /* as the descriptor is; set under lock */
	atomic_uint fork_number; /* of the process that the rest is of */
};

/* For a descriptor that does not block. */
void fusd_awaiting_init(struct fusd_awaiting *awaiting);

/* Around a thread's reads that are not to wait. */
void fusd_awaiting_forbid(struct fusd_awaiting *awaiting, int fd);
void fusd_awaiting_permit(struct fusd_awaiting *awaiting);
/* Has reads wait from now on. False while some may not. */
bool fusd_awaiting_allow(struct fusd_awaiting *awaiting, int fd);

/*
 * Around all that a thread does while it waits; leave is told what enter gave.
 * Whoever enters looks at device->waits_ended after that.
 */
unsigned int fusd_awaiting_enter(struct fusd_awaiting *awaiting);
void fusd_awaiting_leave(struct fusd_awaiting *awaiting, unsigned int entered);
/* Ends the waits of those inside. Any thread, and a signal's handler. */
void fusd_awaiting_end(struct fusd_awaiting *awaiting);
/* Whether some are inside whose waits were ended. */
bool fusd_awaiting_has_ended(struct fusd_awaiting *awaiting);

#endif /* FUSD_FUSE_AWAITING_H */

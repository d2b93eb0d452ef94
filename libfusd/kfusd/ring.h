/* SPDX-License-Identifier: BSD-3-Clause */
/* The area of the fast path that the module shares: see fusd_ring.h. */
#ifndef FUSD_KFUSD_RING_H
#define FUSD_KFUSD_RING_H

#include <fusd_ring.h>

#include "internal.h"

/* Which bytes of a slot are whose, as struct fusd_request has it. */
struct fusd_ring_slot {
	size_t clean, dirty;
	uint64_t dirty_file;
};

struct fusd_ring {
	/* The device's, and one for each request with a slot. */
	atomic_int references;
	struct fusd_ring_shared *shared; /* the area */
	size_t area_size;
	size_t large_size;

	/*
	 * The area's posted, of the process that made it: a forked child
	 * shares the area, and answers by classic messages.
	 */
	pthread_mutex_t post_lock;
	unsigned int fork_number;
	/* Several requests came at once: replies may wait for the next call. */
	atomic_bool is_batch;
	atomic_uint rescues; /* the area's, when they came */

	/* Each is its request's, while that has the slot. */
	struct fusd_ring_slot slots[FUSD_RING_SLOTS];
};

/*
 * Asks for the fast path on a control descriptor. NULL: there is none, and the
 * classic messages do.
 */
struct fusd_ring *fusd_ring_open(const struct fusd_device *device, int fd);
void fusd_ring_put(struct fusd_ring *ring);

/* Grows in a forked child. */
unsigned int fusd_ring_fork_number(void);
/* Whether this process is the one that posts. */
bool fusd_ring_may_post(const struct fusd_ring *ring);

/*
 * Which bytes a slot has. If there is another process with the area, nobody
 * knows.
 */
struct fusd_ring_slot fusd_ring_look_at(const struct fusd_ring *ring,
					unsigned int slot);
/* A slot's memory, with room for a 0 after size bytes; NULL: too large. */
char *fusd_ring_slot(const struct fusd_ring *ring, unsigned int slot,
		     size_t size);
/* The memory is the module's again. */
void fusd_ring_release(struct fusd_ring *ring, unsigned int slot);

/*
 * Takes up to count requests; with flags FUSD_RING_WAIT it waits. All posted
 * replies are taken first. How many, or -errno.
 */
int fusd_ring_enter(struct fusd_ring *ring, int fd,
		    struct fusd_ring_request *requests, unsigned int count,
		    unsigned int flags, unsigned int wakes);
/* Has all posted replies taken. 0 or -errno. */
int fusd_ring_flush(struct fusd_ring *ring, int fd);
/*
 * Gives a reply: 0 or -errno. With may_wait it is posted only, as the thread
 * will enter soon; 0 then means nothing.
 */
int fusd_ring_post(struct fusd_ring *ring, int fd,
		   const struct fusd_ring_reply *reply, bool may_wait);

#endif /* FUSD_KFUSD_RING_H */

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * The area of the fast path: fusd_ring.h says what the driver sees of it.
 *
 * A slot's memory is made when it is first needed, and stays as long as the
 * area. Two may have a slot at a time: a request, from when its client makes it
 * until the request ends; and the driver, from when it receives the request
 * until it says that it is done with the memory, which may be long after the
 * answer. It is nobody's, and free for the next request, when both have let go.
 * What it held is never cleared: only bytes that were written for a request are
 * copied to its client, if the driver is honest; and if it is not, it knew
 * those of all its clients anyway.
 *
 * A ring is referenced by its device and by the file behind each mapping, which
 * keeps the memory, but neither the device nor its control file.
 */
#ifndef KFUSD_RING_H
#define KFUSD_RING_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "fusd_ring.h"

struct kfusd_ring {
	struct kref ref;
	struct file *file; /* what is mapped; the device's reference */
	struct fusd_ring_shared *shared; /* a page, which the driver writes */
	u32 max_transfer;		 /* constant */
	u32 large_size;			 /* constant; bytes of a large slot */
	u32 spin_us;			 /* constant */

	spinlock_t lock;  /* the two words */
	u64 with_request; /* bits of slots */
	u64 with_driver;
	void *slots[FUSD_RING_SLOTS]; /* set once, by who has the slot */

	struct mutex posted_lock; /* one thread takes replies */
	u32 taken;		  /* posted_lock to change */
	u32 wakes;		  /* the device's lock to change */
	/* enter.c; guesses, which nothing depends on but how fast it is. */
	unsigned int most_at_once; /* requests given together */
	/* Who got such and did not call since; only compared. */
	const struct task_struct *gatherer;
	u32 rescues;
	/* wake.h: how long a thread looks before it waits, in ns. */
	u32 driver_spin_ns, client_spin_ns;
};

/* A ring with its file; ERR_PTR: -ENOMEM and what making a file gives. */
struct kfusd_ring *kfusd_ring_new(u32 max_transfer, u32 spin_us);
/* Lets go of a device's ring, which may be NULL. */
void kfusd_ring_drop(struct kfusd_ring *ring);
u64 kfusd_ring_area_size(const struct kfusd_ring *ring);
/* mmap(2) of a control file. */
int kfusd_ring_map(struct kfusd_ring *ring, struct vm_area_struct *vma);
/* A slot with more than size bytes for a request; -1: there is none now. */
int kfusd_slot_take(struct kfusd_ring *ring, size_t size);
/* The request lets go; the driver, too, if it never had it. */
void kfusd_slot_give(struct kfusd_ring *ring, int slot, bool was_received);
/* Takes the slots back that the driver has released. */
void kfusd_slots_take_back(struct kfusd_ring *ring);

#endif /* KFUSD_RING_H */

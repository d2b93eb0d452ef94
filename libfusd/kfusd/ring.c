// SPDX-License-Identifier: BSD-3-Clause
/*
 * The area of the fast path: what is mapped, who has its slots, and the replies
 * that are posted into it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <syslog.h>

#include "poison.h"
#include "ring.h"

/* "0": the classic messages do. For who compares the two, or debugs one. */
#define RING_VARIABLE "FUSD_RING"

#define LARGE_OFFSET \
	(FUSD_RING_SLOTS_OFFSET + FUSD_RING_SMALL_SLOTS * FUSD_RING_SMALL_SIZE)

static atomic_uint fork_number;
static atomic_bool has_forked;

static void after_fork_in_parent(void)
{
	has_forked = true;
}

static void after_fork_in_child(void)
{
	has_forked = true;
	fork_number++;
}

static void watch_forks(void)
{
	pthread_atfork(NULL, after_fork_in_parent, after_fork_in_child);
}

unsigned int fusd_ring_fork_number(void)
{
	return fork_number;
}

bool fusd_ring_may_post(const struct fusd_ring *ring)
{
	return ring->fork_number == fork_number;
}

static struct fusd_ring *map_ring(const struct fusd_ring_setup *setup, int fd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct fusd_ring *ring = calloc(1, sizeof(*ring));
	void *area;

	if (!ring)
		return NULL;
	area = mmap(NULL, setup->area_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
	if (area == MAP_FAILED) {
		free(ring);
		return NULL;
	}
	pthread_once(&once, watch_forks);
	ring->fork_number = fork_number;
	atomic_init(&ring->references, 1);
	pthread_mutex_init(&ring->post_lock, NULL);
	ring->shared = area;
	ring->area_size = setup->area_size;
	ring->large_size = setup->large_size;
	return ring;
}

struct fusd_ring *fusd_ring_open(const struct fusd_device *device, int fd)
{
	struct fusd_ring_setup setup = {
		.size = sizeof(setup),
		.max_transfer = (__u32)device->max_transfer,
		.spin_us = device->spin_us,
	};
	const char *wanted = secure_getenv(RING_VARIABLE);
	struct fusd_ring *ring = NULL;

	if (wanted && !strcmp(wanted, "0"))
		return NULL;
	if (ioctl(fd, FUSD_RING_SETUP, &setup) == 0)
		ring = map_ring(&setup, fd);
	else if (errno == ENOTTY) /* a module of before */
		return NULL;
	if (!ring)
		fusd_log(LOG_WARNING,
			 "%s: kfusd's fast path cannot be used, the classic "
			 "messages are: %s",
			 device->name, strerror(errno));
	return ring;
}

void fusd_ring_put(struct fusd_ring *ring)
{
	if (--ring->references > 0)
		return;
	/* Whoever maps this place next has nothing poisoned. */
	ASAN_UNPOISON_MEMORY_REGION(ring->shared, ring->area_size);
	munmap(ring->shared, ring->area_size);
	pthread_mutex_destroy(&ring->post_lock);
	free(ring);
}

static size_t slot_size(const struct fusd_ring *ring, unsigned int slot)
{
	return slot < FUSD_RING_SMALL_SLOTS ? FUSD_RING_SMALL_SIZE :
					      ring->large_size;
}

static char *slot_memory(const struct fusd_ring *ring, unsigned int slot)
{
	char *area = (char *)ring->shared;

	if (slot < FUSD_RING_SMALL_SLOTS)
		return area + FUSD_RING_SLOTS_OFFSET +
		       (size_t)slot * FUSD_RING_SMALL_SIZE;
	return area + LARGE_OFFSET +
	       (slot - FUSD_RING_SMALL_SLOTS) * ring->large_size;
}

struct fusd_ring_slot fusd_ring_look_at(const struct fusd_ring *ring,
					unsigned int slot)
{
	if (!has_forked)
		return ring->slots[slot];
	return (struct fusd_ring_slot){ .dirty = slot_size(ring, slot) };
}

char *fusd_ring_slot(const struct fusd_ring *ring, unsigned int slot,
		     size_t size)
{
	char *memory;

	if (slot >= FUSD_RING_SLOTS || size >= slot_size(ring, slot))
		return NULL;
	memory = slot_memory(ring, slot);
	ASAN_UNPOISON_MEMORY_REGION(memory, slot_size(ring, slot));
	return memory;
}

void fusd_ring_release(struct fusd_ring *ring, unsigned int slot)
{
	ASAN_POISON_MEMORY_REGION(slot_memory(ring, slot),
				  slot_size(ring, slot));
	__atomic_fetch_or(&ring->shared->released[slot / 32], 1u << slot % 32,
			  __ATOMIC_RELEASE);
}

int fusd_ring_enter(struct fusd_ring *ring, int fd,
		    struct fusd_ring_request *requests, unsigned int count,
		    unsigned int flags, unsigned int wakes)
{
	const struct fusd_ring_enter enter = {
		.requests = (uintptr_t)requests,
		.count = count,
		.flags = flags,
		.wakes = wakes,
	};
	const unsigned int rescues =
		__atomic_load_n(&ring->shared->rescues, __ATOMIC_ACQUIRE);
	int result;

	/* Until requests are there, of which none is a batch's. */
	ring->is_batch = false;
	result = ioctl(fd, FUSD_RING_ENTER, &enter);
	if (result < 0)
		return -errno;
	if (result > 1) {
		ring->rescues = rescues;
		ring->is_batch = true;
	}
	return result;
}

int fusd_ring_flush(struct fusd_ring *ring, int fd)
{
	const struct fusd_ring_enter enter = { .count = 0 };

	if (__atomic_load_n(&ring->shared->posted, __ATOMIC_ACQUIRE) ==
	    __atomic_load_n(&ring->shared->taken, __ATOMIC_ACQUIRE))
		return 0;
	return ioctl(fd, FUSD_RING_ENTER, &enter) < 0 ? -errno : 0;
}

/* Whether the module has taken what was posted because nobody entered. */
static bool was_rescued(const struct fusd_ring *ring)
{
	/* After the post: enter.c of the module says why. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&ring->shared->rescues, __ATOMIC_RELAXED) !=
	       ring->rescues;
}

/* Under the lock. */
static int post(struct fusd_ring *ring, int fd,
		const struct fusd_ring_reply *reply, bool may_wait)
{
	struct fusd_ring_shared *shared = ring->shared;
	const __u32 number = shared->posted;
	struct fusd_ring_reply *place =
		&shared->replies[number % FUSD_RING_REPLIES];
	int error;

	/* Full: other threads are to enter, or never will. */
	if (number - __atomic_load_n(&shared->taken, __ATOMIC_ACQUIRE) >=
	    FUSD_RING_REPLIES) {
		error = fusd_ring_flush(ring, fd);
		if (error)
			return error;
	}
	*place = *reply;
	__atomic_store_n(&shared->posted, number + 1, __ATOMIC_RELEASE);
	if (may_wait && !(ring->is_batch && was_rescued(ring)))
		return 0;
	error = fusd_ring_flush(ring, fd);
	return error ? error : place->result;
}

int fusd_ring_post(struct fusd_ring *ring, int fd,
		   const struct fusd_ring_reply *reply, bool may_wait)
{
	int error;

	pthread_mutex_lock(&ring->post_lock);
	error = post(ring, fd, reply, may_wait);
	pthread_mutex_unlock(&ring->post_lock);
	return error;
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * The memory of kfusd's requests. Their data lies where the module has put it,
 * in a slot of the ring, or else in the payload of a block from the pool. So
 * what is allocated here is the structure alone, and the last ones are kept.
 */
#include <errno.h>
#include <stdlib.h>

#include "poison.h"
#include "request_memory.h"

/* As many requests as come at once, and more. */
#define KEPT 64

/* The one most recently given back: one driver thread needs no lock. */
static _Atomic(struct kfusd_request *) spare;

static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kfusd_request *kept[KEPT]; /* kept_lock */
static int kept_count;			 /* kept_lock */

struct fusd_request *fusd_kfusd_take_request(struct fusd_device *device)
{
	struct kfusd_request *request = atomic_exchange(&spare, NULL);

	(void)device; /* The module says how much a request needs. */
	if (!request) {
		pthread_mutex_lock(&kept_lock);
		if (kept_count > 0)
			request = kept[--kept_count];
		pthread_mutex_unlock(&kept_lock);
	}
	if (!request)
		request = malloc(sizeof(*request));
	if (!request)
		return NULL;
	ASAN_UNPOISON_MEMORY_REGION(request, sizeof(*request));
	request->ring = NULL;
	request->block = NULL;
	request->large = NULL;
	request->common.payload = request->nothing;
	request->common.clean = request->common.dirty = 0;
	return &request->common;
}

/* Where a payload comes from, or goes back to, is told whose bytes it has. */
static void leave_block(struct kfusd_request *request)
{
	request->block->clean = request->common.clean;
	request->block->dirty = request->common.dirty;
	request->block->dirty_file = request->common.dirty_file;
	fusd_block_give(request->block);
}

static void leave_slot(struct kfusd_request *request)
{
	struct fusd_ring *ring = request->ring;

	ring->slots[request->slot] = (struct fusd_ring_slot){
		.clean = request->common.clean,
		.dirty = request->common.dirty,
		.dirty_file = request->common.dirty_file,
	};
	/* What a forked child has inherited is its parent's to release. */
	if (request->fork_number == fusd_ring_fork_number())
		fusd_ring_release(ring, request->slot);
	fusd_ring_put(ring);
}

void fusd_kfusd_give_request(struct fusd_request *common)
{
	struct kfusd_request *request = kfusd_part(common);

	if (request->ring)
		leave_slot(request);
	if (request->block)
		leave_block(request);
	free(request->large);
	ASAN_POISON_MEMORY_REGION(request, sizeof(*request));
	request = atomic_exchange(&spare, request);
	if (!request)
		return;
	pthread_mutex_lock(&kept_lock);
	if (kept_count < KEPT) {
		kept[kept_count++] = request;
		request = NULL;
	}
	pthread_mutex_unlock(&kept_lock);
	if (request) {
		ASAN_UNPOISON_MEMORY_REGION(request, sizeof(*request));
		free(request);
	}
}

void fusd_kfusd_forget_requests(void)
{
	pthread_mutex_init(&kept_lock, NULL);
	kept_count = 0;
}

/* More than a block has, for a device that asked for such transfers. */
static int use_large(struct kfusd_request *request, size_t size)
{
	request->large = calloc(1, size + 1);
	if (!request->large)
		return -ENOMEM;
	request->common.payload = request->large;
	return 0;
}

int fusd_kfusd_use_block(struct kfusd_request *request, size_t size)
{
	struct fusd_request *block;

	if (size > FUSD_BLOCK_DATA)
		return use_large(request, size);
	block = fusd_block_take(size);
	if (!block)
		return -ENOMEM;
	request->block = block;
	request->common.payload = block->payload;
	request->common.clean = block->clean;
	request->common.dirty = block->dirty;
	request->common.dirty_file = block->dirty_file;
	return 0;
}

int fusd_kfusd_use_slot(struct kfusd_request *request, struct fusd_ring *ring,
			unsigned int slot, size_t size)
{
	char *memory = fusd_ring_slot(ring, slot, size);
	struct fusd_ring_slot bytes;

	if (!memory)
		return -EPROTO;
	ring->references++;
	request->ring = ring;
	request->slot = slot;
	request->common.payload = memory;
	request->fork_number = fusd_ring_fork_number();
	bytes = fusd_ring_look_at(ring, slot);
	request->common.clean = bytes.clean;
	request->common.dirty = bytes.dirty;
	request->common.dirty_file = bytes.dirty_file;
	return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * Pools of the blocks of memory that requests begin, kept for the next ones.
 * Blocks have one of two sizes: that of a usual transfer, and that of the
 * longest, for devices that want longer ones. The module has its own pool:
 * kernel/buffer.c.
 */
#include <stdlib.h>

#include "internal.h"
#include "poison.h"

/* Blocks kept for the next request; more than these go back to malloc. */
#define POOL_SIZE 16
#define LONG_POOL_SIZE 4

/* Blocks whose payloads have room for data_size bytes. */
struct pool {
	size_t data_size;
	int size;
	/* The one most recently given back: one driver thread needs no lock. */
	_Atomic(struct fusd_request *) spare;
	struct fusd_request *kept[POOL_SIZE]; /* pool_lock */
	int count;			      /* pool_lock */
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pool usual = { .data_size = FUSD_BLOCK_DATA, .size = POOL_SIZE };
static struct pool longest = { .data_size = FUSD_LONG_BLOCK_DATA,
			       .size = LONG_POOL_SIZE };

/* The structures, the data, the 0 behind it; a multiple of the alignment. */
static size_t block_size(const struct pool *pool)
{
	return FUSD_PAGE_SIZE + pool->data_size + FUSD_PAGE_SIZE;
}

static struct fusd_request *take_kept(struct pool *pool)
{
	struct fusd_request *request = atomic_exchange(&pool->spare, NULL);

	if (!request) {
		pthread_mutex_lock(&pool_lock);
		if (pool->count > 0)
			request = pool->kept[--pool->count];
		pthread_mutex_unlock(&pool_lock);
	}
	return request;
}

struct fusd_request *fusd_block_take(size_t data_size)
{
	struct pool *pool = data_size > FUSD_BLOCK_DATA ? &longest : &usual;
	struct fusd_request *request = take_kept(pool);

	if (request) {
		ASAN_UNPOISON_MEMORY_REGION(request, block_size(pool));
		return request;
	}
	request = aligned_alloc(FUSD_PAGE_SIZE, block_size(pool));
	if (request) {
		request->payload = (char *)request + FUSD_PAGE_SIZE;
		request->payload_size = pool->data_size;
		/* Memory from malloc may be anybody's. */
		request->clean = 0;
		request->dirty = pool->data_size;
		request->dirty_file = 0;
	}
	return request;
}

void fusd_block_give(struct fusd_request *request)
{
	struct pool *pool =
		request->payload_size > FUSD_BLOCK_DATA ? &longest : &usual;

	ASAN_POISON_MEMORY_REGION(request, block_size(pool));
	request = atomic_exchange(&pool->spare, request);
	if (!request)
		return;
	pthread_mutex_lock(&pool_lock);
	if (pool->count < pool->size) {
		pool->kept[pool->count++] = request;
		request = NULL;
	}
	pthread_mutex_unlock(&pool_lock);
	if (request) {
		ASAN_UNPOISON_MEMORY_REGION(request, block_size(pool));
		free(request);
	}
}

void fusd_block_forget(void)
{
	pthread_mutex_init(&pool_lock, NULL);
	usual.count = longest.count = 0;
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * A pool of the blocks of memory that requests begin, kept for the next ones.
 * The module has its own: kernel/buffer.c.
 */
#include <stdlib.h>

#include "internal.h"
#include "poison.h"

/* The structures, the data, the 0 behind it; a multiple of the alignment. */
#define BLOCK_SIZE (FUSD_PAGE_SIZE + FUSD_BLOCK_DATA + FUSD_PAGE_SIZE)

/* Blocks kept for the next request; more than these go back to malloc. */
#define POOL_SIZE 16

/* The block most recently given back: one driver thread needs no lock. */
static _Atomic(struct fusd_request *) spare;

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fusd_request *pool[POOL_SIZE]; /* pool_lock */
static int pool_count;			     /* pool_lock */

struct fusd_request *fusd_block_take(void)
{
	struct fusd_request *request = atomic_exchange(&spare, NULL);

	if (!request) {
		pthread_mutex_lock(&pool_lock);
		if (pool_count > 0)
			request = pool[--pool_count];
		pthread_mutex_unlock(&pool_lock);
	}
	if (request) {
		ASAN_UNPOISON_MEMORY_REGION(request, BLOCK_SIZE);
		return request;
	}
	request = aligned_alloc(FUSD_PAGE_SIZE, BLOCK_SIZE);
	if (request) {
		request->payload = (char *)request + FUSD_PAGE_SIZE;
		/* Memory from malloc may be anybody's. */
		request->clean = 0;
		request->dirty = FUSD_BLOCK_DATA;
		request->dirty_file = 0;
	}
	return request;
}

void fusd_block_give(struct fusd_request *request)
{
	ASAN_POISON_MEMORY_REGION(request, BLOCK_SIZE);
	request = atomic_exchange(&spare, request);
	if (!request)
		return;
	pthread_mutex_lock(&pool_lock);
	if (pool_count < POOL_SIZE) {
		pool[pool_count++] = request;
		request = NULL;
	}
	pthread_mutex_unlock(&pool_lock);
	if (request) {
		ASAN_UNPOISON_MEMORY_REGION(request, BLOCK_SIZE);
		free(request);
	}
}

void fusd_block_forget(void)
{
	pthread_mutex_init(&pool_lock, NULL);
	pool_count = 0;
}

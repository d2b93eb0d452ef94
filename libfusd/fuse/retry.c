// SPDX-License-Identifier: BSD-3-Clause
/* The ioctls that wait until the kernel has fetched their client's memory. */
#include <stdlib.h>

#include "retry.h"

/*
 * How many of an open file's clients can wait for their memory; one more makes
 * the oldest begin again. Clients that were killed meanwhile count too.
 */
#define MAX_RETRIES 64

void fusd_retry_free(struct fusd_retry *retry)
{
	fusd_region_free_all(retry->regions);
	free(retry);
}

void fusd_retry_free_all(struct fusd_retry *retries)
{
	struct fusd_retry *next;

	for (; retries; retries = next) {
		next = retries->next;
		fusd_retry_free(retries);
	}
}

struct fusd_retry *fusd_retry_take(struct fusd_device *device,
				   struct fusd_retry **retries, pid_t pid)
{
	struct fusd_retry **link = retries, *retry;

	pthread_mutex_lock(&device->lock);
	while (*link && (*link)->pid != pid)
		link = &(*link)->next;
	retry = *link;
	if (retry)
		*link = retry->next;
	pthread_mutex_unlock(&device->lock);
	return retry;
}

void fusd_retry_put(struct fusd_device *device, struct fusd_retry **retries,
		    struct fusd_retry *retry)
{
	struct fusd_retry **link, *oldest;
	int count = 1;

	pthread_mutex_lock(&device->lock);
	retry->next = *retries;
	*retries = retry;
	for (link = &retry->next; *link && count < MAX_RETRIES; count++)
		link = &(*link)->next;
	oldest = *link;
	*link = NULL;
	pthread_mutex_unlock(&device->lock);
	if (oldest)
		fusd_retry_free(oldest);
}

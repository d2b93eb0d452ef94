// SPDX-License-Identifier: BSD-3-Clause
/* Waiting: until when, and what a driver's thread lets go of meanwhile. */
#include <time.h>

#include "internal.h"

int64_t fusd_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void *(*before_wait)(void);
static void (*after_wait)(void *state);

void fusd_set_wait_hooks(void *(*before)(void), void (*after)(void *state))
{
	before_wait = before;
	after_wait = after;
}

void *fusd_wait_begin(void)
{
	return before_wait ? before_wait() : NULL;
}

void fusd_wait_end(void *state)
{
	if (after_wait)
		after_wait(state);
}

// SPDX-License-Identifier: BSD-3-Clause
/* What a driver's thread lets go of while it waits inside the library. */
#include "internal.h"

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

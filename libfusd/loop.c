// SPDX-License-Identifier: BSD-3-Clause
/* Waiting for requests: fusd_run(), and the helpers for select(2) loops. */
#include <errno.h>
#include <syslog.h>

#include "internal.h"

static void serve(int fd)
{
	/* EBADF: unregistered meanwhile, or not a device: the set is empty. */
	if (fusd_dispatch(fd) < 0 && errno == ENODEV) {
		fusd_log(LOG_WARNING,
			 "a device was taken away from outside; unregistered");
		fusd_unregister(fd);
	}
}

FUSD_PUBLIC void fusd_run(void)
{
	int ready[FUSD_WAIT_SIZE];
	int count;

	for (;;) {
		count = fusd_registry_wait(ready);
		if (count < 0 && count != -EINTR)
			return;
		for (int i = 0; i < count; i++)
			serve(ready[i]);
	}
}

struct fd_set_walk {
	fd_set *set;
	int *max;
};

static void add_to_set(int fd, void *data)
{
	struct fd_set_walk *walk = data;

	if (fd >= FD_SETSIZE)
		return;
	FD_SET(fd, walk->set);
	if (fd > *walk->max)
		*walk->max = fd;
}

FUSD_PUBLIC void fusd_fdset_add(fd_set *set, int *max)
{
	struct fd_set_walk walk = { set, max };

	fusd_registry_for_each(add_to_set, &walk);
}

FUSD_PUBLIC void fusd_dispatch_fdset(fd_set *set)
{
	for (int fd = 0; fd < FD_SETSIZE; fd++)
		if (FD_ISSET(fd, set))
			serve(fd);
}

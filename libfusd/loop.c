// SPDX-License-Identifier: BSD-3-Clause
/* Waiting for requests: fusd_run(), and the helpers for select(2) loops. */
#include <errno.h>
#include <syslog.h>

#include "internal.h"

/* Ends a user's part, and the device if serving it gave -ENODEV. */
static void leave_served(struct fusd_device *device, int result)
{
	/* By now the number may be another device's, but not before we leave.
	 */
	if (result == -ENODEV && fusd_registry_remove_device(device)) {
		fusd_log(LOG_WARNING,
			 "a device was taken away from outside; unregistered");
		fusd_device_unregister(device);
	}
	fusd_device_leave(device);
}

static void serve_ready(int fd)
{
	/* NULL: unregistered meanwhile, or no device: the set is empty. */
	struct fusd_device *device = fusd_registry_enter(fd);

	if (device)
		leave_served(device, fusd_dispatch_device(device));
}

/* Serves the only device, until there is something else to do. */
static bool serve_single(void)
{
	unsigned int waits;
	struct fusd_device *device = fusd_registry_enter_single(&waits);

	if (!device)
		return false;
	leave_served(device, fusd_serve_device(device, waits));
	return true;
}

/* False once there is nothing to serve any more, or fusd_stop() was called. */
static bool serve_some(void)
{
	int ready[FUSD_WAIT_SIZE];
	int count;

	if (serve_single())
		return true;
	count = fusd_registry_wait(ready);
	for (int i = 0; i < count; i++)
		serve_ready(ready[i]);
	return count >= 0 || count == -EINTR || count == -EAGAIN;
}

FUSD_PUBLIC void fusd_run(void)
{
	fusd_registry_begin_run();
	while (serve_some())
		;
	fusd_registry_end_run();
}

FUSD_PUBLIC void fusd_stop(void)
{
	int error = errno;

	fusd_registry_stop();
	errno = error;
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
			serve_ready(fd);
}

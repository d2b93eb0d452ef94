// SPDX-License-Identifier: BSD-3-Clause
/* What a device shows in sysfs once it is registered. */
#include <errno.h>

#include "internal.h"

FUSD_PUBLIC int fusd_set_attribute(int fd, const char *name, const char *value)
{
	const struct fusd_attribute attribute = { name, value };
	struct fusd_device *device = fusd_registry_enter(fd);
	int error = 0;

	if (!device)
		return fusd_result(-EBADF);
	if (device->transport->set_attribute)
		error = device->transport->set_attribute(device, &attribute);
	fusd_device_leave(device);
	return fusd_result(error);
}

static int tell_uevent(int fd, const char *const *variables, size_t count,
		       bool is_sent)
{
	struct fusd_device *device = fusd_registry_enter(fd);
	int error = 0;

	if (!device)
		return -EBADF;
	if (device->transport->tell_uevent)
		error = device->transport->tell_uevent(device, variables, count,
						       is_sent);
	fusd_device_leave(device);
	return error;
}

FUSD_PUBLIC int fusd_set_uevent(int fd, const char *const *variables,
				size_t count)
{
	return fusd_result(tell_uevent(fd, variables, count, false));
}

FUSD_PUBLIC int fusd_send_uevent(int fd, const char *const *variables,
				 size_t count)
{
	return fusd_result(tell_uevent(fd, variables, count, true));
}

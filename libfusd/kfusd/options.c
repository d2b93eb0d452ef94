// SPDX-License-Identifier: BSD-3-Clause
/* What the kernel module is asked for before a device is registered. */
#include <errno.h>
#include <sys/ioctl.h>

#include <fusd_control.h>

#include "module.h"
#include "options.h"
#include "sysfs.h"

/* What the driver relies on, while an older module would not call it. */
static int check_options(const struct fusd_device *device, __u64 granted)
{
	if (device->is_stream && !(granted & FUSD_OPTION_STREAM))
		return fusd_kfusd_refuse_module("streams");
	if (device->ops.seek && !(granted & FUSD_OPTION_SEEK))
		return fusd_kfusd_refuse_module("a seek callback");
	if (device->ops.flush && !(granted & FUSD_OPTION_FLUSH))
		return fusd_kfusd_refuse_module("a flush callback");
	if (device->ops.fsync && !(granted & FUSD_OPTION_FSYNC))
		return fusd_kfusd_refuse_module("an fsync callback");
	return 0;
}

/* An older module without options calls the driver for everything. */
static int ask_options(const struct fusd_device *device, int fd, __u64 *granted)
{
	__u64 options = device->ops.ioctl ? FUSD_OPTION_CLIENT_BITS : 0;

	if (device->ops.unblock)
		options |= FUSD_OPTION_UNBLOCK;
	if (device->ops.seek)
		options |= FUSD_OPTION_SEEK;
	if (device->ops.flush)
		options |= FUSD_OPTION_FLUSH;
	if (device->ops.fsync)
		options |= FUSD_OPTION_FSYNC;
	if (!device->ops.poll_diff)
		options |= FUSD_OPTION_ALWAYS_READY;
	if (device->is_stream)
		options |= FUSD_OPTION_STREAM;
	if (device->tells_waits)
		options |= FUSD_OPTION_NONBLOCK;
	if (ioctl(fd, FUSD_CONTROL_OPTIONS, &options) < 0) {
		if (errno != ENOTTY)
			return fusd_fail(errno, "kfusd takes no options: %s",
					 strerror(errno));
		options = 0;
	}
	*granted = options;
	return check_options(device, options);
}

/* The module has to know before it copies what a client's argument points at.
 */
static int ask_ioctls(const struct fusd_device *device, int fd)
{
	const struct fusd_control_ioctls ioctls = {
		.address = (uintptr_t)device->ioctls,
		.count = (__u32)device->ioctl_count,
		.size = sizeof(*device->ioctls),
	};

	if (ioctls.count == 0 || ioctl(fd, FUSD_CONTROL_IOCTLS, &ioctls) == 0)
		return 0;
	if (errno == ENOTTY)
		return fusd_kfusd_refuse_module("a table of ioctls");
	return fusd_fail(errno, "kfusd takes no table of ioctls: %s",
			 strerror(errno));
}

/* 0 and 0 are what a module that has no such ioctl gives, too: any number. */
static int ask_number(const struct fusd_options *options, int fd)
{
	const struct fusd_control_number number = {
		.major = options->major,
		.minor = options->minor,
	};

	if ((!number.major && !number.minor) ||
	    ioctl(fd, FUSD_CONTROL_NUMBER, &number) == 0)
		return 0;
	if (errno == ENOTTY)
		return fusd_kfusd_refuse_module(
			"a device number of the driver's choice");
	if (errno == EPERM)
		return fusd_fail(EPERM,
				 "a device number of major %u is for root: a "
				 "minor number alone is one of kfusd's own",
				 number.major);
	return fusd_fail(errno, "kfusd takes no device number %u:%u: %s",
			 number.major, number.minor, strerror(errno));
}

static int ask_sysfs(const struct fusd_options *options, int fd)
{
	int error = 0;

	for (size_t i = 0; i < options->attribute_count && !error; i++)
		error = fusd_kfusd_set_attribute(fd, &options->attributes[i]);
	if (!error && options->uevent_count)
		error = fusd_kfusd_tell_uevent(fd, options->uevent,
					       options->uevent_count, false);
	return error;
}

int fusd_kfusd_ask(const struct fusd_device *device,
		   const struct fusd_options *options, int fd, __u64 *granted)
{
	int error = ask_options(device, fd, granted);

	if (!error)
		error = ask_ioctls(device, fd);
	if (!error)
		error = ask_number(options, fd);
	if (!error)
		error = ask_sysfs(options, fd);
	return error;
}

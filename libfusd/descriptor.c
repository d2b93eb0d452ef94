// SPDX-License-Identifier: BSD-3-Clause
/* Descriptors that the answer of an ioctl or a read brings its client. */
#include <errno.h>

#include "internal.h"

/* Whether an answer has room for a descriptor's number there. */
static bool has_room_at(const struct fusd_request *request, ssize_t offset)
{
	const bool is_read = request->msg.subcmd == FUSD_READ;
	const size_t size = is_read ? request->msg.parm.fops_msg.length :
				      request->argument.out;

	/* A read's result is how long its data is. */
	if (offset == FUSD_AS_RESULT)
		return !is_read;
	return (offset >= 0 && size >= sizeof(int) &&
		(size_t)offset <= size - sizeof(int));
}

/* The transport of a request that waits stays open until the device is left. */
static bool enter_device(struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	bool is_pending;

	pthread_mutex_lock(&device->lock);
	is_pending = request->state == FUSD_REQUEST_PENDING;
	if (is_pending)
		device->users++;
	pthread_mutex_unlock(&device->lock);
	return is_pending;
}

/* The name of a transport that can. */
static const char *find_giver(void)
{
	const struct fusd_transport *transport;

	for (size_t i = 0; (transport = fusd_transport_at(i)); i++)
		if (transport->add_descriptor)
			return transport->name;
	return "none";
}

static int add_descriptor(struct fusd_request *request, int fd,
			  void *private_data, int flags, ssize_t offset)
{
	struct fusd_device *device = request->device;
	int error;

	if (!device->transport->add_descriptor)
		return fusd_fail(ENOTTY,
				 "%s: on %s clients are given no descriptors: "
				 "the transport %s can",
				 device->path, device->transport->name,
				 find_giver());
	if (!has_room_at(request, offset))
		return -EINVAL;
	if (!enter_device(request))
		return -EPIPE;
	error = device->transport->add_descriptor(request, fd, private_data,
						  flags, offset);
	fusd_device_leave(device);
	return error;
}

static bool may_bring(const struct fusd_file_info *file)
{
	return file && (file->fusd_msg->subcmd == FUSD_IOCTL ||
			file->fusd_msg->subcmd == FUSD_READ);
}

FUSD_PUBLIC int fusd_open_child(struct fusd_file_info *file, void *private_data,
				int flags, ssize_t offset)
{
	if (!may_bring(file))
		return fusd_result(-EINVAL);
	return fusd_result(add_descriptor((struct fusd_request *)file, -1,
					  private_data, flags, offset));
}

FUSD_PUBLIC int fusd_give_descriptor(struct fusd_file_info *file, int fd,
				     int flags, ssize_t offset)
{
	if (!may_bring(file))
		return fusd_result(-EINVAL);
	if (fd < 0)
		return fusd_result(-EBADF);
	return fusd_result(add_descriptor((struct fusd_request *)file, fd, NULL,
					  flags, offset));
}

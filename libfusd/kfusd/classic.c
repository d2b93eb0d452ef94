// SPDX-License-Identifier: BSD-3-Clause
/* The classic messages, read from and written to the control descriptor. */
#include <errno.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include "classic.h"
#include "received.h"
#include "request_memory.h"

/* Reads a header and its data. 0 or -errno. */
static int read_message(struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	fusd_msg_t *message = &request->msg;
	size_t size;

	if (read(device->fd, message, sizeof(*message)) < 0)
		return -errno;
	if (message->datalen == 0)
		return 0;
	size = (size_t)message->datalen;
	if (size > MAX_RW_SIZE ||
	    read(device->fd, request->payload, size) != (ssize_t)size)
		return -EPROTO;
	/* Data as long as a header is announced as one byte longer. */
	if (size > message->parm.fops_msg.length)
		message->datalen = (int)message->parm.fops_msg.length;
	return 0;
}

int fusd_classic_receive(struct fusd_device *device,
			 struct fusd_request **result)
{
	struct kfusd_device *data = kfusd_device(device);
	struct fusd_request *request = fusd_request_new(device);
	int error;

	if (!request)
		return -ENOMEM;
	error = fusd_kfusd_use_block(kfusd_part(request), MAX_RW_SIZE);
	if (!error) {
		pthread_mutex_lock(&data->receive_lock);
		error = read_message(request);
		/* Before another thread receives the close of a dead client. */
		if (!error)
			fusd_kfusd_received(request);
		pthread_mutex_unlock(&data->receive_lock);
	}
	if (error) {
		fusd_request_put(request);
		fusd_request_put(request);
		if (error == -EAGAIN || error == -ENOMEM)
			return error;
		/* Anything else means that the connection makes no sense. */
		return error == -EINTR ? 1 : -ENODEV;
	}
	*result = request;
	return 0;
}

/* Writes a reply that is this error; its command says so already. */
static void write_error(const struct fusd_device *device, fusd_msg_t *message,
			int error)
{
	message->datalen = 0;
	message->parm.fops_msg.retval = -error;
	if (write(device->fd, message, sizeof(*message)) < 0)
		fusd_log(LOG_DEBUG, "%s: nobody waits for the error: %s",
			 device->path, strerror(errno));
}

void fusd_classic_refuse(const struct fusd_device *device, fusd_msg_t *message,
			 int error)
{
	message->cmd++;
	write_error(device, message, error);
}

int fusd_classic_reply(struct fusd_request *request, const void *data,
		       size_t length)
{
	fusd_msg_t *message = &request->msg;
	struct iovec parts[2] = {
		{ .iov_base = message, .iov_len = sizeof(*message) },
		{ .iov_len = fusd_kfusd_reply_size(request, length) },
	};
	int error;

	parts[1].iov_base =
		message->subcmd == FUSD_READ ? (void *)data : request->data;
	message->datalen = (int)parts[1].iov_len;
	if (writev(request->device->fd, parts, parts[1].iov_len ? 2 : 1) >= 0)
		return 0;
	error = errno;
	if (error == EPIPE || error == ENODEV)
		return -EPIPE;
	/* The kernel did not take it; its client is not to wait for ever. */
	write_error(request->device, message, EIO);
	return -error;
}

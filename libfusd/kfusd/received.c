// SPDX-License-Identifier: BSD-3-Clause
/* What the module has given, made a request: for both kinds of messages. */
#include <fusd_control.h>

#include "own_request.h"
#include "received.h"

static uint64_t kfusd_file_id(const struct fusd_request *request)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;

	return kfusd_device(request->device)->files |
	       (uint32_t)(uintptr_t)fops->fusd_file;
}

/* Makes the data what the callback may see, and the client may get back. */
static void prepare_data(struct fusd_request *request)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;
	uint64_t file = kfusd_file_id(request);
	size_t size = (size_t)request->msg.datalen;

	request->data = request->payload;
	if (request->msg.subcmd == FUSD_IOCTL) {
		request->argument =
			fusd_argument_of(request->device, fops->cmd);
		request->is_32bit = fops->mmflags & FUSD_CLIENT_32BIT;
	}
	if (size > 0)
		fusd_payload_overwritten(request, file, size);
	else if (request->msg.subcmd == FUSD_READ)
		fusd_payload_isolate(request, file, fops->length);
	else if (request->msg.subcmd == FUSD_IOCTL) {
		size = fops->length;
		memset(request->data, 0, size);
		fusd_payload_overwritten(request, file, size);
	}
	if (request->msg.subcmd == FUSD_WRITE ||
	    request->msg.subcmd == FUSD_IOCTL)
		request->data[size] = 0;
}

void fusd_kfusd_renew_private_data(struct fusd_request *request)
{
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	request->sent_private_info = fops->private_info =
		fusd_private_data_find(
			&kfusd_device(request->device)->private_data,
			request->file_id, fops->private_info);
}

void fusd_kfusd_received(struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	fops_msg_t *fops = &request->msg.parm.fops_msg;
	long transid = fops->transid;

	prepare_data(request);
	request->sent_flags = fops->flags;
	fops->device_info = device->device_info;
	pthread_mutex_lock(&device->lock);
	fusd_request_received(request, kfusd_file_id(request));
	fops->transid = transid;
	fusd_kfusd_renew_private_data(request);
	pthread_mutex_unlock(&device->lock);
	if (request->msg.subcmd == FUSD_OPEN && fusd_is_own_thread(fops->pid))
		fusd_own_request_seen(device);
}

size_t fusd_kfusd_reply_size(const struct fusd_request *request, size_t length)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;

	if (request->msg.subcmd == FUSD_READ)
		return length;
	if (request->msg.subcmd == FUSD_IOCTL && fops->retval >= 0)
		return fusd_ioctl_reply_size(request);
	return 0;
}

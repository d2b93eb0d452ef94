// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* What a driver reads from its control descriptor. */
#include <linux/uaccess.h>

#include "operations.h"
#include "trace.h"

/*
 * The length of data as the driver reads it. Only a header is as long as a
 * header, so that a client's data is never taken for a message, whichever
 * thread of a driver reads it: data of that length has a 0 after it.
 */
static size_t kfusd_announced_length(const struct kfusd_request *request)
{
	return request->datalen == sizeof(fusd_msg_t) ? request->datalen + 1 :
							request->datalen;
}

static void kfusd_fill_header(fusd_msg_t *header,
			      const struct kfusd_message *message)
{
	const struct kfusd_request *request = message->request;
	fops_msg_t *fops = &header->parm.fops_msg;
	bool is_unblock = message->subcmd == FUSD_UNBLOCK;

	memset(header, 0, sizeof(*header));
	header->magic = FUSD_MSG_MAGIC;
	header->cmd = is_unblock ? FUSD_FOPS_NONBLOCK : request->cmd;
	header->subcmd = message->subcmd;
	header->datalen = is_unblock ? 0 : kfusd_announced_length(request);
	fops->pid = request->ids.pid;
	fops->uid = request->ids.uid;
	fops->gid = request->ids.gid;
	fops->flags = request->flags;
	fops->device_info = request->file->device->device_info;
	fops->private_info = request->sent_private_info;
	fops->length = request->length;
	fops->offset = request->offset;
	fops->cmd = request->ioctl_number; /* or asked_state */
	fops->mmprot = request->mmprot;
	fops->mmflags = request->mmflags;
	fops->mmoffset = request->mmoffset;
	fops->arg.arg = request->argument;
	fops->fusd_file = (void *)request->file->id;
	fops->transid = request->transid;
	fops->hint = request->hint;
}

/* Notes who serves the device; returns what is to be put without the lock. */
static struct pid *kfusd_note_server(struct kfusd_device *device)
{
	struct pid *previous = device->server;

	device->server_mm = current->mm;
	if (likely(previous == task_pid(current)))
		return NULL;
	device->server = get_pid(task_pid(current));
	return previous;
}

struct kfusd_message *kfusd_take_message(struct kfusd_device *device,
					 bool gives_slot)
{
	struct kfusd_message *message = NULL;
	struct pid *previous;

	spin_lock(&device->lock);
	previous = kfusd_note_server(device);
	if (device->state == KFUSD_LIVE)
		message = list_first_entry_or_null(&device->queue,
						   struct kfusd_message, entry);
	if (message) {
		list_del_init(&message->entry);
		message->in_hand = true;
		/* The reference of a queued unblock is handed on. */
		if (message->subcmd != FUSD_UNBLOCK) {
			kref_get(&message->request->ref);
			message->request->state = KFUSD_REQUEST_SENT;
			message->request->received_at = kfusd_trace_clock();
			message->request->is_slot_received = gives_slot;
		}
		trace_kfusd_request_received(message);
	}
	spin_unlock(&device->lock);
	put_pid(previous);
	return message;
}

void kfusd_message_arrived(struct kfusd_device *device,
			   struct kfusd_message *message)
{
	struct kfusd_request *request = message->request;
	const bool is_unblock = message->subcmd == FUSD_UNBLOCK;

	if (likely(!is_unblock && !READ_ONCE(request->is_unawaited)))
		return;
	spin_lock(&device->lock);
	if (is_unblock)
		message->in_hand = false;
	else
		kfusd_request_abandon(request);
	spin_unlock(&device->lock);
}

void kfusd_put_back_message(struct kfusd_device *device,
			    struct kfusd_message *message)
{
	struct kfusd_request *request = message->request;
	bool is_over = false;

	spin_lock(&device->lock);
	message->in_hand = false;
	if (message->subcmd == FUSD_UNBLOCK) {
		/* An unblock is told while its request is with the driver. */
		if (request->state == KFUSD_REQUEST_SENT &&
		    device->state == KFUSD_LIVE) {
			kref_get(&request->ref);
			list_add(&message->entry, &device->queue);
		}
	} else if (request->state == KFUSD_REQUEST_SENT) {
		request->is_slot_received = false;
		if (request->abandoned || device->state == KFUSD_GONE) {
			/* An open needs no close: the driver never knew. */
			kfusd_request_complete(request, -EPIPE);
			is_over = true;
		} else {
			request->state = KFUSD_REQUEST_QUEUED;
			list_add(&message->entry, &device->queue);
		}
	}
	/* Another thread that waits for a message may have this one. */
	if (!list_empty(&message->entry))
		kfusd_wake_receiver(device);
	spin_unlock(&device->lock);
	if (is_over)
		kfusd_request_put(request);
	kfusd_request_put(request);
}

/* Under device->receive_lock. */
static ssize_t kfusd_receive_header(struct kfusd_device *device,
				    char __user *buffer)
{
	struct kfusd_message *message = kfusd_take_message(device, false);
	fusd_msg_t header;

	if (!message)
		return READ_ONCE(device->state) == KFUSD_GONE ? -ENODEV :
								-EAGAIN;
	kfusd_fill_header(&header, message);
	if (copy_to_user(buffer, &header, sizeof(header))) {
		kfusd_put_back_message(device, message);
		return -EFAULT;
	}
	kfusd_message_arrived(device, message);
	if (header.datalen)
		WRITE_ONCE(device->partial, message);
	else
		kfusd_request_put(message->request);
	return sizeof(header);
}

static bool kfusd_copy_data_out(const struct kfusd_request *request,
				char __user *buffer, size_t length)
{
	size_t datalen = request->datalen;

	if (copy_to_user(buffer, request->data, datalen))
		return false;
	return length == datalen || !put_user(0, buffer + datalen);
}

/* Under device->receive_lock. */
static ssize_t kfusd_receive_data(struct kfusd_device *device,
				  char __user *buffer, size_t length)
{
	struct kfusd_request *request = device->partial->request;

	if (length != kfusd_announced_length(request))
		return -EINVAL;
	if (!kfusd_copy_data_out(request, buffer, length))
		return -EFAULT;
	kfusd_drop_partial(device);
	return length;
}

static ssize_t kfusd_receive_next(struct kfusd_device *device,
				  char __user *buffer, size_t length)
{
	if (device->partial && READ_ONCE(device->state) == KFUSD_GONE)
		kfusd_drop_partial(device);
	if (device->partial)
		return kfusd_receive_data(device, buffer, length);
	if (length != sizeof(fusd_msg_t))
		return -EINVAL;
	return kfusd_receive_header(device, buffer);
}

void kfusd_drop_partial(struct kfusd_device *device)
{
	struct kfusd_message *message = device->partial;

	WRITE_ONCE(device->partial, NULL);
	if (message)
		kfusd_request_put(message->request);
}

bool kfusd_may_receive(struct kfusd_device *device)
{
	return READ_ONCE(device->partial) || !list_empty(&device->queue) ||
	       READ_ONCE(device->state) == KFUSD_GONE;
}

static int kfusd_await_message(struct kfusd_device *device)
{
	return wait_event_interruptible_exclusive(device->receive_wait,
						  kfusd_may_receive(device));
}

ssize_t kfusd_receive_message(struct kfusd_device *device, char __user *buffer,
			      size_t length, bool nonblocking)
{
	ssize_t result;

	for (;;) {
		if (mutex_lock_interruptible(&device->receive_lock)) {
			/* Hands on the wake-up this thread may have had. */
			spin_lock(&device->lock);
			if (kfusd_may_receive(device))
				kfusd_wake_receiver(device);
			spin_unlock(&device->lock);
			return -ERESTARTSYS;
		}
		result = kfusd_receive_next(device, buffer, length);
		mutex_unlock(&device->receive_lock);
		if (result != -EAGAIN || nonblocking)
			return result;
		if (kfusd_await_message(device))
			return -ERESTARTSYS;
	}
}

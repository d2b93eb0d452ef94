// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* What a driver reads from its control descriptor. */
#include <linux/uaccess.h>

#include "kfusd.h"

static void fill_header(fusd_msg_t *header, const struct kfusd_message *message)
{
	const struct kfusd_request *request = message->request;
	fops_msg_t *fops = &header->parm.fops_msg;
	bool is_unblock = message->subcmd == FUSD_UNBLOCK;

	memset(header, 0, sizeof(*header));
	header->magic = FUSD_MSG_MAGIC;
	header->cmd = is_unblock ? FUSD_FOPS_NONBLOCK : request->cmd;
	header->subcmd = message->subcmd;
	header->datalen = is_unblock ? 0 : request->datalen;
	fops->pid = request->pid;
	fops->uid = request->uid;
	fops->gid = request->gid;
	fops->flags = request->flags;
	fops->device_info = request->file->device->device_info;
	fops->private_info = request->sent_private_info;
	fops->length = request->length;
	fops->offset = request->offset;
	fops->cmd = request->number;
	fops->mmprot = request->mmprot;
	fops->mmflags = request->mmflags;
	fops->mmoffset = request->mmoffset;
	fops->arg.arg = request->argument;
	fops->fusd_file = (void *)request->file->id;
	fops->transid = request->transid;
	fops->hint = request->hint;
}

/* Notes who serves the device; returns what is to be put without the lock. */
static struct pid *note_server(struct kfusd_device *device)
{
	struct pid *previous = device->server;

	device->server_mm = current->mm;
	if (likely(previous == task_pid(current)))
		return NULL;
	device->server = get_pid(task_pid(current));
	return previous;
}

/* The next message, with a reference to its request; NULL if none waits. */
static struct kfusd_message *take(struct kfusd_device *device)
{
	struct kfusd_message *message;
	struct pid *previous;

	spin_lock(&device->lock);
	previous = note_server(device);
	message = list_first_entry_or_null(&device->queue, struct kfusd_message,
					   entry);
	if (message) {
		list_del_init(&message->entry);
		/* The reference of a queued unblock is handed on. */
		if (message->subcmd != FUSD_UNBLOCK) {
			kref_get(&message->request->ref);
			message->request->state = KFUSD_REQUEST_SENT;
		}
	}
	spin_unlock(&device->lock);
	put_pid(previous);
	return message;
}

/* Puts a message back that did not reach the driver, to be the next again. */
static void put_back(struct kfusd_device *device, struct kfusd_message *message)
{
	struct kfusd_request *request = message->request;
	bool is_over = false;

	spin_lock(&device->lock);
	if (message->subcmd == FUSD_UNBLOCK) {
		kref_get(&request->ref);
		list_add(&message->entry, &device->queue);
	} else if (request->state == KFUSD_REQUEST_SENT) {
		if (request->abandoned || device->state == KFUSD_GONE) {
			/* If it is an open, the driver never knew of it. */
			kfusd_request_complete(request, -EPIPE);
			is_over = true;
		} else {
			request->state = KFUSD_REQUEST_QUEUED;
			list_add(&message->entry, &device->queue);
		}
	}
	spin_unlock(&device->lock);
	if (is_over)
		kfusd_request_put(request);
	kfusd_request_put(request);
}

/* Under device->receive_lock. */
static ssize_t receive_header(struct kfusd_device *device, char __user *buffer)
{
	struct kfusd_message *message = take(device);
	fusd_msg_t header;

	if (!message)
		return READ_ONCE(device->state) == KFUSD_GONE ? -ENODEV :
								-EAGAIN;
	fill_header(&header, message);
	if (copy_to_user(buffer, &header, sizeof(header))) {
		put_back(device, message);
		return -EFAULT;
	}
	if (header.datalen)
		WRITE_ONCE(device->partial, message);
	else
		kfusd_request_put(message->request);
	return sizeof(header);
}

/* Under device->receive_lock. */
static ssize_t receive_data(struct kfusd_device *device, char __user *buffer,
			    size_t length)
{
	struct kfusd_request *request = device->partial->request;

	if (length != request->datalen)
		return -EINVAL;
	if (copy_to_user(buffer, request->data, length))
		return -EFAULT;
	WRITE_ONCE(device->partial, NULL);
	kfusd_request_put(request);
	return length;
}

static ssize_t receive(struct kfusd_device *device, char __user *buffer,
		       size_t length)
{
	if (device->partial)
		return receive_data(device, buffer, length);
	if (length != sizeof(fusd_msg_t))
		return -EINVAL;
	return receive_header(device, buffer);
}

bool kfusd_may_receive(struct kfusd_device *device)
{
	return READ_ONCE(device->partial) || !list_empty(&device->queue) ||
	       READ_ONCE(device->state) == KFUSD_GONE;
}

ssize_t kfusd_receive(struct kfusd_device *device, char __user *buffer,
		      size_t length, bool nonblocking)
{
	ssize_t result;

	for (;;) {
		if (mutex_lock_interruptible(&device->receive_lock))
			return -ERESTARTSYS;
		result = receive(device, buffer, length);
		mutex_unlock(&device->receive_lock);
		if (result != -EAGAIN || nonblocking)
			return result;
		if (wait_event_interruptible_exclusive(
			    device->receive_wait, kfusd_may_receive(device)))
			return -ERESTARTSYS;
	}
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * The kfusd transport: requests from FUSD's own kernel module, by the fast path
 * if it has that, or else by the classic messages.
 *
 * The kernel does here what the other transports do in the library: it keeps
 * open files and their positions, and matches answers with requests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include <fusd_control.h>

#include "classic.h"
#include "connection.h"
#include "descriptor.h"
#include "fast.h"
#include "held.h"
#include "options.h"
#include "proc.h"
#include "received.h"
#include "registration.h"
#include "request_memory.h"
#include "sysfs.h"

/* Asks for all that the device is to have, and registers it. */
static int open_connection(struct fusd_device *device,
			   const struct fusd_options *options, int fd,
			   struct kfusd_device *data)
{
	int error = fusd_kfusd_check_vacant(device);

	if (!error)
		error = fusd_kfusd_ask(device, options, fd, &data->options);
	if (error)
		return error;
	data->ring = fusd_ring_open(device, fd);
	device->awaits_by_poll = !data->ring;
	/* There the module looks, and so do clients. */
	if (data->ring)
		device->spin_us = 0;
	error = fusd_kfusd_register(device, options, fd);
	if (!error)
		error = fusd_kfusd_find_node(device, options);
	if (error && data->ring)
		fusd_ring_put(data->ring);
	return error;
}

static int kfusd_open_device(struct fusd_device *device,
			     const struct fusd_options *options)
{
	static _Atomic uint32_t last_device;
	struct kfusd_device *data;
	int error, fd = fusd_kfusd_open_control();

	if (fd < 0)
		return fd;
	data = calloc(1, sizeof(*data));
	if (!data || asprintf(&device->path, "/dev/%s", device->name) < 0) {
		device->path = NULL;
		error = fusd_fail(ENOMEM, "no memory for a device");
	} else {
		error = open_connection(device, options, fd, data);
	}
	if (error) {
		free(data);
		close(fd);
		return error;
	}
	fusd_kfusd_check_class(device, options);
	pthread_mutex_init(&data->receive_lock, NULL);
	data->files = KFUSD_FILES | (uint64_t)++last_device << 32;
	device->transport_data = data;
	device->fd = fd;
	return 0;
}

static int kfusd_receive(struct fusd_device *device,
			 struct fusd_request **request)
{
	int error;

	if (kfusd_device(device)->ring)
		return fusd_fast_receive(device, request);
	error = fusd_queue_receive(device, request);
	return error == -EAGAIN ? fusd_classic_receive(device, request) : error;
}

static void kfusd_flush(struct fusd_device *device)
{
	if (kfusd_device(device)->ring)
		fusd_fast_flush(device);
}

static bool kfusd_hold(struct fusd_request *request)
{
	const __u64 options = kfusd_device(request->device)->options;

	if (request->msg.subcmd == FUSD_POLL_DIFF &&
	    options & FUSD_OPTION_NONBLOCK)
		fusd_kfusd_tell_held(request);
	/* The kernel tells with a message of its own: FUSD_UNBLOCK. */
	return false;
}

static struct fusd_request *kfusd_unblock(struct fusd_request *interrupted)
{
	fusd_request_put(interrupted);
	return NULL;
}

/* Whether an answer changes private_data, and the kernel may refuse it. */
static bool may_lose_private_data(const struct fusd_request *request)
{
	const short operation = request->msg.subcmd;

	return request->msg.parm.fops_msg.private_info !=
		       request->sent_private_info &&
	       operation != FUSD_OPEN && operation != FUSD_CLOSE &&
	       operation != FUSD_POLL_DIFF && operation != FUSD_UNBLOCK;
}

static void kfusd_commit(struct fusd_request *request)
{
	struct kfusd_device *data = kfusd_device(request->device);

	if (may_lose_private_data(request))
		fusd_private_data_note(&data->private_data, request->file_id,
				       request->msg.parm.fops_msg.private_info);
}

/*
 * The kernel has the open file's private_data, or needs it no more. Requests
 * that came before it had are queued, and have what it was.
 */
static void forget_private_data(struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	struct fusd_request *other;

	pthread_mutex_lock(&device->lock);
	for (other = device->running; other; other = other->running_next)
		if (other->is_queued && other->file_id == request->file_id)
			fusd_kfusd_renew_private_data(other);
	fusd_private_data_forget(&kfusd_device(device)->private_data,
				 request->file_id);
	pthread_mutex_unlock(&device->lock);
}

static int send_reply(struct fusd_request *request, const void *data,
		      size_t length)
{
	if (!kfusd_device(request->device)->ring)
		return fusd_classic_reply(request, data, length);
	/* What becomes of this answer has to be known. */
	if (may_lose_private_data(request))
		request->may_wait = false;
	return fusd_fast_reply(request, data, length);
}

static int kfusd_reply(struct fusd_request *request, const void *data,
		       size_t length)
{
	int error;

	/* The driver is told of an unblock, not asked. */
	if (request->msg.subcmd == FUSD_UNBLOCK)
		return 0;
	error = send_reply(request, data, length);
	if (request->msg.subcmd == FUSD_CLOSE ||
	    (!error && may_lose_private_data(request)))
		forget_private_data(request);
	return error;
}

/*
 * A client may leave its ioctl because of a signal, and end, while the driver
 * still holds the request: its thread's id may be another's by then.
 */
static int kfusd_fetch(struct fusd_request *request, struct fusd_region *region)
{
	if (!request->regions)
		kfusd_part(request)->client_start =
			fusd_proc_thread_start(request->msg.parm.fops_msg.pid);
	return fusd_region_read(request, region);
}

static int kfusd_store(struct fusd_request *request,
		       const struct fusd_region *region)
{
	unsigned long long start =
		fusd_proc_thread_start(request->msg.parm.fops_msg.pid);

	if (start == 0 || start != kfusd_part(request)->client_start)
		return -EFAULT;
	return fusd_region_write(request, region);
}

static int kfusd_set_attribute(struct fusd_device *device,
			       const struct fusd_attribute *attribute)
{
	return fusd_kfusd_set_attribute(device->fd, attribute);
}

static int kfusd_tell_uevent(struct fusd_device *device,
			     const char *const *variables, size_t count,
			     bool is_sent)
{
	return fusd_kfusd_tell_uevent(device->fd, variables, count, is_sent);
}

static void kfusd_remove_node(struct fusd_device *device)
{
	const fusd_msg_t message = {
		.magic = FUSD_MSG_MAGIC,
		.cmd = FUSD_UNREGISTER_DEVICE,
	};

	/* Closing the descriptor does it too, but that may be later. */
	if (write(device->fd, &message, sizeof(message)) < 0 && errno != ENODEV)
		fusd_log(LOG_WARNING, "kfusd does not unregister %s: %s",
			 device->path, strerror(errno));
}

static void kfusd_close_device(struct fusd_device *device)
{
	close(device->fd);
	pthread_mutex_destroy(&kfusd_device(device)->receive_lock);
	if (kfusd_device(device)->ring)
		fusd_ring_put(kfusd_device(device)->ring);
	fusd_private_data_forget_all(&kfusd_device(device)->private_data);
	free(kfusd_device(device));
}

const struct fusd_transport fusd_transport_kfusd = {
	.name = "kfusd",
	.summary = "real character devices in /dev, through FUSD's own kernel "
		   "module",
	.check = fusd_kfusd_check,
	.open_device = kfusd_open_device,
	.take_block = fusd_kfusd_take_request,
	.give_block = fusd_kfusd_give_request,
	.receive = kfusd_receive,
	.await = fusd_fast_await,
	.end_waits = fusd_fast_end_waits,
	.flush = kfusd_flush,
	.hold = kfusd_hold,
	.waited = fusd_kfusd_renew_private_data,
	.unblock = kfusd_unblock,
	.commit = kfusd_commit,
	.reply = kfusd_reply,
	.fetch = kfusd_fetch,
	.store = kfusd_store,
	.add_descriptor = fusd_kfusd_add_descriptor,
	.set_attribute = kfusd_set_attribute,
	.tell_uevent = kfusd_tell_uevent,
	.remove_node = kfusd_remove_node,
	.close_device = kfusd_close_device,
	.forget = fusd_kfusd_forget_requests,
};

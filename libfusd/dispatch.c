// SPDX-License-Identifier: BSD-3-Clause
/* From a request to its callback: one function per operation. */
#include <errno.h>

#include "internal.h"

/* So that one busy device does not starve the others. */
#define MESSAGES_PER_DISPATCH 40

/*
 * What a read or write callback meant. Programs of 2003 declare theirs int, and
 * leave in the register's upper half whatever is there, mostly 0. No count
 * looks like such an errno or -FUSD_NOREPLY; one that is too large is cut as
 * ever.
 */
static ssize_t from_callback(ssize_t result)
{
	int as_int = (int)result;

	return as_int < 0 && as_int >= -FUSD_NOREPLY ? as_int : result;
}

static ssize_t dispatch_open(struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;

	return ops->open ? ops->open(&request->file) : 0;
}

static ssize_t dispatch_close(struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;

	return ops->close ? ops->close(&request->file) : 0;
}

static ssize_t dispatch_read(struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;

	if (!ops->read)
		return -EINVAL;
	return from_callback(ops->read(&request->file, request->data,
				       fusd_get_length(&request->file),
				       fusd_get_offset(&request->file)));
}

static ssize_t dispatch_write(struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;

	if (!ops->write)
		return -EINVAL;
	return from_callback(ops->write(&request->file, request->data,
					fusd_get_length(&request->file),
					fusd_get_offset(&request->file)));
}

static ssize_t dispatch_ioctl(struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;
	const fops_msg_t *fops = &request->msg.parm.fops_msg;
	ssize_t result;
	void *argument;

	if (!ops->ioctl)
		return -ENOTTY;
	request->in_ioctl = true;
	result = fusd_ioctl_argument(request, &argument);
	if (result == 0)
		result = ops->ioctl(&request->file, (int)fops->cmd, argument);
	request->in_ioctl = false;
	return result == -FUSD_RETRY ? fusd_client_memory_retry(request) :
				       result;
}

static ssize_t dispatch_poll_diff(struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;
	const unsigned int ready = FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT;
	unsigned int cached_state = request->msg.parm.fops_msg.cmd;

	if (ops->poll_diff)
		return ops->poll_diff(&request->file, cached_state);
	if (cached_state != ready)
		return ready;
	/* Known to be ready, and that never changes: nothing to answer. */
	fusd_destroy(&request->file);
	return -FUSD_NOREPLY;
}

static ssize_t dispatch_unblock(struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;

	return ops->unblock ? ops->unblock(&request->file) : 0;
}

static ssize_t dispatch_mmap(struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;
	fops_msg_t *fops = &request->msg.parm.fops_msg;
	void *address = NULL;
	size_t out_length = 0;
	int result;

	if (!ops->mmap)
		return -ENODEV;
	result = ops->mmap(&request->file, (int)fops->mmoffset, fops->length,
			   (int)fops->mmprot, (int)fops->mmflags, &address,
			   &out_length);
	if (result == 0) {
		fops->arg.ptr_arg = address;
		fops->length = out_length;
	}
	return result;
}

static ssize_t dispatch_seek(struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;
	const fops_msg_t *fops = &request->msg.parm.fops_msg;

	return ops->seek ? ops->seek(&request->file, (loff_t)fops->arg.arg,
				     (int)fops->cmd) :
			   -EINVAL;
}

static ssize_t dispatch_flush(struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;

	return ops->flush ? ops->flush(&request->file) : 0;
}

static ssize_t dispatch_fsync(struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;
	const fops_msg_t *fops = &request->msg.parm.fops_msg;

	return ops->fsync ? ops->fsync(&request->file, (int)fops->cmd) :
			    -EINVAL;
}

static ssize_t call_callback(struct fusd_request *request)
{
	switch (request->msg.subcmd) {
	case FUSD_OPEN:
		return dispatch_open(request);
	case FUSD_CLOSE:
		return dispatch_close(request);
	case FUSD_READ:
		return dispatch_read(request);
	case FUSD_WRITE:
		return dispatch_write(request);
	case FUSD_IOCTL:
		return dispatch_ioctl(request);
	case FUSD_POLL_DIFF:
		return dispatch_poll_diff(request);
	case FUSD_UNBLOCK:
		return dispatch_unblock(request);
	case FUSD_MMAP:
		return dispatch_mmap(request);
	case FUSD_SEEK:
		return dispatch_seek(request);
	case FUSD_FLUSH:
		return dispatch_flush(request);
	case FUSD_FSYNC:
		return dispatch_fsync(request);
	default:
		return -ENOSYS;
	}
}

/* Calls the callback. False: it is a close, which another thread will call. */
static bool dispatch_request(struct fusd_request *request);

/* The callback said -FUSD_NOREPLY; the request may be answered by now. */
static void hold_request(struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	struct fusd_request *unblock = NULL;
	bool interrupted = false;
	bool gone;

	pthread_mutex_lock(&device->lock);
	gone = device->gone;
	if (request->state != FUSD_REQUEST_ANSWERED) {
		interrupted = device->transport->hold(request);
		if (interrupted)
			request->references++;
	}
	fusd_request_leave(request);
	pthread_mutex_unlock(&device->lock);
	/* unregister was too early to see that the request is held. */
	if (gone)
		fusd_request_fail(request, EPIPE);
	if (interrupted)
		unblock = device->transport->unblock(request);
	if (unblock)
		dispatch_request(unblock);
}

/* Whether its callback sees flags and position that receive cannot know. */
static bool needs_refresh(const struct fusd_request *request)
{
	const struct fusd_device *device = request->device;

	if (!device->transport->refresh)
		return false;
	return (request->msg.subcmd == FUSD_IOCTL && device->ops.ioctl) ||
	       (request->msg.subcmd == FUSD_SEEK && device->ops.seek) ||
	       (request->msg.subcmd == FUSD_POLL_DIFF && device->ops.poll_diff);
}

static void begin_file_info(struct fusd_request *request)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;

	if (needs_refresh(request))
		request->device->transport->refresh(request);
	request->file = (struct fusd_file_info){
		.device_info = request->device->device_info,
		.private_data = fops->private_info,
		.flags = (unsigned int)fops->flags,
		.pid = fops->pid,
		.uid = fops->uid,
		.gid = fops->gid,
		.fd = request->device->fd,
		.fusd_msg = &request->msg,
	};
	request->msg.data = request->data;
	/* As the original set it: the buffer's size, before it is filled. */
	if (request->msg.subcmd == FUSD_READ)
		request->msg.datalen = (int)fops->length;
}

static void dispatch_one(struct fusd_request *request)
{
	ssize_t result;

	begin_file_info(request);
	if (request->msg.subcmd == FUSD_MMAP &&
	    request->device->shared_memory >= 0) {
		fusd_shared_memory_answer(request);
		return;
	}
	result = call_callback(request);
	if (result == -FUSD_NOREPLY)
		hold_request(request);
	else {
		request->may_wait = true;
		fusd_request_returned(request, result);
	}
}

/* Dispatches a close that waited for the other callbacks of its open file. */
static void dispatch_held_back(struct fusd_request *close)
{
	struct fusd_device *device = close->device;

	pthread_mutex_lock(&device->lock);
	fusd_request_waited(close);
	pthread_mutex_unlock(&device->lock);
	dispatch_request(close);
}

static bool dispatch_request(struct fusd_request *request)
{
	/* The last request may be the device's last reference but the caller's.
	 */
	struct fusd_device *device = request->device;
	const struct fusd_transport *transport = device->transport;
	struct fusd_request *next, *close = NULL;

	if (request->msg.subcmd == FUSD_CLOSE &&
	    fusd_request_hold_back(request))
		return false;
	if (transport->callback_begins)
		transport->callback_begins(device);
	for (; request; request = next) {
		dispatch_one(request);
		next = transport->follow ? transport->follow(request) : NULL;
		/* They are all of one open file, which is closed once. */
		if (request->close)
			close = request->close;
		fusd_request_put(request);
	}
	if (transport->callback_ends)
		transport->callback_ends(device);
	if (close && device->gone)
		fusd_request_refuse(close);
	else if (close)
		dispatch_held_back(close);
	return true;
}

static int (*active_open)(struct fusd_file_info *file);
static int (*passive_open)(struct fusd_file_info *file);

void fusd_set_passive_open(int (*open)(struct fusd_file_info *file),
			   int (*passive)(struct fusd_file_info *file))
{
	active_open = open;
	passive_open = passive;
}

static bool has_passive_open(const struct fusd_request *request)
{
	return request->msg.subcmd == FUSD_OPEN && active_open &&
	       request->device->ops.open == active_open;
}

bool fusd_may_be_passive(const struct fusd_request *request)
{
	const struct fusd_file_operations *ops = &request->device->ops;

	switch (request->msg.subcmd) {
	case FUSD_OPEN:
		return !ops->open || has_passive_open(request);
	case FUSD_READ:
		return !ops->read;
	case FUSD_WRITE:
		return !ops->write;
	case FUSD_IOCTL:
		return !ops->ioctl;
	default:
		return false;
	}
}

ssize_t fusd_call_passively(struct fusd_request *request)
{
	begin_file_info(request);
	return has_passive_open(request) ? passive_open(&request->file) :
					   call_callback(request);
}

/* Received as a user, whose exchange ends; another thread may unregister. */
static inline int end_receiving(struct fusd_device *device, int result,
				struct fusd_request *request)
{
	if (result == 0 && device->gone) {
		fusd_request_refuse(request);
		result = -EBADF;
	}
	fusd_device_end_exchange(device);
	return result;
}

inline int fusd_receive_as_user(struct fusd_device *device,
				fusd_receiver *receive,
				struct fusd_request **request)
{
	int result;

	device->exchanges++;
	result = receive(device, request);
	return end_receiving(device, result, *request);
}

/* Answers do not wait for what comes after the dispatching. */
static void flush_answers(struct fusd_device *device)
{
	if (device->transport->flush)
		device->transport->flush(device);
}

/* Nobody is woken for what a queue keeps, unless the transport can do that. */
static bool has_to_empty_queue(const struct fusd_device *device)
{
	return !device->transport->wake_dispatchers &&
	       device->queue.may_be_filled;
}

int fusd_dispatch_device(struct fusd_device *device)
{
	struct fusd_request *request;
	int callbacks = 0;
	int result = 0;

	for (int i = 0; !device->gone && (i < MESSAGES_PER_DISPATCH ||
					  has_to_empty_queue(device));
	     i++) {
		result = fusd_receive_as_user(
			device, device->transport->receive, &request);
		if (result == -EAGAIN && device->has_own_client &&
		    fusd_queue_await(device))
			continue;
		if (result < 0)
			break;
		if (result > 0)
			continue;
		if (dispatch_request(request))
			callbacks++;
	}
	if (callbacks > 0) {
		flush_answers(device);
		return 0;
	}
	/* What unregister has cut looks as if it was taken away. */
	if (result == -ENODEV && device->gone)
		return -EBADF;
	return result < 0 ? result : -EAGAIN;
}

int fusd_serve_device(struct fusd_device *device, unsigned int waits)
{
	struct fusd_request *request;
	int result;

	do {
		device->exchanges++;
		result = fusd_await(device, waits, &request);
		result = end_receiving(device, result, request);
		if (result == 0)
			dispatch_request(request);
	} while (result >= 0 &&
		 (device->waits_ended == waits ||
		  (!device->gone && has_to_empty_queue(device))));
	flush_answers(device);
	if (device->gone)
		return -EBADF;
	return result < 0 ? result : -ECANCELED;
}

FUSD_PUBLIC int fusd_dispatch(int fd)
{
	struct fusd_device *device = fusd_registry_enter(fd);
	int result;

	if (!device)
		return fusd_result(-EBADF);
	result = fusd_dispatch_device(device);
	fusd_device_leave(device);
	return fusd_result(result);
}

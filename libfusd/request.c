// SPDX-License-Identifier: BSD-3-Clause
/*
 * A request's life: who may answer it, and the driver's
 * side of a held one (fusd_return and its siblings).
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "internal.h"

struct fusd_request *fusd_request_new(struct fusd_device *device)
{
	struct fusd_request *request = device->transport->take_block(device);

	if (!request)
		return NULL;
	atomic_init(&request->references, 2);
	request->device = device;
	request->state = FUSD_REQUEST_NEW;
	atomic_init(&request->is_queued, false);
	request->close = NULL;
	request->running_link = NULL;
	request->argument = (struct fusd_argument){ .is_value = false };
	request->is_elsewhere = false;
	request->gives_nothing = false;
	request->is_32bit = false;
	request->may_wait = false;
	request->regions = NULL;
	request->in_ioctl = false;
	request->is_retry = false;
	device->references++;
	return request;
}

void fusd_request_put(struct fusd_request *request)
{
	struct fusd_device *device = request->device;

	if (--request->references > 0)
		return;
	fusd_region_free_all(request->regions);
	device->transport->give_block(request);
	fusd_device_put_reference(device);
}

void fusd_request_received(struct fusd_request *request, uint64_t file_id)
{
	struct fusd_device *device = request->device;

	request->file_id = file_id;
	request->running_next = device->running;
	request->running_link = &device->running;
	if (request->running_next)
		request->running_next->running_link = &request->running_next;
	device->running = request;

	request->state = FUSD_REQUEST_PENDING;
	request->msg.parm.fops_msg.transid = ++device->next_transid;
	request->next = device->requests;
	request->link = &device->requests;
	if (request->next)
		request->next->link = &request->next;
	device->requests = request;
}

void fusd_request_leave(struct fusd_request *request)
{
	/* NULL: in a forked child, which has no list. */
	if (!request->running_link)
		return;
	*request->running_link = request->running_next;
	if (request->running_next)
		request->running_next->running_link = request->running_link;
	request->running_link = NULL;
}

bool fusd_request_hold_back(struct fusd_request *close)
{
	struct fusd_device *device = close->device;
	struct fusd_request *other;

	pthread_mutex_lock(&device->lock);
	other = device->running;
	while (other && (other == close || other->file_id != close->file_id))
		other = other->running_next;
	if (other)
		other->close = close;
	pthread_mutex_unlock(&device->lock);
	return other;
}

void fusd_request_waited(struct fusd_request *request)
{
	if (request->state == FUSD_REQUEST_PENDING)
		request->device->transport->waited(request);
}

/* Where numbers are the usual ones, those of second names of others are free.
 */
static bool is_free_number(ssize_t number)
{
	return ENOMSG == 42 &&
	       (number == 41 || (number == 58 && EDEADLOCK == EDEADLK));
}

/* libfuse would give the client ERANGE for anything else, since 3.17. */
static bool is_negative_errno(ssize_t retval)
{
	/* The last number; on MIPS one lies far beyond all others. */
	return (retval < 0 && retval >= -EHWPOISON &&
		!is_free_number(-retval)) ||
	       retval == -EDQUOT;
}

/* A driver's answer, held to what its operation can mean. */
static ssize_t bound_answer(const struct fusd_request *request, ssize_t retval)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;

	/* No errno is -FUSD_NOREPLY: an answer cannot ask for another one. */
	if (retval < 0)
		return is_negative_errno(retval) ? retval : -EIO;
	switch (request->msg.subcmd) {
	case FUSD_READ:
	case FUSD_WRITE:
		return (size_t)retval < fops->length ? retval :
						       (ssize_t)fops->length;
	case FUSD_IOCTL:
		return retval > INT_MAX ? -EIO : retval;
	case FUSD_SEEK:
		return retval;
	case FUSD_POLL_DIFF:
		return retval & FUSD_NOTIFY_ALL;
	default:
		return 0;
	}
}

/*
 * Makes the caller the one who answers, with retval; under the device's lock.
 * The transport stays open until fusd_device_leave().
 */
static void claim_request(struct fusd_request *request, ssize_t retval)
{
	request->state = FUSD_REQUEST_ANSWERED;
	*request->link = request->next;
	if (request->next)
		request->next->link = request->link;
	request->device->users++;
	request->device->exchanges++;
	request->msg.cmd++;
	request->msg.parm.fops_msg.retval = retval;
	request->device->transport->commit(request);
}

/* The driver may have put a buffer of its own in place of the request's. */
static bool carries_data(const struct fusd_request *request)
{
	return request->msg.subcmd == FUSD_READ ||
	       (request->msg.subcmd == FUSD_IOCTL && request->argument.out);
}

/*
 * Claims the request for its driver, who had it until now, and is_over if no
 * callback uses what belongs to its open file any more.
 */
static bool claim_for_driver(struct fusd_request *request, ssize_t retval,
			     bool is_over)
{
	struct fusd_device *device = request->device;
	fops_msg_t *fops = &request->msg.parm.fops_msg;
	bool claimed;

	pthread_mutex_lock(&device->lock);
	claimed = request->state == FUSD_REQUEST_PENDING;
	if (claimed) {
		fops->private_info = request->file.private_data;
		fops->flags = request->file.flags;
		if (request->msg.data && carries_data(request))
			request->data = request->msg.data;
		claim_request(request, retval);
	}
	if (is_over)
		fusd_request_leave(request);
	pthread_mutex_unlock(&device->lock);
	return claimed;
}

/* Sends the answer of a claimed request, with its own data if data is NULL. */
static int send_answer(struct fusd_request *request, const void *data)
{
	struct fusd_device *device = request->device;
	fops_msg_t *fops = &request->msg.parm.fops_msg;
	int error = 0;

	if (request->regions && fops->retval >= 0 && !request->is_retry) {
		fusd_ioctl_settle(request);
		error = fusd_client_memory_store(request);
	}
	if (error)
		fops->retval = error;
	error = device->transport->reply(
		request, data ? data : request->data,
		fops->retval > 0 ? (size_t)fops->retval : 0);
	fusd_device_end_exchange(device);
	fusd_device_leave(device);
	return error;
}

/* Answers for the driver, and gives up its reference. */
static int answer_request(struct fusd_request *request, ssize_t retval,
			  const void *data, bool is_over)
{
	int error = -EPIPE;

	if (claim_for_driver(request, bound_answer(request, retval), is_over))
		error = send_answer(request, data);
	fusd_request_put(request);
	return error;
}

static void leave_request(struct fusd_request *request)
{
	pthread_mutex_lock(&request->device->lock);
	fusd_request_leave(request);
	pthread_mutex_unlock(&request->device->lock);
}

int fusd_request_returned(struct fusd_request *request, ssize_t retval)
{
	/* The open file's, perhaps, which its close would free. */
	bool has_own_buffer = request->msg.data != request->data;
	int error = answer_request(request, retval, NULL, !has_own_buffer);

	if (has_own_buffer)
		leave_request(request);
	return error;
}

void fusd_request_fail(struct fusd_request *request, int error)
{
	struct fusd_device *device = request->device;
	bool abandoned, claimed;

	pthread_mutex_lock(&device->lock);
	abandoned = request->state == FUSD_REQUEST_ABANDONED;
	claimed = abandoned || request->state == FUSD_REQUEST_PENDING;
	/* The driver's file_info is not read: it may be writing to it. */
	if (claimed)
		claim_request(request, -error);
	pthread_mutex_unlock(&device->lock);
	if (claimed)
		send_answer(request, NULL);
	if (abandoned)
		fusd_request_put(request);
}

struct fusd_request *fusd_request_drop(struct fusd_request *request, int error)
{
	struct fusd_request *close;

	/* First: once it is answered, its client may close the file. */
	leave_request(request);
	close = request->close;
	fusd_request_fail(request, error);
	fusd_request_put(request);
	fusd_request_put(request);
	return close;
}

void fusd_request_refuse(struct fusd_request *request)
{
	while (request)
		request = fusd_request_drop(request, EPIPE);
}

bool fusd_request_is_transfer(const struct fusd_request *request)
{
	return request->msg.subcmd == FUSD_READ ||
	       request->msg.subcmd == FUSD_WRITE;
}

bool fusd_request_fail_all(struct fusd_device *device, int error)
{
	struct fusd_request *request;
	bool was_transfer = false;

	for (;;) {
		pthread_mutex_lock(&device->lock);
		request = device->requests;
		if (request)
			request->references++;
		pthread_mutex_unlock(&device->lock);
		if (!request)
			return was_transfer;
		was_transfer |= fusd_request_is_transfer(request);
		fusd_request_fail(request, error);
		fusd_request_put(request);
	}
}

void fusd_request_forget_all(struct fusd_device *device)
{
	struct fusd_request *request;

	for (request = device->running; request;
	     request = request->running_next)
		request->running_link = NULL;
	device->running = NULL;
	while ((request = device->requests)) {
		bool abandoned = request->state == FUSD_REQUEST_ABANDONED;

		request->state = FUSD_REQUEST_ANSWERED;
		device->requests = request->next;
		if (abandoned)
			fusd_request_put(request);
	}
}

FUSD_PUBLIC int fusd_return(struct fusd_file_info *file, ssize_t retval)
{
	if (!file)
		return fusd_result(-EINVAL);
	return fusd_result(answer_request((struct fusd_request *)file, retval,
					  NULL, false));
}

FUSD_PUBLIC int fusd_return_data(struct fusd_file_info *file, const void *data,
				 size_t length)
{
	struct fusd_request *request = (struct fusd_request *)file;

	if (!file || request->msg.subcmd != FUSD_READ)
		return fusd_result(-EINVAL);
	return fusd_result(answer_request(
		request, (ssize_t)(length < SSIZE_MAX ? length : SSIZE_MAX),
		data, false));
}

ssize_t fusd_answer_data(struct fusd_file_info *file, const void *data,
			 size_t length)
{
	struct fusd_request *request = (struct fusd_request *)file;
	const size_t asked = request->msg.parm.fops_msg.length;

	if (!request->device->transport->flush) {
		/* A client that is gone meanwhile needs no answer. */
		fusd_return_data(file, data, length);
		return -FUSD_NOREPLY;
	}
	if (length > asked)
		length = asked;
	/* A callback may answer with a part of the very buffer that it has. */
	memmove(request->data, data, length);
	return (ssize_t)length;
}

FUSD_PUBLIC void fusd_destroy(struct fusd_file_info *file)
{
	struct fusd_request *request = (struct fusd_request *)file;
	struct fusd_device *device;
	bool abandoned;

	if (!file)
		return;
	device = request->device;
	pthread_mutex_lock(&device->lock);
	abandoned = request->state == FUSD_REQUEST_PENDING;
	if (abandoned)
		request->state = FUSD_REQUEST_ABANDONED;
	pthread_mutex_unlock(&device->lock);
	/* An abandoned request stays listed, with its reference, for whoever
	 * ends the client's wait. */
	if (!abandoned)
		fusd_request_put(request);
}

FUSD_PUBLIC struct fusd_buffer *fusd_buffer_acquire(struct fusd_file_info *file)
{
	struct fusd_request *request = (struct fusd_request *)file;

	request->references++;
	return (struct fusd_buffer *)request;
}

FUSD_PUBLIC void fusd_buffer_release(struct fusd_buffer *buffer)
{
	if (buffer)
		fusd_request_put((struct fusd_request *)buffer);
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * The fast path: requests that the module gives, replies that are posted.
 *
 * A thread that waits has receive_lock meanwhile, and the next one waits for
 * that: so requests are listed in the order in which they came, and a close
 * finds those before it. Who is not to wait tries the lock only: if it is
 * taken, the other thread gets what comes.
 *
 * If several requests wait, they come together. The first is the thread's, the
 * others go to the device's queue, where any thread finds them.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <syslog.h>

#include "classic.h"
#include "fast.h"
#include "received.h"
#include "request_memory.h"

/* As many as can be answered before the next call. */
#define BATCH FUSD_RING_REPLIES

static void fill_message(fusd_msg_t *message,
			 const struct fusd_ring_request *given)
{
	fops_msg_t *fops = &message->parm.fops_msg;
	const bool is_told = given->subcmd == FUSD_POLL_DIFF ||
			     given->subcmd == FUSD_UNBLOCK;

	memset(message, 0, sizeof(*message));
	message->magic = FUSD_MSG_MAGIC;
	message->cmd = is_told ? FUSD_FOPS_NONBLOCK : FUSD_FOPS_CALL;
	message->subcmd = (short)given->subcmd;
	message->datalen = (int)given->datalen;
	fops->pid = given->pid;
	fops->uid = given->uid;
	fops->gid = given->gid;
	fops->flags = given->flags;
	fops->private_info = (void *)(uintptr_t)given->private_info;
	fops->length = given->length;
	fops->offset = given->offset;
	fops->cmd = given->cmd;
	fops->mmprot = given->mmprot;
	fops->mmflags = given->mmflags;
	fops->mmoffset = given->mmoffset;
	fops->arg.arg = given->argument;
	fops->fusd_file = (void *)(uintptr_t)given->fusd_file;
	fops->transid = given->transid;
	fops->hint = given->hint;
}

static struct fusd_ring *ring_of(struct fusd_device *device)
{
	return kfusd_device(device)->ring;
}

/* Its cookies; nothing else is set. */
static struct fusd_ring_reply reply_to(const fops_msg_t *fops, short subcmd)
{
	return (struct fusd_ring_reply){
		.fusd_file = (uintptr_t)fops->fusd_file,
		.transid = fops->transid,
		.hint = fops->hint,
		.subcmd = (__u16)subcmd,
		.flags = (__u32)fops->flags,
		.private_info = (uintptr_t)fops->private_info,
		.offset = fops->offset,
	};
}

/* Data that had no slot; its place is the payload. */
static int fetch_data(struct fusd_request *request)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;
	const struct fusd_ring_fetch fetch = {
		.fusd_file = (uintptr_t)fops->fusd_file,
		.transid = fops->transid,
		.hint = fops->hint,
		.datalen = (__u32)request->msg.datalen,
		.address = (uintptr_t)request->payload,
	};

	return ioctl(request->device->fd, FUSD_RING_FETCH, &fetch) < 0 ?
		       -errno :
		       0;
}

/* Whether there are bytes in either direction. */
static bool has_data(const struct fusd_ring_request *given)
{
	return given->datalen ||
	       ((given->subcmd == FUSD_READ || given->subcmd == FUSD_IOCTL) &&
		given->length);
}

static int place_data(struct fusd_request *request,
		      const struct fusd_ring_request *given)
{
	const size_t size =
		given->datalen > given->length ? given->datalen : given->length;
	int error;

	if (given->slot != FUSD_RING_NO_SLOT)
		return fusd_kfusd_use_slot(kfusd_part(request),
					   ring_of(request->device),
					   given->slot, size);
	if (!has_data(given))
		return 0;
	error = fusd_kfusd_use_block(kfusd_part(request), size);
	if (!error && given->datalen)
		error = fetch_data(request);
	return error;
}

/* Answers what there is no memory for, or no place that makes sense. */
static void refuse_given(struct fusd_device *device,
			 const struct fusd_ring_request *given, int error)
{
	fusd_msg_t message;

	fill_message(&message, given);
	fusd_classic_refuse(device, &message, error);
	/* No request has it to release. */
	if (given->slot < FUSD_RING_SLOTS)
		fusd_ring_release(ring_of(device), given->slot);
}

/* A request with what was given; NULL: it is refused, or its client gone. */
static struct fusd_request *make_request(struct fusd_device *device,
					 const struct fusd_ring_request *given)
{
	struct fusd_request *request = fusd_request_new(device);
	int error = -ENOMEM;

	if (request) {
		fill_message(&request->msg, given);
		error = place_data(request, given);
	}
	if (!error) {
		fusd_kfusd_received(request);
		return request;
	}
	if (error != -EPIPE)
		refuse_given(device, given, error == -ENOMEM ? ENOMEM : EIO);
	if (request) {
		fusd_request_put(request);
		fusd_request_put(request);
	}
	return NULL;
}

/* Under receive_lock, as all of them are in order. */
static int take_given(struct fusd_device *device,
		      const struct fusd_ring_request *given, int count,
		      struct fusd_request **result)
{
	struct fusd_request *request;

	*result = NULL;
	for (int i = 0; i < count; i++) {
		request = make_request(device, &given[i]);
		if (request && *result)
			fusd_queue_put(request);
		else if (request)
			*result = request;
	}
	return *result ? 0 : 1;
}

/* Under receive_lock. As receive; -EINTR and -ECANCELED if it waits. */
static int enter(struct fusd_device *device, unsigned int count,
		 unsigned int flags, unsigned int wakes,
		 struct fusd_request **result)
{
	struct fusd_ring_request given[BATCH];
	int received = fusd_ring_enter(ring_of(device), device->fd, given,
				       count, flags, wakes);

	if (received >= 0)
		return take_given(device, given, received, result);
	if (received == -EAGAIN || received == -ECANCELED)
		return received;
	if (received == -EINTR)
		return flags & FUSD_RING_WAIT ? -EINTR : 1;
	/* Anything else means that the connection makes no sense. */
	return -ENODEV;
}

/*
 * From the queue; -EAGAIN: it is empty. Answers are waiting for nothing then,
 * unless the module looks after those of a batch.
 */
static int receive_queued(struct fusd_device *device,
			  struct fusd_request **result)
{
	int error = fusd_queue_receive(device, result);

	if (error != -EAGAIN && !ring_of(device)->is_batch)
		fusd_fast_flush(device);
	return error;
}

int fusd_fast_receive(struct fusd_device *device, struct fusd_request **result)
{
	pthread_mutex_t *lock = &kfusd_device(device)->receive_lock;
	int error;

	if (pthread_mutex_trylock(lock)) {
		fusd_fast_flush(device);
		return -EAGAIN;
	}
	error = receive_queued(device, result);
	if (error == -EAGAIN)
		error = enter(device, 1, 0, 0, result);
	pthread_mutex_unlock(lock);
	return error;
}

static int await_locked(struct fusd_device *device, unsigned int waits,
			struct fusd_request **result)
{
	int error = receive_queued(device, result);
	unsigned int wakes;

	if (error != -EAGAIN)
		return error;
	/* First: an end of waits that is not seen below changes it. */
	wakes = __atomic_load_n(&ring_of(device)->shared->wakes,
				__ATOMIC_SEQ_CST);
	if (device->waits_ended != waits)
		return -ECANCELED;
	error = enter(device, BATCH, FUSD_RING_WAIT, wakes, result);
	/* Another end than this one's, or something was queued. */
	if (error == -ECANCELED && device->waits_ended == waits)
		return 1;
	return error;
}

int fusd_fast_await(struct fusd_device *device, unsigned int waits,
		    struct fusd_request **request)
{
	pthread_mutex_t *lock = &kfusd_device(device)->receive_lock;
	int error;

	if (pthread_mutex_trylock(lock)) {
		/* No answer is to wait for another thread's request. */
		fusd_fast_flush(device);
		pthread_mutex_lock(lock);
	}
	error = await_locked(device, waits, request);
	pthread_mutex_unlock(lock);
	return error;
}

void fusd_fast_end_waits(struct fusd_device *device)
{
	int error = errno;

	ioctl(device->fd, FUSD_RING_WAKE);
	errno = error;
}

void fusd_fast_flush(struct fusd_device *device)
{
	fusd_ring_flush(ring_of(device), device->fd);
}

/* The kernel did not take it; its client is not to wait for ever. */
static void reply_error(struct fusd_request *request,
			struct fusd_ring_reply *reply)
{
	reply->datalen = 0;
	reply->retval = -EIO;
	fusd_ring_post(ring_of(request->device), request->device->fd, reply,
		       false);
}

int fusd_fast_reply(struct fusd_request *request, const void *data,
		    size_t length)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;
	const size_t size = fusd_kfusd_reply_size(request, length);
	struct fusd_ring_reply reply;
	int error;

	/* There is no place for the data, or an address comes with it. */
	if ((size && !kfusd_part(request)->ring) ||
	    request->msg.subcmd == FUSD_MMAP ||
	    !fusd_ring_may_post(ring_of(request->device)))
		return fusd_classic_reply(request, data, length);
	if (request->msg.subcmd != FUSD_READ)
		data = request->data;
	if (size && data != request->payload)
		memmove(request->payload, data, size);
	reply = reply_to(fops, request->msg.subcmd);
	reply.retval = fops->retval;
	reply.datalen = (__u32)size;
	error = fusd_ring_post(ring_of(request->device), request->device->fd,
			       &reply, request->may_wait);
	if (!error)
		return 0;
	if (error == -EPIPE || error == -ENODEV)
		return -EPIPE;
	reply_error(request, &reply);
	return error;
}

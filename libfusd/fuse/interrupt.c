// SPDX-License-Identifier: BSD-3-Clause
/*
 * A client that gets a signal: FUSE tells of it, and waits for the answer. The
 * driver is called for unblock, if it holds the client's request, and the
 * request is answered after that.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <sched.h>

#include "interrupt.h"
#include "operation.h"
#include "poll.h"
#include "proc.h"

/*
 * Whether the request is the second or a later one of a client's read: the
 * kernel makes several requests of a read that has more pieces, or is longer,
 * than one request can carry. False for a write, which is left to wait: its
 * data would come again. Under the device's lock.
 */
static bool goes_on(const struct fusd_request *request)
{
	const struct fusd_session *session = fusd_session_of(request->device);
	const struct fusd_open_file *file = fuse_part(request)->open_file;

	if (request->msg.subcmd != FUSD_READ)
		return false;
	/* CUSE counts from 0 in each call. */
	if (session->has_no_offsets)
		return fuse_part(request)->kernel_offset > 0;
	return file->full_thread == request->msg.parm.fops_msg.pid &&
	       file->full_end == fuse_part(request)->kernel_offset &&
	       fusd_client_goes_on(file->full_thread,
				   fuse_part(request)->kernel_offset,
				   &session->node, request->sent_flags);
}

bool fusd_interrupt_queued(struct fusd_request *request)
{
	return fuse_part(request)->interrupted;
}

/*
 * Whether a flush may be of an exit that cannot be seen (operation.c): then it
 * cannot be held, as its client could not be killed.
 */
static bool may_be_of_exit(const struct fusd_request *request)
{
	return request->msg.subcmd == FUSD_FLUSH && fuse_part(request)->fuse &&
	       !fusd_proc_thread_start(request->msg.parm.fops_msg.pid);
}

bool fusd_interrupt_hold(struct fusd_request *request)
{
	fuse_part(request)->held = true;
	if (request->msg.subcmd == FUSD_POLL_DIFF) {
		fusd_poll_hold(request);
		return false;
	}
	/* A read that has got something does not wait for more. */
	return fuse_part(request)->interrupted || goes_on(request) ||
	       may_be_of_exit(request);
}

static struct fusd_request *make_unblock(struct fusd_request *request,
					 struct fusd_request *interrupted)
{
	bool pending;

	fuse_part(request)->open_file = NULL;
	fusd_session_lock(request);
	pending = interrupted->state != FUSD_REQUEST_ANSWERED;
	if (pending) {
		request->msg = interrupted->msg;
		request->msg.cmd = FUSD_FOPS_CALL;
		request->msg.subcmd = FUSD_UNBLOCK;
		request->msg.datalen = 0;
		request->data = request->payload;
		fuse_part(request)->interrupts = interrupted;
		request->sent_private_info = interrupted->sent_private_info;
		request->msg.parm.fops_msg.private_info =
			fuse_part(interrupted)->open_file->private_info;
		fusd_request_received(request, interrupted->file_id);
		request->msg.parm.fops_msg.transid =
			interrupted->msg.parm.fops_msg.transid;
	}
	fusd_session_unlock(request);
	return pending ? request : NULL;
}

struct fusd_request *fusd_interrupt_unblock(struct fusd_request *interrupted)
{
	struct fusd_request *request = NULL;
	struct fusd_request *unblock = NULL;

	/* The driver goes on with a flush that nobody waits for. */
	if (!may_be_of_exit(interrupted))
		request = fusd_session_new_request(interrupted->device);
	if (request)
		unblock = make_unblock(request, interrupted);
	if (unblock)
		return unblock;
	if (request) {
		fusd_request_put(request);
		fusd_request_put(request);
	} else {
		fusd_request_fail(interrupted, EINTR);
	}
	fusd_request_put(interrupted);
	return NULL;
}

/* Takes over a reference. */
static struct fusd_request *begin_interrupt(struct fusd_request *request)
{
	struct fusd_request *close;
	bool held;

	if (fusd_queue_remove(request)) {
		close = fusd_request_drop(request, EINTR);
		fusd_request_put(request);
		return close;
	}
	fusd_session_lock(request);
	held = fuse_part(request)->held;
	/* A dispatcher has just taken the request: seen when it is held. */
	if (!held)
		fuse_part(request)->interrupted = true;
	fusd_session_unlock(request);
	if (held)
		return fusd_interrupt_unblock(request);
	fusd_request_put(request);
	return NULL;
}

/*
 * Under the device's lock: the request of this number, which is pending, or,
 * a poll_diff that is answered, still in its callback.
 */
static struct fusd_request *find_request(struct fusd_device *device,
					 uint64_t unique)
{
	struct fusd_request *request;

	for (request = device->requests; request; request = request->next)
		if (fuse_part(request)->unique == unique)
			return request;
	for (request = device->running; request;
	     request = request->running_next)
		if (fuse_part(request)->unique == unique)
			return request;
	return NULL;
}

static bool is_interruptible(const struct fusd_request *request)
{
	return request->msg.subcmd != FUSD_CLOSE &&
	       request->msg.subcmd != FUSD_POLL_DIFF;
}

struct fusd_request *
fusd_interrupt_receive(struct fusd_device *device,
		       const struct fuse_in_header *message)
{
	const struct fuse_interrupt_in *asked = (const void *)(message + 1);
	struct fusd_request *request;
	bool is_found, begins;

	pthread_mutex_lock(&device->lock);
	request = find_request(device, asked->unique);
	is_found = request;
	begins = is_found && is_interruptible(request);
	if (begins)
		request->references++;
	pthread_mutex_unlock(&device->lock);
	/* Another thread has read it, and is about to put it on the list. */
	if (!is_found) {
		sched_yield();
		fusd_session_ask_again(device, message);
	}
	return begins ? begin_interrupt(request) : NULL;
}

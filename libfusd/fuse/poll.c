// SPDX-License-Identifier: BSD-3-Clause
/*
 * poll on libfuse: the poll_diff exchange of each open file.
 *
 * To ask the driver is to send it a poll_diff with the cached state; it answers
 * when the state is another. A poll_diff is outstanding from when it is sent
 * until it is answered, detached for a newer one, or its open file is closed.
 *
 * The rule, on every transport: while anybody may be waiting, either a
 * poll_diff with the cached state is outstanding with the driver, or the
 * waiters have just been woken without a key; and after a read or write that
 * changed the cached state the driver is asked anew.
 *
 * Somebody may be waiting while the open file has a poll_handle: the kernel
 * sends a handle with a poll if its file has waiters, of whatever process,
 * thread or descriptor, and for whatever events. Notifying the handle wakes
 * them all, without a key, and uses the handle up. Waiters that are woken poll
 * again, inside the kernel, edge-triggered or not: that brings a new handle,
 * and asks. A waiter whose event did not come goes on waiting. So a wake-up for
 * nothing ends inside the kernel, and an open file that nobody polls is never
 * woken, and costs no round trip.
 *
 * A poll that has to ask is replied to after the poll_diff's callback. If the
 * callback answered, the poll's reply is that answer, and the driver is asked
 * once more, in the same thread, with the new cached state; if the callback
 * held the poll_diff, the reply is the cached state. The poll's own handle
 * becomes the open file's only then: its client hears the answer with the
 * reply, and no wake-up says the same again.
 *
 * A callback that answers the very state it was asked about, instead of holding
 * the poll_diff, gets no second question and wakes nobody: client and driver
 * would spin. The same answer from a held request, or from another thread, says
 * that the state went to and fro.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "poll.h"

/* How often one poll asks; after that its waiters are woken, and poll again. */
#define MAX_ROUNDS 4

static unsigned int poll_events(unsigned int state)
{
	unsigned int events = 0;

	if (state & FUSD_NOTIFY_INPUT)
		events |= POLLIN | POLLRDNORM;
	if (state & FUSD_NOTIFY_OUTPUT)
		events |= POLLOUT | POLLWRNORM;
	if (state & FUSD_NOTIFY_EXCEPT)
		events |= POLLPRI;
	if (state & FUSD_NOTIFY_ERROR)
		events |= POLLERR;
	if (state & FUSD_NOTIFY_HANGUP)
		events |= POLLHUP;
	return events;
}

/* What a poll_diff tells the driver. */
static unsigned int asked_state(const struct fusd_request *request)
{
	return request->msg.parm.fops_msg.cmd;
}

/* Whether no poll_diff with the cached state is outstanding. */
static bool has_to_ask(const struct fusd_open_file *file)
{
	const struct fusd_request *asked = file->poll_request;

	return !file->never_ask &&
	       (!asked || asked_state(asked) != file->cached_state);
}

/* The waiters that the handle stands for are about to get the cached state. */
static void add_waiter(struct fusd_open_file *file,
		       struct fuse_pollhandle *handle)
{
	if (!handle)
		return;
	/* An older handle stands for the same: the kernel knows one per file.
	 */
	if (file->poll_handle)
		fuse_pollhandle_destroy(file->poll_handle);
	file->poll_handle = handle;
}

/* Replies to the poll that a poll_diff was made for, if that is still due. */
static void reply_poll(struct fusd_request *request)
{
	struct fusd_open_file *file = fuse_part(request)->open_file;

	if (!fuse_part(request)->fuse)
		return;
	add_waiter(file, fuse_part(request)->poll_handle);
	fuse_part(request)->poll_handle = NULL;
	fuse_reply_poll(fuse_part(request)->fuse,
			poll_events(file->cached_state));
	fuse_part(request)->fuse = NULL;
}

/* Marks the waiters to be woken once the lock is free. */
static void take_waiters(struct fusd_request *request,
			 struct fusd_open_file *file)
{
	fuse_part(request)->poll_woken = file->poll_handle;
	file->poll_handle = NULL;
}

void fusd_poll_wake(struct fusd_request *request)
{
	struct fuse_pollhandle *handle = fuse_part(request)->poll_woken;

	if (!handle)
		return;
	fuse_part(request)->poll_woken = NULL;
	fuse_lowlevel_notify_poll(handle);
	fuse_pollhandle_destroy(handle);
}

struct fusd_request *fusd_poll_detach(struct fusd_open_file *file)
{
	struct fusd_request *request = file->poll_request;

	if (request) {
		request->references++;
		/* Another thread may be in its callback. */
		reply_poll(request);
		fuse_part(request)->open_file = NULL;
		file->poll_request = NULL;
	}
	return request;
}

void fusd_poll_end(struct fusd_request *request)
{
	if (request) {
		fusd_request_fail(request, EPIPE);
		fusd_request_put(request);
	}
}

/*
 * Makes request the file's poll_diff, in place of an older one that asked about
 * another state. Returns the older one, which fusd_poll_end() gets without the
 * lock, or NULL.
 */
static struct fusd_request *replace_poll_diff(struct fusd_request *request)
{
	struct fusd_open_file *file = fuse_part(request)->open_file;
	struct fusd_request *older = fusd_poll_detach(file);

	request->msg.cmd = FUSD_FOPS_NONBLOCK;
	request->msg.parm.fops_msg.cmd = file->cached_state;
	fuse_part(request)->poll_asker = pthread_self();
	file->poll_request = request;
	fusd_session_finish(request);
	return older;
}

void fusd_poll_refresh(struct fusd_request *request)
{
	request->msg.parm.fops_msg.cmd =
		fuse_part(request)->open_file->cached_state;
	fuse_part(request)->poll_asker = pthread_self();
}

void fusd_poll_receive(fuse_req_t fuse, struct fuse_file_info *info,
		       struct fuse_pollhandle *handle)
{
	struct fusd_device *device = fuse_req_userdata(fuse);
	struct fusd_open_file *file = fusd_session_file(info);
	struct fusd_request *request, *older = NULL;
	unsigned int state;
	bool asks;

	pthread_mutex_lock(&device->lock);
	state = file->cached_state;
	asks = has_to_ask(file);
	if (asks) {
		request = fusd_session_begin(fuse, FUSD_POLL_DIFF, file);
		fuse_part(request)->poll_handle = handle;
		older = replace_poll_diff(request);
	} else {
		add_waiter(file, handle);
	}
	pthread_mutex_unlock(&device->lock);
	fusd_poll_end(older);
	if (!asks)
		fuse_reply_poll(fuse, poll_events(state));
}

void fusd_poll_hold(struct fusd_request *request)
{
	struct fusd_open_file *file = fuse_part(request)->open_file;

	/* If a transfer came in between, follow asks anew and replies. */
	if (file && asked_state(request) == file->cached_state)
		reply_poll(request);
}

void fusd_poll_answered(struct fusd_request *request, ssize_t retval)
{
	struct fusd_open_file *file = fuse_part(request)->open_file;
	bool is_changed, is_at_once;

	/* A newer poll_diff, or the close, came first. */
	if (!file)
		return;
	file->poll_request = NULL;
	if (retval < 0) {
		file->never_ask = true;
		return;
	}
	is_changed = file->cached_state != (unsigned int)retval;
	is_at_once =
		!fuse_part(request)->held &&
		pthread_equal(fuse_part(request)->poll_asker, pthread_self());
	file->cached_state = (unsigned int)retval;
	fuse_part(request)->poll_is_same =
		is_at_once && asked_state(request) == (unsigned int)retval;
	if (is_changed || !is_at_once)
		take_waiters(request, file);
}

void fusd_poll_transferred(struct fusd_request *request)
{
	const unsigned int cleared = request->msg.subcmd == FUSD_READ ?
					     FUSD_NOTIFY_INPUT :
					     FUSD_NOTIFY_OUTPUT;
	struct fusd_open_file *file = fuse_part(request)->open_file;

	if (!(file->cached_state & cleared))
		return;
	file->cached_state &= ~cleared;
	take_waiters(request, file);
}

int fusd_poll_reply(struct fusd_request *request)
{
	/* The kernel's poll shall not wait for a callback, or has none. */
	if (request->device->gone) {
		fusd_session_lock(request);
		reply_poll(request);
		fusd_session_unlock(request);
	}
	fusd_poll_wake(request);
	return 0;
}

/* After the callback, before the reply to the poll. */
static bool has_to_ask_on(const struct fusd_request *request)
{
	const struct fusd_open_file *file = fuse_part(request)->open_file;

	if (!fuse_part(request)->poll_handle && !file->poll_handle)
		return false;
	if (fuse_part(request)->poll_is_same &&
	    asked_state(request) == file->cached_state)
		return false;
	return !request->device->gone && has_to_ask(file);
}

/* The next question for the poll that request was made for, or NULL. */
static struct fusd_request *make_next(struct fusd_request *request)
{
	struct fusd_request *next;

	if (fuse_part(request)->poll_round == MAX_ROUNDS)
		return NULL;
	next = fusd_session_new_request(request->device);
	if (!next)
		return NULL;
	memcpy(&next->msg, &request->msg, sizeof(next->msg));
	next->msg.parm.fops_msg.retval = 0;
	next->data = next->payload;
	fuse_part(next)->open_file = fuse_part(request)->open_file;
	fuse_part(next)->unique = fuse_part(request)->unique;
	fuse_part(next)->fuse = fuse_part(request)->fuse;
	fuse_part(next)->poll_handle = fuse_part(request)->poll_handle;
	fuse_part(next)->poll_round = fuse_part(request)->poll_round + 1;
	fuse_part(request)->unique = 0;
	fuse_part(request)->fuse = NULL;
	fuse_part(request)->poll_handle = NULL;
	return next;
}

struct fusd_request *fusd_poll_follow(struct fusd_request *request)
{
	struct fusd_request *next = NULL, *older = NULL;
	bool asks;

	if (request->msg.subcmd != FUSD_POLL_DIFF)
		return NULL;
	/* In a child that the callback forked, the poll is its parent's. */
	if (request->device->fd < 0)
		return NULL;
	fusd_session_lock(request);
	asks = fuse_part(request)->fuse && has_to_ask_on(request);
	if (asks)
		next = make_next(request);
	if (next)
		older = replace_poll_diff(next);
	else
		reply_poll(request);
	if (asks && !next)
		take_waiters(request, fuse_part(request)->open_file);
	fusd_session_unlock(request);
	fusd_poll_end(older);
	fusd_poll_wake(request);
	return next;
}

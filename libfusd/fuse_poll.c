// SPDX-License-Identifier: BSD-3-Clause
/* poll on libfuse: the poll_diff exchange of each open file. */
#include <errno.h>
#include <poll.h>

#include "open_file.h"

struct fusd_request *fusd_poll_detach(struct fusd_open_file *file)
{
	struct fusd_request *request = file->poll_request;

	if (request) {
		request->references++;
		request->open_file = NULL;
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

void fusd_session_poll(fuse_req_t fuse, struct fuse_file_info *info,
		       struct fuse_pollhandle *handle)
{
	struct fusd_device *device = fuse_req_userdata(fuse);
	struct fusd_open_file *file = fusd_session_file(info);
	struct fusd_request *request, *older = NULL;
	unsigned int state;
	bool ask;

	pthread_mutex_lock(&device->lock);
	state = file->cached_state;
	ask = !file->never_ask && file->last_sent != (int)state;
	if (ask) {
		older = fusd_poll_detach(file);
		file->last_sent = (int)state;
	}
	file->is_joined = !ask;
	if (handle) {
		struct fuse_pollhandle *replaced = file->poll_handle;

		file->poll_handle = handle;
		handle = replaced;
	}
	pthread_mutex_unlock(&device->lock);
	if (handle)
		fuse_pollhandle_destroy(handle);
	fusd_poll_end(older);
	if (!ask) {
		fuse_reply_poll(fuse, poll_events(state));
		return;
	}
	request = fusd_session_begin(fuse, FUSD_POLL_DIFF, file);
	request->msg.cmd = FUSD_FOPS_NONBLOCK;
	request->msg.parm.fops_msg.cmd = state;
	request->poll_events = info->poll_events;
	fusd_session_lock(request);
	fusd_session_finish(request);
	fusd_session_unlock(request);
}

static bool is_newer(const struct fusd_request *one,
		     const struct fusd_request *other)
{
	return one->msg.parm.fops_msg.transid >
	       other->msg.parm.fops_msg.transid;
}

void fusd_poll_hold(struct fusd_request *request)
{
	struct fusd_open_file *file = request->open_file;

	/* The client's poll never waits for a change itself. */
	fuse_reply_poll(request->fuse, poll_events(file->cached_state));
	request->fuse = NULL;
	/* One counts; other threads may have asked meanwhile. */
	if (!file->poll_request || is_newer(request, file->poll_request)) {
		if (file->poll_request)
			file->poll_request->open_file = NULL;
		file->poll_request = request;
	} else {
		request->open_file = NULL;
	}
}

void fusd_poll_commit(struct fusd_request *request, ssize_t retval)
{
	struct fusd_open_file *file = request->open_file;
	unsigned int events;

	/* A newer poll_diff, or the close, came first. */
	if (!file)
		return;
	if (retval < 0)
		file->never_ask = true;
	else
		file->cached_state = (unsigned int)retval;
	file->last_sent = -1;
	if (file->poll_request == request)
		file->poll_request = NULL;
	request->poll_state = file->cached_state;
	events = poll_events(file->cached_state);
	/*
	 * Whoever is woken polls again, and so asks for the next change. Of
	 * those who get their answer only now, that is whoever goes on waiting.
	 */
	if (!request->fuse || file->is_joined ||
	    !(request->poll_events & events)) {
		request->poll_handle = file->poll_handle;
		file->poll_handle = NULL;
	}
}

int fusd_poll_reply(struct fusd_request *request)
{
	int error = 0;

	if (request->fuse)
		error = fuse_reply_poll(request->fuse,
					poll_events(request->poll_state));
	if (request->poll_handle) {
		fuse_lowlevel_notify_poll(request->poll_handle);
		fuse_pollhandle_destroy(request->poll_handle);
	}
	return error;
}

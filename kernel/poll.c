// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * The poll_diff exchange. A client's poll is answered at once from what is
 * known of the open file; the driver is told what that is, and answers when
 * the truth is another. A client's poll never waits for a driver.
 */
#include "kfusd.h"

static __poll_t events(unsigned int state)
{
	__poll_t events = 0;

	if (state & FUSD_NOTIFY_INPUT)
		events |= EPOLLIN | EPOLLRDNORM;
	if (state & FUSD_NOTIFY_OUTPUT)
		events |= EPOLLOUT | EPOLLWRNORM;
	if (state & FUSD_NOTIFY_EXCEPT)
		events |= EPOLLPRI;
	return events;
}

/* Under device->lock: whether the driver does not know what is believed. */
static bool has_to_ask(const struct kfusd_file *file)
{
	const struct kfusd_request *asked = file->poll_request;

	return file->device->state == KFUSD_LIVE && !file->never_ask &&
	       (!asked || asked->number != file->cached_state);
}

/*
 * Makes request the file's poll_diff, in place of an older one that asked for
 * another state. Returns what is to be put without the lock.
 */
static struct kfusd_request *replace(struct kfusd_file *file,
				     struct kfusd_request *request)
{
	struct kfusd_request *older;

	spin_lock(&file->device->lock);
	if (!has_to_ask(file)) {
		/* Another thread was faster. */
		spin_unlock(&file->device->lock);
		return request;
	}
	request->number = file->cached_state;
	older = file->poll_request;
	if (older)
		kfusd_request_abandon(older);
	file->poll_request = request;
	spin_unlock(&file->device->lock);
	return older;
}

static void ask(struct kfusd_file *file)
{
	struct kfusd_request *request, *unused;

	request = kfusd_request_new(file, FUSD_POLL_DIFF, 0, 0);
	/* Without memory the next poll will ask. */
	if (IS_ERR(request))
		return;
	request->cmd = FUSD_FOPS_NONBLOCK;
	kref_get(&request->ref);
	unused = replace(file, request);
	if (unused != request && kfusd_request_send(request))
		kfusd_poll_cancel(file);
	if (unused)
		kfusd_request_put(unused);
	kfusd_request_put(request);
}

__poll_t kfusd_client_poll(struct file *filp, poll_table *table)
{
	struct kfusd_file *file = filp->private_data;
	struct kfusd_device *device = file->device;
	unsigned int state;
	bool is_gone, is_unknown;

	poll_wait(filp, &file->poll_wait, table);
	spin_lock(&device->lock);
	is_gone = device->state == KFUSD_GONE;
	state = file->cached_state;
	is_unknown = has_to_ask(file);
	spin_unlock(&device->lock);
	if (is_gone)
		return EPOLLPRI | EPOLLERR | EPOLLHUP;
	if (device->options & FUSD_OPTION_ALWAYS_READY)
		return events(FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT);
	if (is_unknown)
		ask(file);
	return events(state);
}

void kfusd_poll_answered(struct kfusd_request *request, ssize_t retval)
{
	struct kfusd_file *file = request->file;

	lockdep_assert_held(&file->device->lock);
	if (file->poll_request != request)
		return;
	if (retval < 0)
		file->never_ask = true;
	else
		file->cached_state = retval;
	file->poll_request = NULL;
	/* The driver's reference is the replier's. */
	kfusd_request_put_locked(request);
	wake_up_poll(&file->poll_wait, events(file->cached_state));
}

void kfusd_poll_transferred(struct kfusd_file *file, short subcmd)
{
	lockdep_assert_held(&file->device->lock);
	file->cached_state &=
		~(subcmd == FUSD_READ ? FUSD_NOTIFY_INPUT : FUSD_NOTIFY_OUTPUT);
}

void kfusd_poll_cancel(struct kfusd_file *file)
{
	struct kfusd_request *request;

	spin_lock(&file->device->lock);
	request = file->poll_request;
	file->poll_request = NULL;
	if (request)
		kfusd_request_abandon(request);
	spin_unlock(&file->device->lock);
	if (request)
		kfusd_request_put(request);
}

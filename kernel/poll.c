// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * poll(2): the poll_diff exchange of each open file.
 *
 * A client's poll is answered at once with the open file's cached state, and
 * never waits for a driver. To ask the driver is to send it a poll_diff with
 * the cached state; it answers when the state is another. A poll_diff is
 * outstanding from when it is sent until it is answered, abandoned for a newer
 * one, or its open file is closed.
 *
 * The rule, on every transport: while anybody may be waiting, either a
 * poll_diff with the cached state is outstanding with the driver, or the
 * waiters have just been woken without a key; and after a read or write that
 * changed the cached state the driver is asked anew.
 *
 * Waiters that are woken poll again, and that poll asks. They are woken without
 * a key, whatever changed, because the waiter whose event did not come has to
 * ask, too. After a read or write its reply asks, because a waiter for edges
 * polls only when it is woken. An open file that nobody polls costs no round
 * trip.
 *
 * Who wants SIGIO (fcntl(2), O_ASYNC) waits all the time: the driver is asked
 * anew after each answer that changed the cached state, and the signal comes
 * when the state has a bit that it did not have.
 */
#include <linux/fs.h>

#include "kfusd.h"

static __poll_t kfusd_poll_events(unsigned int state)
{
	__poll_t events = 0;

	if (state & FUSD_NOTIFY_INPUT)
		events |= EPOLLIN | EPOLLRDNORM;
	if (state & FUSD_NOTIFY_OUTPUT)
		events |= EPOLLOUT | EPOLLWRNORM;
	if (state & FUSD_NOTIFY_EXCEPT)
		events |= EPOLLPRI;
	if (state & FUSD_NOTIFY_ERROR)
		events |= EPOLLERR;
	if (state & FUSD_NOTIFY_HANGUP)
		events |= EPOLLHUP;
	return events;
}

bool kfusd_has_to_ask(const struct kfusd_file *file)
{
	const struct kfusd_request *asked = file->poll_request;

	return file->device->state == KFUSD_LIVE && !file->never_ask &&
	       !list_empty(&file->entry) &&
	       !(file->device->options & FUSD_OPTION_ALWAYS_READY) &&
	       (!asked || asked->asked_state != file->cached_state);
}

/*
 * Makes request the file's poll_diff, in place of an older one that asked about
 * another state. Returns the older one, whose reference the file had, to be put
 * without the lock; or request itself, if another thread has asked already.
 */
static struct kfusd_request *
kfusd_replace_poll_diff(struct kfusd_file *file, struct kfusd_request *request)
{
	struct kfusd_request *older;

	spin_lock(&file->device->lock);
	if (!kfusd_has_to_ask(file)) {
		spin_unlock(&file->device->lock);
		return request;
	}
	request->asked_state = file->cached_state;
	older = file->poll_request;
	if (older)
		kfusd_request_abandon(older);
	file->poll_request = request;
	spin_unlock(&file->device->lock);
	return older;
}

/* A poll_diff could not be sent. A newer one that replaced it stays. */
static void kfusd_retract_poll_diff(struct kfusd_file *file,
				    struct kfusd_request *request)
{
	bool was_last;

	spin_lock(&file->device->lock);
	was_last = file->poll_request == request;
	if (was_last)
		file->poll_request = NULL;
	spin_unlock(&file->device->lock);
	if (!was_last)
		return;
	kfusd_request_put(request);
	/* The waiters poll again, and that asks. */
	wake_up_all(&file->poll_wait);
}

static void kfusd_send_poll_diff(struct kfusd_file *file,
				 struct kfusd_request *request)
{
	struct kfusd_request *unused;

	kref_get(&request->ref);
	unused = kfusd_replace_poll_diff(file, request);
	if (unused != request && kfusd_request_send(request))
		kfusd_retract_poll_diff(file, request);
	if (unused)
		kfusd_request_put(unused);
}

void kfusd_poll_ask(struct kfusd_file *file, unsigned int flags,
		    loff_t position, const struct kfusd_ids *ids)
{
	struct kfusd_request *request = kfusd_request_new_poll(file, flags);

	if (!request) {
		/* The waiters poll again, and that asks. */
		wake_up_all(&file->poll_wait);
		return;
	}
	request->offset = position;
	request->ids = *ids;
	kfusd_send_poll_diff(file, request);
	kfusd_request_put(request);
}

void kfusd_ask_as_current(struct kfusd_file *file, const struct file *filp)
{
	const struct kfusd_ids ids = kfusd_ids_of_current(file->device);

	kfusd_poll_ask(file, filp->f_flags, filp->f_pos, &ids);
}

__poll_t kfusd_client_poll(struct file *filp, poll_table *table)
{
	struct kfusd_file *file = filp->private_data;
	struct kfusd_device *device = file->device;
	unsigned int state;
	bool is_gone, has_to_ask;

	poll_wait(filp, &file->poll_wait, table);
	spin_lock(&device->lock);
	is_gone = device->state == KFUSD_GONE;
	state = file->cached_state;
	if (kfusd_has_kept(file, filp->f_pos))
		state |= FUSD_NOTIFY_INPUT;
	has_to_ask = kfusd_has_to_ask(file);
	spin_unlock(&device->lock);
	if (is_gone)
		return EPOLLPRI | EPOLLERR | EPOLLHUP;
	if (device->options & FUSD_OPTION_ALWAYS_READY)
		return kfusd_poll_events(FUSD_NOTIFY_INPUT |
					 FUSD_NOTIFY_OUTPUT);
	if (has_to_ask)
		kfusd_ask_as_current(file, filp);
	return kfusd_poll_events(state);
}

int kfusd_client_fasync(int descriptor, struct file *filp, int on)
{
	struct kfusd_file *file = filp->private_data;
	struct kfusd_device *device = file->device;
	int error = fasync_helper(descriptor, filp, on, &file->async);
	bool has_to_ask;

	if (error < 0 || !on)
		return error;
	spin_lock(&device->lock);
	has_to_ask = kfusd_has_to_ask(file);
	spin_unlock(&device->lock);
	if (has_to_ask)
		kfusd_ask_as_current(file, filp);
	return 0;
}

/* Under device->lock: sends SIGIO for the events of a state. */
static void kfusd_send_sigio(struct kfusd_file *file, unsigned int state)
{
	static const struct {
		unsigned int bit;
		int band;
	} events[] = {
		{ FUSD_NOTIFY_INPUT, POLL_IN },
		{ FUSD_NOTIFY_OUTPUT, POLL_OUT },
		{ FUSD_NOTIFY_EXCEPT, POLL_PRI },
		{ FUSD_NOTIFY_ERROR, POLL_ERR },
		{ FUSD_NOTIFY_HANGUP, POLL_HUP },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		if (state & events[i].bit)
			kill_fasync(&file->async, SIGIO, events[i].band);
}

bool kfusd_poll_answered(struct kfusd_request *request, ssize_t retval)
{
	struct kfusd_file *file = request->file;
	unsigned int before = file->cached_state;

	lockdep_assert_held(&file->device->lock);
	if (file->poll_request != request)
		return false;
	if (retval < 0)
		file->never_ask = true;
	else
		file->cached_state = retval;
	file->poll_request = NULL;
	/* The file's reference; the replier has the table's. */
	kfusd_request_put_locked(request);
	wake_up_all(&file->poll_wait);
	if (likely(!READ_ONCE(file->async)))
		return false;
	kfusd_send_sigio(file, file->cached_state & ~before);
	return file->cached_state != before && kfusd_has_to_ask(file);
}

void kfusd_poll_end(struct kfusd_file *file)
{
	lockdep_assert_held(&file->device->lock);
	wake_up_poll(&file->poll_wait, EPOLLHUP | EPOLLERR | EPOLLPRI);
	kfusd_send_sigio(file, FUSD_NOTIFY_HANGUP);
}

bool kfusd_poll_transferred(struct kfusd_file *file, short subcmd)
{
	lockdep_assert_held(&file->device->lock);
	file->cached_state &=
		~(subcmd == FUSD_READ ? FUSD_NOTIFY_INPUT : FUSD_NOTIFY_OUTPUT);
	/*
	 * A poll that is not on the wait queue yet takes the lock after it is,
	 * sees the new cached state, and asks.
	 */
	return (waitqueue_active(&file->poll_wait) || READ_ONCE(file->async)) &&
	       kfusd_has_to_ask(file);
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

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Reads and writes that are not to wait: O_NONBLOCK, IOCB_NOWAIT.
 *
 * Only the driver knows what would wait. With FUSD_OPTION_NONBLOCK its word is
 * its poll state. A transfer for which the cached state has the bit goes to the
 * driver, as does any that finds an earlier answer. For another one the driver
 * has to have said that it is not ready: it holds a poll_diff with the cached
 * state, and has told so, so that it would have answered a change. Then the
 * client gets EAGAIN at once, and is woken by the answer if it polls.
 *
 * If the driver has not said it, it is asked, and the client waits for its
 * word: so a single read finds what is there. But it waits no longer than a
 * moment, once for each poll_diff, and with IOCB_NOWAIT not at all: a driver
 * that is busy keeps nobody who said so.
 */
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/uaccess.h>

#include "kfusd.h"

static unsigned int kfusd_max_nonblock_ms = 100;
module_param_named(max_nonblock_ms, kfusd_max_nonblock_ms, uint, 0644);
MODULE_PARM_DESC(max_nonblock_ms,
		 "ms to wait for whether a driver is ready (default 100)");

/* A driver that changes its mind, or has no memory, is not asked for ever. */
#define MOST_QUESTIONS 4

enum kfusd_word { KFUSD_IS_READY, KFUSD_IS_NOT_READY, KFUSD_IS_SILENT };

/* Under device->lock. */
static enum kfusd_word kfusd_word_of(const struct kfusd_file *file,
				     short subcmd)
{
	const struct kfusd_request *asked = file->poll_request;
	unsigned int ready = FUSD_NOTIFY_ERROR | FUSD_NOTIFY_HANGUP;

	ready |= subcmd == FUSD_READ ? FUSD_NOTIFY_INPUT : FUSD_NOTIFY_OUTPUT;
	if (file->device->state != KFUSD_LIVE || file->never_ask ||
	    file->earlier_count || file->cached_state & ready)
		return KFUSD_IS_READY;
	if (asked && asked->asked_state == file->cached_state &&
	    (asked->is_held || asked->is_unheard))
		return KFUSD_IS_NOT_READY;
	return KFUSD_IS_SILENT;
}

static enum kfusd_word kfusd_hear(struct kfusd_file *file, short subcmd)
{
	enum kfusd_word word;

	spin_lock(&file->device->lock);
	word = kfusd_word_of(file, subcmd);
	spin_unlock(&file->device->lock);
	return word;
}

/* Whether the driver has told it, or will not, as it was not asked. */
static bool kfusd_told(struct kfusd_file *file, short subcmd)
{
	bool is_told;

	spin_lock(&file->device->lock);
	is_told = kfusd_word_of(file, subcmd) != KFUSD_IS_SILENT ||
		  kfusd_has_to_ask(file);
	spin_unlock(&file->device->lock);
	return is_told;
}

/* Waits for the driver's word. What is left of the time, or -ERESTARTSYS. */
static long kfusd_await_word(struct kfusd_file *file, short subcmd, long left)
{
	struct kfusd_device *device = file->device;

	spin_lock(&device->lock);
	file->word_waiters++;
	spin_unlock(&device->lock);
	left = wait_event_interruptible_timeout(file->poll_wait,
						kfusd_told(file, subcmd), left);
	spin_lock(&device->lock);
	file->word_waiters--;
	if (!left && file->poll_request)
		file->poll_request->is_unheard = true;
	spin_unlock(&device->lock);
	return left;
}

int kfusd_check_ready(struct file *filp, short subcmd, size_t length,
		      bool may_pause)
{
	struct kfusd_file *file = filp->private_data;
	long left = may_pause ?
			    msecs_to_jiffies(READ_ONCE(kfusd_max_nonblock_ms)) :
			    0;
	enum kfusd_word word = KFUSD_IS_SILENT;
	int i;

	if (!kfusd_tells_waits(file->device) || !length)
		return 0;
	for (i = 0; i < MOST_QUESTIONS; i++) {
		word = kfusd_hear(file, subcmd);
		if (word != KFUSD_IS_SILENT)
			break;
		kfusd_ask_as_current(file, filp);
		if (!left)
			break;
		left = kfusd_await_word(file, subcmd, left);
		if (left < 0)
			return left;
	}
	return word == KFUSD_IS_READY ? 0 : -EAGAIN;
}

int kfusd_take_held(struct kfusd_device *device,
		    const struct fusd_control_held __user *user)
{
	struct fusd_control_held told;
	struct kfusd_request *request;
	int error = -EPIPE;

	if (copy_from_user(&told, user, sizeof(told)))
		return -EFAULT;
	if (told.reserved)
		return -EINVAL;
	spin_lock(&device->lock);
	request = kfusd_request_find(device, told.hint, told.transid,
				     told.fusd_file);
	if (request && request == request->file->poll_request) {
		request->is_held = true;
		if (request->file->word_waiters)
			wake_up_all(&request->file->poll_wait);
		error = 0;
	}
	spin_unlock(&device->lock);
	return error;
}

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * A driver's answer. It is untrusted: a message that does not fit is an error
 * for the driver and changes nothing; a value that no client may see becomes
 * EIO for the client.
 */
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/uio.h>

#include "kfusd.h"

/* What a driver may change in an open file's flags. */
#define REPLY_FLAGS (O_NONBLOCK | O_APPEND)

#define STATE_BITS (FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT | FUSD_NOTIFY_EXCEPT)

/* How much data a reply may carry, and whether that is all or nothing. */
static bool fits(const struct kfusd_request *request, size_t datalen)
{
	switch (request->call.subcmd) {
	case FUSD_READ:
		return datalen <= request->length;
	case FUSD_IOCTL:
		return datalen == 0 || datalen == request->reply_size;
	default:
		return datalen == 0;
	}
}

/* Finds the request that a reply is for; under device->lock. */
static struct kfusd_request *find(struct kfusd_device *device,
				  const fops_msg_t *fops)
{
	struct kfusd_request *request =
		xa_load(&device->requests, (unsigned int)fops->hint);

	if (request && request->state == KFUSD_REQUEST_SENT &&
	    request->transid == (unsigned long)fops->transid &&
	    request->file->id == (unsigned long)fops->fusd_file)
		return request;
	return NULL;
}

/* Makes the caller the request's only replier. */
static struct kfusd_request *claim(struct kfusd_device *device,
				   const fusd_msg_t *message)
{
	struct kfusd_request *request;

	spin_lock(&device->lock);
	request = find(device, &message->parm.fops_msg);
	if (!request)
		request = ERR_PTR(-EPIPE);
	else if (message->subcmd != request->call.subcmd ||
		 message->cmd != request->cmd + 1 ||
		 !fits(request, message->datalen))
		request = ERR_PTR(-EINVAL);
	else
		request->state = KFUSD_REQUEST_REPLYING;
	spin_unlock(&device->lock);
	return request;
}

/* The reply's data did not arrive: as if it had never been sent. */
static void unclaim(struct kfusd_device *device, struct kfusd_request *request)
{
	bool is_over = false;

	spin_lock(&device->lock);
	request->state = KFUSD_REQUEST_SENT;
	if (device->state == KFUSD_GONE ||
	    (request->abandoned && request->call.subcmd != FUSD_OPEN)) {
		kfusd_request_complete(request, -EPIPE);
		is_over = true;
	}
	spin_unlock(&device->lock);
	if (is_over)
		kfusd_request_put(request);
}

static int copy_data(struct kfusd_request *request, size_t datalen,
		     struct iov_iter *data)
{
	int error;

	if (!datalen)
		return 0;
	if (request->call.subcmd == FUSD_READ) {
		/* Of a reply that did not arrive. */
		kfusd_buffer_give(request->file->device, &request->buffer);
		error = kfusd_request_make_data(request, datalen);
		if (error)
			return error;
		request->reply_data = request->data;
	}
	if (!copy_from_iter_full(request->reply_data, datalen, data))
		return -EFAULT;
	request->has_reply_data = true;
	return 0;
}

static bool is_errno(ssize_t number)
{
	return (number > 0 && number <= EHWPOISON) || number == EDQUOT;
}

/* The answer, held to what its operation can mean. */
static ssize_t bounded(const struct kfusd_request *request,
		       const fusd_msg_t *message)
{
	const fops_msg_t *fops = &message->parm.fops_msg;
	ssize_t retval = fops->retval;
	short subcmd = request->call.subcmd;

	if (retval < 0)
		return is_errno(-retval) ? retval : -EIO;
	if ((subcmd == FUSD_READ || subcmd == FUSD_WRITE) &&
	    fops->offset > LLONG_MAX)
		return -EIO;
	switch (subcmd) {
	case FUSD_READ:
		return min_t(size_t, retval, message->datalen);
	case FUSD_WRITE:
		return min_t(size_t, retval, request->length);
	case FUSD_IOCTL:
		return retval > INT_MAX ? -EIO : retval;
	case FUSD_POLL_DIFF:
		return retval & STATE_BITS;
	default:
		return 0;
	}
}

/* What the answer changes in the open file; under device->lock. */
static void commit(struct kfusd_request *request, const fops_msg_t *fops,
		   ssize_t retval)
{
	struct kfusd_file *file = request->file;
	unsigned int flags = fops->flags;

	switch (request->call.subcmd) {
	case FUSD_POLL_DIFF:
		kfusd_poll_answered(request, retval);
		return;
	case FUSD_READ:
	case FUSD_WRITE:
		kfusd_poll_transferred(file, request->call.subcmd);
		request->reply_offset = fops->offset;
		break;
	default:
		break;
	}
	if (fops->private_info != request->sent_private_info)
		file->private_info = fops->private_info;
	request->changed_flags = (flags ^ request->flags) & REPLY_FLAGS;
	request->reply_flags = flags;
}

static void finish(struct kfusd_device *device, struct kfusd_request *request,
		   const fops_msg_t *fops, ssize_t retval)
{
	bool needs_close;

	spin_lock(&device->lock);
	commit(request, fops, retval);
	needs_close = request->call.subcmd == FUSD_OPEN && request->abandoned &&
		      retval >= 0;
	kfusd_request_complete(request, retval);
	spin_unlock(&device->lock);
	if (needs_close)
		kfusd_send_close(request->file, request->flags, false);
	kfusd_request_put(request);
}

ssize_t kfusd_reply(struct kfusd_device *device, const fusd_msg_t *message,
		    struct iov_iter *data)
{
	const fops_msg_t *fops = &message->parm.fops_msg;
	struct kfusd_request *request;
	ssize_t retval;
	int error;

	/* An unblock is told, not asked; an answer to it is welcome. */
	if (message->subcmd == FUSD_UNBLOCK && message->datalen == 0)
		return sizeof(*message);
	request = claim(device, message);
	if (IS_ERR(request))
		return PTR_ERR(request);
	error = copy_data(request, message->datalen, data);
	if (error) {
		unclaim(device, request);
		return error;
	}
	retval = bounded(request, message);
	if (request->call.subcmd == FUSD_MMAP && retval >= 0) {
		error = kfusd_find_mapping(request, fops->arg.arg,
					   fops->length);
		retval = error;
	}
	finish(device, request, fops, retval);
	return error ? error : (ssize_t)sizeof(*message) + message->datalen;
}

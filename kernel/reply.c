// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * A driver's reply. The driver is untrusted: a message that does not fit its
 * request is an error for the driver and changes nothing; a value that no
 * client may see becomes EIO for the client.
 */
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/uio.h>

#include "operations.h"

/* The flags of an open file that a driver may change. */
#define REPLY_FLAGS (O_NONBLOCK | O_APPEND)

/* How much data a reply may carry, and whether that is all or nothing. */
static bool kfusd_reply_fits(const struct kfusd_request *request,
			     size_t datalen)
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

/*
 * Under device->lock: the request that the driver may answer with message, or
 * ERR_PTR. One that nobody can have an answer to is *refused then: the caller
 * puts it without the lock.
 */
static struct kfusd_request *kfusd_find_answered(struct kfusd_device *device,
						 const fusd_msg_t *message,
						 struct kfusd_request **refused)
{
	const fops_msg_t *fops = &message->parm.fops_msg;
	struct kfusd_request *request =
		kfusd_request_find(device, fops->hint, fops->transid,
				   (unsigned long)fops->fusd_file);

	if (!request)
		return ERR_PTR(-EPIPE);
	if (message->subcmd != request->call.subcmd ||
	    message->cmd != request->cmd + 1 ||
	    !kfusd_reply_fits(request, message->datalen))
		return ERR_PTR(-EINVAL);
	if (kfusd_refuse_parked(request, message->datalen)) {
		*refused = request;
		return ERR_PTR(-EPIPE);
	}
	return request;
}

/* Makes the caller the request's only replier. */
static struct kfusd_request *kfusd_claim_request(struct kfusd_device *device,
						 const fusd_msg_t *message)
{
	struct kfusd_request *request, *refused = NULL;

	spin_lock(&device->lock);
	request = kfusd_find_answered(device, message, &refused);
	if (!IS_ERR(request))
		request->state = KFUSD_REQUEST_REPLYING;
	spin_unlock(&device->lock);
	if (refused)
		kfusd_request_put(refused);
	return request;
}

/* The reply's data did not arrive: the request waits for another reply. */
static void kfusd_unclaim_request(struct kfusd_device *device,
				  struct kfusd_request *request)
{
	bool is_over = false;

	spin_lock(&device->lock);
	request->state = KFUSD_REQUEST_SENT;
	if (device->state == KFUSD_GONE ||
	    (request->abandoned && !kfusd_makes_files(request))) {
		kfusd_request_complete(request, -EPIPE);
		is_over = true;
	}
	spin_unlock(&device->lock);
	if (is_over)
		kfusd_request_put(request);
}

static int kfusd_copy_reply_data(struct kfusd_request *request, size_t datalen,
				 struct iov_iter *data)
{
	int error;

	if (!datalen)
		return 0;
	if (request->call.subcmd == FUSD_READ) {
		error = kfusd_request_make_reply(request, datalen);
		if (error)
			return error;
		request->reply_data = request->data;
	}
	if (!copy_from_iter_full(request->reply_data, datalen, data))
		return -EFAULT;
	request->has_reply_data = true;
	return 0;
}

static bool kfusd_is_errno(ssize_t number)
{
	return (number > 0 && number <= EHWPOISON) || number == EDQUOT;
}

/* The reply's value, held to what its operation can mean. */
static ssize_t kfusd_bound_retval(const struct kfusd_request *request,
				  const fusd_msg_t *message)
{
	const fops_msg_t *fops = &message->parm.fops_msg;
	ssize_t retval = fops->retval;
	short subcmd = request->call.subcmd;

	if (retval < 0)
		return kfusd_is_errno(-retval) ? retval : -EIO;
	if ((subcmd == FUSD_READ || subcmd == FUSD_WRITE) &&
	    fops->offset > LLONG_MAX && !kfusd_is_stream(request->file->device))
		return -EIO;
	switch (subcmd) {
	case FUSD_READ:
		return min_t(size_t, retval, message->datalen);
	case FUSD_WRITE:
		return min_t(size_t, retval, request->length);
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
 * Under device->lock: changes in the open file what the answer changes. Returns
 * whether kfusd_poll_ask() is to be called without the lock.
 */
static bool kfusd_commit_reply(struct kfusd_request *request,
			       const fops_msg_t *fops, ssize_t retval)
{
	struct kfusd_file *file = request->file;
	short subcmd = request->call.subcmd;
	unsigned int flags = fops->flags;

	if (subcmd == FUSD_POLL_DIFF)
		return kfusd_poll_answered(request, retval);
	if (fops->private_info != request->sent_private_info)
		file->private_info = fops->private_info;
	request->changed_flags = (flags ^ request->flags) & REPLY_FLAGS;
	request->reply_flags = flags;
	if (subcmd != FUSD_READ && subcmd != FUSD_WRITE)
		return false;
	request->reply_offset =
		kfusd_is_stream(file->device) ? 0 : fops->offset;
	return kfusd_poll_transferred(file, subcmd);
}

/* Under device->lock: where the answer to a transfer leaves its open file. */
static loff_t kfusd_new_position(const struct kfusd_request *request,
				 const fops_msg_t *fops, ssize_t retval)
{
	if (kfusd_is_stream(request->file->device))
		return 0;
	if (request->call.subcmd == FUSD_POLL_DIFF)
		return request->offset;
	return retval >= 0 && request->is_at_position ? fops->offset :
							request->file_position;
}

/* What is to be done when an answer was taken, without the lock. */
struct kfusd_aftermath {
	bool is_late; /* the client was gone before the answer was whole */
	bool makes_files;
	bool has_to_ask;
	loff_t position;
};

/* Under device->lock. */
static struct kfusd_aftermath kfusd_end_reply(struct kfusd_request *request,
					      const fops_msg_t *fops,
					      ssize_t retval)
{
	struct kfusd_aftermath after = {
		.is_late = request->abandoned,
		.makes_files = kfusd_makes_files(request),
	};

	if (!after.is_late || after.makes_files)
		after.has_to_ask = kfusd_commit_reply(request, fops, retval);
	after.position = kfusd_new_position(request, fops, retval);
	kfusd_request_complete(request, retval);
	if (unlikely(request->is_parked))
		kfusd_parked_answered(request);
	return after;
}

/* Returns 0, or -EPIPE if the answer reached nobody. Puts the request. */
static int kfusd_finish_reply(struct kfusd_request *request, ssize_t retval,
			      const struct kfusd_aftermath *after)
{
	if (unlikely(after->is_late) && request->call.subcmd == FUSD_OPEN &&
	    retval >= 0)
		kfusd_send_close(request->file, request->flags, &request->ids,
				 false);
	if (unlikely(after->has_to_ask))
		kfusd_poll_ask(request->file,
			       request->flags ^ request->changed_flags,
			       after->position, &request->ids);
	kfusd_request_put(request);
	return after->is_late && !after->makes_files ? -EPIPE : 0;
}

/* Takes a reply whose data, if it has any, is with the module: 0 or -errno. */
static int kfusd_take_at_once(struct kfusd_device *device,
			      const fusd_msg_t *message)
{
	struct kfusd_request *request, *refused = NULL;
	struct kfusd_aftermath after;
	ssize_t retval = 0;

	spin_lock(&device->lock);
	request = kfusd_find_answered(device, message, &refused);
	if (!IS_ERR(request) && message->datalen && request->slot < 0)
		request = ERR_PTR(-EINVAL);
	if (!IS_ERR(request)) {
		if (message->datalen && request->call.subcmd == FUSD_READ)
			request->reply_data =
				device->ring->slots[request->slot];
		request->has_reply_data = message->datalen;
		retval = kfusd_bound_retval(request, message);
		/* Unless there is more to do, the driver waits next. */
		request->hands_over = list_empty(&device->queue);
		after = kfusd_end_reply(request, &message->parm.fops_msg,
					retval);
	}
	spin_unlock(&device->lock);
	if (unlikely(refused))
		kfusd_request_put(refused);
	return IS_ERR(request) ? PTR_ERR(request) :
				 kfusd_finish_reply(request, retval, &after);
}

ssize_t kfusd_take_reply(struct kfusd_device *device, const fusd_msg_t *message,
			 struct iov_iter *data)
{
	const fops_msg_t *fops = &message->parm.fops_msg;
	struct kfusd_request *request;
	struct kfusd_aftermath after;
	ssize_t retval;
	int error;

	/* An unblock needs no reply; one is taken, and does nothing. */
	if (message->subcmd == FUSD_UNBLOCK && message->datalen == 0)
		return sizeof(*message);
	if (!data)
		return kfusd_take_at_once(device, message);
	request = kfusd_claim_request(device, message);
	if (IS_ERR(request))
		return PTR_ERR(request);
	error = kfusd_copy_reply_data(request, message->datalen, data);
	if (error) {
		kfusd_unclaim_request(device, request);
		return error;
	}
	retval = kfusd_bound_retval(request, message);
	if (request->call.subcmd == FUSD_MMAP && retval >= 0) {
		error = kfusd_find_mapping(request, fops->arg.arg,
					   fops->length);
		retval = error;
	}
	spin_lock(&device->lock);
	after = kfusd_end_reply(request, fops, retval);
	spin_unlock(&device->lock);
	if (kfusd_finish_reply(request, retval, &after))
		return -EPIPE;
	return error ? error : (ssize_t)sizeof(*message) + message->datalen;
}

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* read(2) and write(2). */
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "operations.h"

/* Changes the flags of the client's struct file that the answer changes. */
static void kfusd_apply_flags(struct file *filp,
			      const struct kfusd_request *request)
{
	unsigned int changed = request->changed_flags;

	if (likely(!changed))
		return;
	spin_lock(&filp->f_lock);
	filp->f_flags =
		(filp->f_flags & ~changed) | (request->reply_flags & changed);
	spin_unlock(&filp->f_lock);
}

ssize_t kfusd_end_call(struct file *filp, struct kfusd_request *request)
{
	ssize_t result = request->retval;

	kfusd_apply_flags(filp, request);
	kfusd_request_put(request);
	return result;
}

struct kfusd_request *kfusd_call_filled(struct kfusd_request *request,
					int error)
{
	if (!error)
		return kfusd_call_driver(request);
	kfusd_request_put(request);
	return ERR_PTR(error);
}

/* A read or write at a position, of at most length bytes. */
static struct kfusd_request *kfusd_new_transfer(struct file *filp, short subcmd,
						loff_t position, size_t length)
{
	struct kfusd_file *file = filp->private_data;
	struct kfusd_request *request;

	length = min_t(size_t, length, kfusd_max_transfer(file->device));
	request = kfusd_request_new(file, subcmd, length, filp->f_flags);
	if (!IS_ERR(request)) {
		/* splice and AIO pass one on for a stream, too. */
		if (kfusd_is_stream(file->device))
			position = 0;
		request->offset = position;
		request->file_position = filp->f_pos;
		request->is_at_position = position == filp->f_pos;
	}
	return request;
}

struct kfusd_request *kfusd_call_read(struct file *filp, loff_t position,
				      size_t length)
{
	struct kfusd_request *request =
		kfusd_new_transfer(filp, FUSD_READ, position, length);

	if (IS_ERR(request))
		return request;
	kfusd_request_take_slot(request, request->length);
	return kfusd_call_driver(request);
}

ssize_t kfusd_end_read(struct file *filp, struct kfusd_request *answer,
		       size_t consumed, loff_t *position)
{
	if (answer->retval < 0)
		return kfusd_end_call(filp, answer);
	kfusd_apply_flags(filp, answer);
	if (consumed == answer->retval) {
		*position = answer->reply_offset;
		kfusd_request_put(answer);
		return consumed;
	}
	if (answer->reply_offset >= answer->offset + (loff_t)consumed)
		*position = answer->offset + consumed;
	kfusd_keep_answer(answer, consumed);
	return consumed ? consumed : -EFAULT;
}

/* Whether a read can be given descriptors: by a thread with a table of them. */
static bool kfusd_takes_descriptors(const struct iov_iter *to,
				    const struct kfusd_request *answer)
{
	return !iov_iter_is_kvec(to) && !(current->flags & PF_KTHREAD) &&
	       iov_iter_count(to) >= answer->retval;
}

/*
 * An answer with descriptors is taken whole. If that is not possible it is kept
 * for whoever reads next, unless their numbers have no place in it.
 */
static ssize_t kfusd_read_descriptors(struct kiocb *iocb, struct iov_iter *to,
				      struct kfusd_request *answer)
{
	struct file *filp = iocb->ki_filp;
	const size_t size = answer->retval;
	int error = -EINVAL;

	if (kfusd_takes_descriptors(to, answer))
		error = kfusd_reserve_numbers(answer);
	if (error && error != -EIO) {
		kfusd_keep_answer(answer, 0);
		return error;
	}
	if (!error)
		error = kfusd_make_files(filp, answer);
	if (!error && copy_to_iter(answer->reply_data, size, to) != size)
		error = -EFAULT;
	kfusd_end_descriptors(answer, error);
	if (!error)
		return kfusd_end_read(filp, answer, size, &iocb->ki_pos);
	kfusd_request_put(answer);
	return error;
}

/* 0, or -EAGAIN if the client is not to wait and would, or -ERESTARTSYS. */
static int kfusd_may_send(const struct kiocb *iocb, short subcmd, size_t length)
{
	const bool is_nowait = iocb->ki_flags & IOCB_NOWAIT;

	if (likely(!is_nowait && !(iocb->ki_filp->f_flags & O_NONBLOCK)))
		return 0;
	return kfusd_check_ready(iocb->ki_filp, subcmd, length, !is_nowait);
}

ssize_t kfusd_client_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *filp = iocb->ki_filp;
	int error = kfusd_may_send(iocb, FUSD_READ, iov_iter_count(to));
	struct kfusd_request *answer;
	size_t copied = 0;

	if (error)
		return error;
	answer = kfusd_call_read(filp, iocb->ki_pos, iov_iter_count(to));
	if (IS_ERR(answer))
		return PTR_ERR(answer);
	if (unlikely(answer->descriptors) && answer->retval >= 0)
		return kfusd_read_descriptors(iocb, to, answer);
	if (answer->retval > 0)
		copied = copy_to_iter(answer->reply_data, answer->retval, to);
	return kfusd_end_read(filp, answer, copied, &iocb->ki_pos);
}

/* Fetches what the client writes into the request. */
static int kfusd_take_written_data(struct kfusd_request *request,
				   struct iov_iter *from)
{
	int error = 0;

	if (!request->length)
		return 0;
	request->data = kfusd_request_take_slot(request, request->length);
	if (!request->data)
		error = kfusd_request_make_data(request, request->length);
	if (error)
		return error;
	if (!copy_from_iter_full(request->data, request->length, from))
		return -EFAULT;
	request->datalen = request->length;
	return 0;
}

ssize_t kfusd_client_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *filp = iocb->ki_filp;
	int error = kfusd_may_send(iocb, FUSD_WRITE, iov_iter_count(from));
	struct kfusd_request *request;

	if (error)
		return error;
	request = kfusd_new_transfer(filp, FUSD_WRITE, iocb->ki_pos,
				     iov_iter_count(from));
	if (IS_ERR(request))
		return PTR_ERR(request);
	request = kfusd_call_filled(request,
				    kfusd_take_written_data(request, from));
	if (IS_ERR(request))
		return PTR_ERR(request);
	if (request->retval >= 0)
		iocb->ki_pos = request->reply_offset;
	return kfusd_end_call(filp, request);
}

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * splice(2) from a device into a pipe.
 *
 * The kernel calls with the pipe locked, and other users of the pipe wait for
 * its lock without signals. So the lock is let go of while the driver is asked.
 * The pipe may have been filled meanwhile; then the call waits for room, as a
 * write to the pipe does.
 */
#include <linux/mm.h>
#include <linux/pipe_fs_i.h>
#include <linux/sched.h>
#include <linux/splice.h>

#include "operations.h"

static bool kfusd_has_room(const struct pipe_inode_info *pipe)
{
	return !READ_ONCE(pipe->readers) ||
	       !pipe_full(READ_ONCE(pipe->head), READ_ONCE(pipe->tail),
			  READ_ONCE(pipe->max_usage));
}

/* With the pipe locked: waits until it has room or no reader. */
static int kfusd_await_room(struct pipe_inode_info *pipe)
{
	int error = 0;

	while (!error && !kfusd_has_room(pipe)) {
		/* For what was added: the kernel wakes them at the end only. */
		wake_up_interruptible_all(&pipe->rd_wait);
		pipe_unlock(pipe);
		error = wait_event_interruptible(pipe->wr_wait,
						 kfusd_has_room(pipe));
		pipe_lock(pipe);
	}
	return error;
}

/* Puts a copy of length bytes of data into the pipe; 0 or -errno. */
static int kfusd_add_page(struct pipe_inode_info *pipe, const void *data,
			  size_t length)
{
	struct pipe_buffer buffer = {
		.len = length,
		.ops = &nosteal_pipe_buf_ops,
	};
	ssize_t result;

	buffer.page = alloc_page(GFP_USER | __GFP_ACCOUNT);
	if (!buffer.page)
		return -ENOMEM;
	memcpy(page_address(buffer.page), data, length);
	/* add_to_pipe() takes over the page, and frees it if it fails. */
	result = add_to_pipe(pipe, &buffer);
	return result < 0 ? result : 0;
}

/* Moves an answer's data into the pipe; how much of it went there. */
static size_t kfusd_fill_pipe(struct pipe_inode_info *pipe,
			      const struct kfusd_request *answer, bool may_wait,
			      int *error)
{
	size_t size = max_t(ssize_t, answer->retval, 0);
	const u8 *data = answer->reply_data;
	size_t given = 0, length;

	*error = 0;
	while (given < size) {
		length = min_t(size_t, size - given, PAGE_SIZE);
		if (may_wait)
			*error = kfusd_await_room(pipe);
		if (!*error)
			*error = kfusd_add_page(pipe, data + given, length);
		if (*error)
			break;
		given += length;
	}
	return given;
}

ssize_t kfusd_client_splice_read(struct file *filp, loff_t *position,
				 struct pipe_inode_info *pipe, size_t length,
				 unsigned int flags)
{
	/* sendfile(2)'s own pipe, which nobody else has, is not locked. */
	const bool is_shared = pipe != current->splice_pipe;
	const bool is_nonblocking =
		flags & SPLICE_F_NONBLOCK || filp->f_flags & O_NONBLOCK;
	struct kfusd_request *answer;
	ssize_t result;
	size_t given;
	int error;

	length = min_t(size_t, length, pipe->max_usage * PAGE_SIZE);
	if (is_shared)
		pipe_unlock(pipe);
	error = is_nonblocking ?
			kfusd_check_ready(filp, FUSD_READ, length, true) :
			0;
	answer = error ? ERR_PTR(error) :
			 kfusd_call_read(filp, *position, length);
	if (is_shared)
		pipe_lock(pipe);
	if (IS_ERR(answer))
		return PTR_ERR(answer);
	if (unlikely(answer->descriptors) && answer->retval >= 0) {
		/* A pipe carries none; a read may come. */
		kfusd_keep_answer(answer, 0);
		return -EINVAL;
	}
	given = kfusd_fill_pipe(pipe, answer,
				is_shared && !(flags & SPLICE_F_NONBLOCK),
				&error);
	result = kfusd_end_read(filp, answer, given, position);
	/* Data that does not fit is kept for the file's next read. */
	return error && !given ? error : result;
}

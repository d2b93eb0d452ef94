// SPDX-License-Identifier: BSD-3-Clause
/*
 * FUSE's open, release, read and write as FUSD's requests, and what an answer
 * does to the open file.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>

#include "ioctl.h"
#include "operation.h"
#include "own_request.h"
#include "passthrough.h"
#include "poll.h"
#include "proc.h"

/* Since Linux 5.16; older kernels take no notice. */
#ifndef FOPEN_NOFLUSH
#define FOPEN_NOFLUSH (1 << 5)
#endif

/* True once for a device: the first time that its own process opens it. */
static bool is_first_own_open(fuse_req_t fuse, struct fusd_session *session)
{
	return !session->has_own_client &&
	       fusd_is_own_thread(fuse_req_ctx(fuse)->pid) &&
	       !atomic_exchange(&session->has_own_client, true);
}

/*
 * A thread that waits for its own process is not to outlive that, nor may it
 * wait while the guard starts: a kill would find it unguarded. A request that
 * was not received yet ends with its client. So the open is sent away first, by
 * ESTALE, at which the kernel asks once more (do_filp_open(), fs/namei.c).
 */
static void guard_client(fuse_req_t fuse, struct fusd_device *device)
{
	fuse_reply_err(fuse, ESTALE);
	fusd_own_request_seen(device);
	fusd_session_guard(device);
}

void fusd_operation_open(fuse_req_t fuse, struct fuse_file_info *info)
{
	struct fusd_device *device = fuse_req_userdata(fuse);
	struct fusd_session *session = fusd_session_of(device);
	struct fusd_open_file *file;
	struct fusd_request *request;

	if (is_first_own_open(fuse, session)) {
		guard_client(fuse, device);
		return;
	}
	file = fusd_open_file_new((unsigned long)info->flags);
	if (!file) {
		fuse_reply_err(fuse, ENOMEM);
		return;
	}
	request = fusd_session_begin(fuse, FUSD_OPEN, file);
	fusd_session_lock(request);
	fusd_open_file_link(file, &session->files);
	fusd_session_finish(request);
	fusd_session_unlock(request);
}

void fusd_operation_release(fuse_req_t fuse, struct fuse_file_info *info)
{
	struct fusd_open_file *file = fusd_session_file(info);
	struct fusd_request *request =
		fusd_session_begin(fuse, FUSD_CLOSE, file);
	struct fusd_request *poll_request;
	struct fuse_pollhandle *handle;

	fusd_session_lock(request);
	/* The client may have changed them with fcntl(F_SETFL). */
	file->flags = (unsigned long)info->flags;
	poll_request = fusd_poll_detach(file);
	handle = file->poll_handle;
	file->poll_handle = NULL;
	fusd_session_finish(request);
	fusd_session_unlock(request);
	if (handle)
		fuse_pollhandle_destroy(handle);
	fusd_poll_end(poll_request);
}

/*
 * CUSE always passes the offset 0, and FUSE passes the file's size for
 * O_APPEND.
 */
static bool is_sequential(const struct fusd_request *request)
{
	return fusd_session_of(request->device)->has_no_offsets ||
	       (request->msg.subcmd == FUSD_WRITE &&
		(request->sent_flags & O_APPEND));
}

/* A transfer's offset, as its callback is to see it. */
static void set_position(struct fusd_request *request)
{
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	fops->offset = 0;
	if (!request->device->is_stream)
		fops->offset = (unsigned long)fusd_position_begin(
			fuse_part(request)->open_file->positions,
			fuse_part(request)->kernel_offset,
			is_sequential(request));
}

static struct fusd_request *begin_transfer(int subcmd, uint64_t file)
{
	return fusd_session_begin(NULL, subcmd,
				  (struct fusd_open_file *)(uintptr_t)file);
}

static void finish_transfer(struct fusd_request *request, size_t size,
			    uint64_t offset, uint32_t flags)
{
	struct fusd_open_file *file = fuse_part(request)->open_file;
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	fops->length = size;
	fuse_part(request)->kernel_offset = offset;
	fusd_session_lock(request);
	/* The client may have changed them with fcntl(F_SETFL). */
	file->flags = flags;
	fusd_session_finish(request);
	set_position(request);
	fusd_session_unlock(request);
}

void fusd_operation_read(const struct fuse_read_in *asked)
{
	struct fusd_request *request = begin_transfer(FUSD_READ, asked->fh);
	size_t size = asked->size;

	if (size > request->device->max_transfer)
		size = request->device->max_transfer;
	fusd_payload_isolate(request, fuse_part(request)->open_file->id, size);
	finish_transfer(request, size, asked->offset, asked->flags);
}

void fusd_operation_write(const struct fuse_write_in *asked)
{
	struct fusd_request *request = begin_transfer(FUSD_WRITE, asked->fh);
	size_t size = asked->size;

	/* What follows asked is the payload. */
	fusd_payload_overwritten(request, fuse_part(request)->open_file->id,
				 size);
	if (size > request->device->max_transfer)
		size = request->device->max_transfer;
	request->data[size] = 0;
	request->msg.datalen = (int)size;
	finish_transfer(request, size, asked->offset, asked->flags);
}

static void finish_call(struct fusd_request *request)
{
	fusd_session_lock(request);
	fusd_session_finish(request);
	fusd_session_unlock(request);
}

void fusd_operation_seek(fuse_req_t fuse, off_t offset, int whence,
			 struct fuse_file_info *info)
{
	struct fusd_request *request =
		fusd_session_begin(fuse, FUSD_SEEK, fusd_session_file(info));
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	fops->cmd = (unsigned int)whence;
	fops->arg.arg = (unsigned long)offset;
	finish_call(request);
}

/*
 * A client that exits gets no signal any more, and could not be killed while it
 * waits: it goes on at once, and the driver is told. First the request is on
 * its device's lists, where a close finds it.
 */
void fusd_operation_flush(fuse_req_t fuse, struct fuse_file_info *info)
{
	struct fusd_request *request =
		fusd_session_begin(fuse, FUSD_FLUSH, fusd_session_file(info));

	const bool is_exit =
		fusd_proc_is_exiting(request->msg.parm.fops_msg.pid);

	if (is_exit) {
		fuse_part(request)->fuse = NULL;
		fuse_part(request)->unique = 0;
	}
	finish_call(request);
	if (is_exit)
		fuse_reply_err(fuse, 0);
}

void fusd_operation_sync(fuse_req_t fuse, int datasync,
			 struct fuse_file_info *info)
{
	struct fusd_request *request =
		fusd_session_begin(fuse, FUSD_FSYNC, fusd_session_file(info));

	request->msg.parm.fops_msg.cmd = datasync ? 1 : 0;
	finish_call(request);
}

/* Its open file; NULL if unregister, or a newer poll_diff, came first. */
static struct fusd_open_file *pending_file(const struct fusd_request *request)
{
	return request->state == FUSD_REQUEST_PENDING ?
		       fuse_part(request)->open_file :
		       NULL;
}

void fusd_operation_refresh(struct fusd_request *request)
{
	struct fusd_session *session = fusd_session_of(request->device);
	fops_msg_t *fops = &request->msg.parm.fops_msg;
	struct fusd_descriptor found = { .thread = 0 };
	struct fusd_open_file *file;
	bool is_found;

	fusd_session_lock(request);
	file = pending_file(request);
	if (file)
		found = file->descriptor;
	fusd_session_unlock(request);
	found.flags = fops->flags;
	is_found = fusd_client_descriptor(
		fops->pid, request->msg.subcmd != FUSD_POLL_DIFF,
		&session->node, &session->descriptor_file, &found);
	fusd_session_lock(request);
	file = pending_file(request);
	if (file && is_found) {
		file->descriptor = found;
		file->flags = found.flags;
		fops->flags = request->sent_flags = found.flags;
		if (!request->device->is_stream)
			fops->offset = (unsigned long)fusd_position_begin(
				file->positions, found.position,
				session->has_no_offsets);
	}
	fusd_session_unlock(request);
}

/* As if it had been received only now: others may have been answered since. */
void fusd_operation_renew(struct fusd_request *request)
{
	struct fusd_open_file *file = fuse_part(request)->open_file;
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	if (!file)
		return;
	fops->flags = request->sent_flags = file->flags;
	fops->private_info = request->sent_private_info = file->private_info;
	if (request->msg.subcmd == FUSD_READ ||
	    request->msg.subcmd == FUSD_WRITE)
		set_position(request);
	if (request->msg.subcmd == FUSD_POLL_DIFF)
		fusd_poll_refresh(request);
}

/* struct fuse_open_out, whose last field had another name before Linux 6.9. */
struct open_answer {
	uint64_t file;
	uint32_t flags;
	int32_t backing_id;
};

_Static_assert(sizeof(struct open_answer) == sizeof(struct fuse_open_out),
	       "the kernel's message has one size");

/* Flags that not every libfuse has a field for. */
static int reply_open_with(fuse_req_t fuse, const struct fuse_file_info *info,
			   uint32_t flags, int backing_id)
{
	const struct open_answer answer = {
		.file = info->fh,
		.flags = FOPEN_DIRECT_IO | flags |
			 (info->noflush ? FOPEN_NOFLUSH : 0),
		.backing_id = backing_id,
	};

	return fuse_reply_buf(fuse, (const char *)&answer, sizeof(answer));
}

/*
 * Whether the kernel is to tell of each close(2). Not of those of the driver's
 * own process: who waits for a flush cannot be killed, and a thread that serves
 * the device would wait for itself; so would a process that ends.
 */
static bool wants_flush(const struct fusd_request *request)
{
	return request->device->ops.flush &&
	       !fusd_is_own_thread(request->msg.parm.fops_msg.pid);
}

/* ENOSYS would tell the kernel to never ask again, and succeed. */
static int client_error(ssize_t retval)
{
	return retval == -ENOSYS ? EOPNOTSUPP : (int)-retval;
}

static int reply_open(struct fusd_request *request, fuse_req_t fuse,
		      ssize_t retval)
{
	struct fusd_open_file *file = fuse_part(request)->open_file;
	const int backing_id = fusd_session_of(request->device)->backing_id;
	struct fuse_file_info info = {
		.flags = (int)file->flags,
		.fh = (uint64_t)(uintptr_t)file,
		.direct_io = 1,
		.noflush = !wants_flush(request),
	};

	/* CUSE takes no notice of any of these. */
	if (retval >= 0 && request->device->is_stream)
		return reply_open_with(fuse, &info, FOPEN_STREAM, 0);
	if (retval >= 0 && backing_id)
		return reply_open_with(fuse, &info, FOPEN_PASSTHROUGH,
				       backing_id);
	if (retval >= 0)
		return fuse_reply_open(fuse, &info);
	fusd_session_lock(request);
	fusd_open_file_unlink(file);
	fusd_session_unlock(request);
	fusd_open_file_free(file);
	return fuse_reply_err(fuse, client_error(retval));
}

static int reply_close(struct fusd_request *request, fuse_req_t fuse)
{
	fusd_session_lock(request);
	fusd_open_file_unlink(fuse_part(request)->open_file);
	fusd_session_unlock(request);
	fusd_open_file_free(fuse_part(request)->open_file);
	return fuse_reply_err(fuse, 0);
}

void fusd_operation_commit(struct fusd_request *request)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;
	struct fusd_open_file *file = fuse_part(request)->open_file;
	short operation = request->msg.subcmd;

	if (operation == FUSD_POLL_DIFF) {
		fusd_poll_answered(request, fops->retval);
		return;
	}
	if (operation == FUSD_UNBLOCK)
		return;
	if (fops->private_info != request->sent_private_info)
		file->private_info = fops->private_info;
	if (fops->flags != request->sent_flags)
		file->flags = fops->flags;
	if (operation == FUSD_SEEK && fops->retval >= 0)
		fusd_position_set(file->positions, fops->retval);
	if (operation != FUSD_READ && operation != FUSD_WRITE)
		return;
	if (operation == FUSD_READ) {
		bool is_full = fops->retval == (ssize_t)fops->length;

		file->full_thread = is_full ? fops->pid : 0;
		file->full_end =
			fuse_part(request)->kernel_offset + fops->length;
	}
	fusd_poll_transferred(request);
	if (fops->retval >= 0 && !request->device->is_stream)
		fusd_position_end(file->positions,
				  fuse_part(request)->kernel_offset,
				  (size_t)fops->retval, (loff_t)fops->offset,
				  is_sequential(request));
}

static int reply_write(struct fusd_request *request, ssize_t retval)
{
	const struct fuse_write_out count = { .size = (uint32_t)retval };

	return retval < 0 ?
		       fusd_session_answer(request, (int)-retval, NULL, 0) :
		       fusd_session_answer(request, 0, &count, sizeof(count));
}

static int send_reply(struct fusd_request *request, const void *data,
		      size_t length)
{
	ssize_t retval = request->msg.parm.fops_msg.retval;
	fuse_req_t fuse = fuse_part(request)->fuse;

	switch (request->msg.subcmd) {
	case FUSD_OPEN:
		return reply_open(request, fuse, retval);
	case FUSD_CLOSE:
		return reply_close(request, fuse);
	case FUSD_IOCTL:
		return fusd_ioctl_reply(request, retval);
	case FUSD_SEEK:
		return retval < 0 ? fuse_reply_err(fuse, client_error(retval)) :
				    fuse_reply_lseek(fuse, retval);
	case FUSD_FLUSH:
	case FUSD_FSYNC:
		return fuse ? fuse_reply_err(fuse, client_error(retval)) :
			      -EPIPE;
	case FUSD_READ:
		return fusd_session_answer(
			request, retval < 0 ? (int)-retval : 0, data, length);
	default:
		return reply_write(request, retval);
	}
}

int fusd_operation_reply(struct fusd_request *request, const void *data,
			 size_t length)
{
	struct fusd_request *interrupted = fuse_part(request)->interrupts;

	if (request->msg.subcmd == FUSD_POLL_DIFF)
		return fusd_poll_reply(request);
	if (request->msg.subcmd == FUSD_UNBLOCK) {
		/* The driver had its chance to answer; FUSE cannot restart. */
		fusd_request_fail(interrupted, EINTR);
		fusd_request_put(interrupted);
		return 0;
	}
	/* First: once the transfer returned, no wake-up is to come. */
	fusd_poll_wake(request);
	return send_reply(request, data, length) ? -EPIPE : 0;
}

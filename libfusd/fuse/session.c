// SPDX-License-Identifier: BSD-3-Clause
/*
 * FUSE and CUSE requests as FUSD messages, and the answers back.
 *
 * A message is read straight into a request's memory block, at such a place
 * that a write's data begins on a page and is handed to the callback where it
 * is. libfuse decodes the message and answers it; it never sees the block
 * again after fuse_session_process_buf().
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "open_file.h"

/*
 * What the kernel is asked to send at most: one page more than a FUSD transfer
 * carries. A longer transfer then arrives with more than MAX_RW_SIZE bytes,
 * wherever in a page the client's buffer begins, is cut, and the client's call
 * returns short, as it does in FUSD.
 */
#define MAX_KERNEL_TRANSFER FUSD_BLOCK_DATA

/* The message this thread is handing to libfuse; NULL outside of that. */
struct receiving {
	struct fusd_device *device;
	struct fusd_request *request; /* NULL once it went to an operation */
	struct fusd_request *result;
	struct fusd_request *interrupted; /* a reference */
};
static _Thread_local struct receiving *receiving;

/* Devices share the pool of memory blocks, so no two files share an id. */
static _Atomic uint64_t last_file_id;

struct fusd_open_file *fusd_session_file(const struct fuse_file_info *info)
{
	return (struct fusd_open_file *)(uintptr_t)info->fh;
}

static struct fusd_session *device_session(struct fusd_device *device)
{
	return device->transport_data;
}

/* libfuse writes to stderr unless told otherwise; a library must not. */
__attribute__((format(printf, 2, 0))) static void
log_of_libfuse(enum fuse_log_level level, const char *format, va_list arguments)
{
	char message[512];

	vsnprintf(message, sizeof(message), format, arguments);
	message[strcspn(message, "\n")] = 0;
	/* The levels are those of syslog(3). */
	fusd_log((int)level, "%s", message);
}

void fusd_session_redirect_log(void)
{
	fuse_set_log_func(log_of_libfuse);
}

void fusd_session_init(struct fusd_device *device, struct fuse_conn_info *conn)
{
	/*
	 * Ends libfuse's own loop, which nobody is in, and its complaints on
	 * standard error of answers that nobody waits for any more, which
	 * bypass its log.
	 */
	fuse_session_exit(device_session(device)->fuse);
	conn->max_write = MAX_KERNEL_TRANSFER;
	conn->max_readahead = 0;
	/* Messages are read and answered without pipes: splice is slower. */
	conn->want &=
		~(unsigned int)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				FUSE_CAP_SPLICE_MOVE);
}

struct fusd_request *fusd_session_new_request(struct fusd_device *device)
{
	struct fusd_request *request = fusd_request_new(device);
	struct fuse_request *part = fuse_part(request);

	if (!request)
		return NULL;
	part->fuse = NULL;
	part->open_file = NULL;
	part->poll_handle = NULL;
	part->poll_woken = NULL;
	part->poll_round = 0;
	part->poll_is_same = false;
	part->held = false;
	atomic_init(&part->interrupted, false);
	part->interrupts = NULL;
	return request;
}

struct fusd_request *fusd_session_begin(fuse_req_t fuse, int subcmd,
					struct fusd_open_file *file)
{
	const struct fuse_ctx *caller = fuse_req_ctx(fuse);
	struct fusd_request *request = receiving->request;
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	receiving->request = NULL;
	receiving->result = request;
	fuse_part(request)->fuse = fuse;
	fuse_part(request)->open_file = file;
	memset(&request->msg, 0, sizeof(request->msg));
	request->msg.magic = FUSD_MSG_MAGIC;
	request->msg.cmd = FUSD_FOPS_CALL;
	request->msg.subcmd = (short)subcmd;
	fops->pid = caller->pid;
	fops->uid = caller->uid;
	fops->gid = caller->gid;
	fops->device_info = request->device->device_info;
	request->data = request->payload;
	return request;
}

void fusd_session_finish(struct fusd_request *request)
{
	struct fusd_open_file *file = fuse_part(request)->open_file;
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	fops->flags = request->sent_flags = file->flags;
	fops->private_info = request->sent_private_info = file->private_info;
	fops->offset = (unsigned long)file->positions[0].driver;
	fusd_request_received(request, file->id);
}

void fusd_session_lock(struct fusd_request *request)
{
	pthread_mutex_lock(&request->device->lock);
}

void fusd_session_unlock(struct fusd_request *request)
{
	pthread_mutex_unlock(&request->device->lock);
}

/* A thread that waits for its own process is not to outlive that. */
static void guard_client(struct fusd_session *session,
			 struct fusd_device *device, pid_t client)
{
	if (session->is_guarded || !fusd_is_own_thread(client) ||
	    atomic_exchange(&session->is_guarded, true))
		return;
	fusd_own_request_seen(device);
	if (session->name_connection(device, session->connection))
		fusd_own_client_guard(session->connection);
}

void fusd_session_open(fuse_req_t fuse, struct fuse_file_info *info)
{
	struct fusd_session *session = device_session(receiving->device);
	struct fusd_open_file *file = calloc(1, sizeof(*file));
	struct fusd_request *request;

	if (!file) {
		fuse_reply_err(fuse, ENOMEM);
		return;
	}
	guard_client(session, receiving->device, fuse_req_ctx(fuse)->pid);
	file->flags = (unsigned long)info->flags;
	file->id = ++last_file_id;
	request = fusd_session_begin(fuse, FUSD_OPEN, file);
	fusd_session_lock(request);
	file->next = session->files;
	file->link = &session->files;
	if (file->next)
		file->next->link = &file->next;
	session->files = file;
	fusd_session_finish(request);
	fusd_session_unlock(request);
}

static void free_file(struct fusd_open_file *file)
{
	fusd_ioctl_forget(file);
	free(file);
}

/* Under the device's lock. */
static void unlink_file(struct fusd_open_file *file)
{
	*file->link = file->next;
	if (file->next)
		file->next->link = file->link;
}

void fusd_session_release(fuse_req_t fuse, struct fuse_file_info *info)
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
	return device_session(request->device)->has_no_offsets ||
	       (request->msg.subcmd == FUSD_WRITE &&
		(request->sent_flags & O_APPEND));
}

/* A read or a write. */
static void finish_transfer(struct fusd_request *request, size_t size,
			    off_t offset, const struct fuse_file_info *info)
{
	struct fusd_open_file *file = fuse_part(request)->open_file;
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	fops->length = size;
	fuse_part(request)->kernel_offset = (uint64_t)offset;
	fusd_session_lock(request);
	/* The client may have changed them with fcntl(F_SETFL). */
	file->flags = (unsigned long)info->flags;
	fusd_session_finish(request);
	fops->offset = (unsigned long)fusd_position_begin(
		file, fuse_part(request)->kernel_offset,
		is_sequential(request));
	fusd_session_unlock(request);
}

void fusd_session_read(fuse_req_t fuse, size_t size, off_t offset,
		       struct fuse_file_info *info)
{
	struct fusd_request *request =
		fusd_session_begin(fuse, FUSD_READ, fusd_session_file(info));

	if (size > MAX_RW_SIZE)
		size = MAX_RW_SIZE;
	fusd_payload_isolate(request, fuse_part(request)->open_file->id, size);
	finish_transfer(request, size, offset, info);
}

void fusd_session_write(fuse_req_t fuse, const char *data, size_t size,
			off_t offset, struct fuse_file_info *info)
{
	struct fusd_request *request =
		fusd_session_begin(fuse, FUSD_WRITE, fusd_session_file(info));

	if (data == request->payload)
		fusd_payload_overwritten(
			request, fuse_part(request)->open_file->id, size);
	if (size > MAX_RW_SIZE)
		size = MAX_RW_SIZE;
	/* In the same block, which goes on for a page after the message. */
	request->data = (char *)data;
	request->data[size] = 0;
	request->msg.datalen = (int)size;
	finish_transfer(request, size, offset, info);
}

/* Its open file; NULL if unregister, or a newer poll_diff, came first. */
static struct fusd_open_file *pending_file(const struct fusd_request *request)
{
	return request->state == FUSD_REQUEST_PENDING ?
		       fuse_part(request)->open_file :
		       NULL;
}

void fusd_session_refresh(struct fusd_request *request)
{
	struct fusd_session *session = device_session(request->device);
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
		fops->pid, request->msg.subcmd == FUSD_IOCTL, &session->node,
		&session->descriptor_file, &found);
	fusd_session_lock(request);
	file = pending_file(request);
	if (file && is_found) {
		file->descriptor = found;
		file->flags = found.flags;
		fops->flags = request->sent_flags = found.flags;
		fops->offset = (unsigned long)fusd_position_begin(
			file, found.position, session->has_no_offsets);
	}
	fusd_session_unlock(request);
}

/* Called by libfuse, with its lock of the request held. */
static void on_interrupt(fuse_req_t fuse, void *data)
{
	struct fusd_request *request = data;

	(void)fuse;
	/* Else this thread is in fusd_session_hold(), after the signal. */
	if (receiving) {
		request->references++;
		receiving->interrupted = request;
	} else {
		fuse_part(request)->interrupted = true;
	}
}

/*
 * The kernel makes several requests of a read that has more pieces, or is
 * longer, than it can put into one. True of the second and later ones of a
 * client's call. A write is left to wait: its data would come again. Under the
 * device's lock.
 */
static bool goes_on(const struct fusd_request *request)
{
	const struct fusd_session *session = device_session(request->device);
	const struct fusd_open_file *file = fuse_part(request)->open_file;

	if (request->msg.subcmd != FUSD_READ)
		return false;
	/* CUSE counts from 0 in each call. */
	if (session->has_no_offsets)
		return fuse_part(request)->kernel_offset > 0;
	return file->full_thread == request->msg.parm.fops_msg.pid &&
	       file->full_end == fuse_part(request)->kernel_offset &&
	       fusd_client_goes_on(file->full_thread,
				   fuse_part(request)->kernel_offset,
				   &session->node, request->sent_flags);
}

static bool is_interruptible(const struct fusd_request *request)
{
	const short operation = request->msg.subcmd;

	return fuse_part(request)->fuse &&
	       (operation == FUSD_OPEN || operation == FUSD_READ ||
		operation == FUSD_WRITE || operation == FUSD_IOCTL);
}

bool fusd_session_queued(struct fusd_request *request)
{
	if (is_interruptible(request))
		fuse_req_interrupt_func(fuse_part(request)->fuse, on_interrupt,
					request);
	return fuse_part(request)->interrupted;
}

/* As if it had been received only now: others may have been answered since. */
static void refresh(struct fusd_request *request)
{
	struct fusd_open_file *file = fuse_part(request)->open_file;
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	if (!file)
		return;
	fops->flags = request->sent_flags = file->flags;
	fops->private_info = request->sent_private_info = file->private_info;
	if (request->msg.subcmd == FUSD_READ ||
	    request->msg.subcmd == FUSD_WRITE)
		fops->offset = (unsigned long)fusd_position_begin(
			file, fuse_part(request)->kernel_offset,
			is_sequential(request));
	if (request->msg.subcmd == FUSD_POLL_DIFF)
		fusd_poll_refresh(request);
}

void fusd_session_dequeued(struct fusd_request *request)
{
	/* Who answers it takes the lock first. */
	if (is_interruptible(request))
		fuse_req_interrupt_func(fuse_part(request)->fuse, NULL, NULL);
	refresh(request);
}

bool fusd_session_hold(struct fusd_request *request)
{
	fuse_part(request)->held = true;
	if (request->msg.subcmd == FUSD_POLL_DIFF) {
		fusd_poll_hold(request);
		return false;
	}
	if (fuse_part(request)->fuse)
		fuse_req_interrupt_func(fuse_part(request)->fuse, on_interrupt,
					request);
	/* Who has got something does not wait for more, as if interrupted. */
	return fuse_part(request)->interrupted || goes_on(request);
}

static struct fusd_request *make_unblock(struct fusd_request *request,
					 struct fusd_request *interrupted)
{
	bool pending;

	fuse_part(request)->open_file = NULL;
	fusd_session_lock(request);
	pending = interrupted->state != FUSD_REQUEST_ANSWERED;
	if (pending) {
		request->msg = interrupted->msg;
		request->msg.cmd = FUSD_FOPS_CALL;
		request->msg.subcmd = FUSD_UNBLOCK;
		request->msg.datalen = 0;
		request->data = request->payload;
		fuse_part(request)->interrupts = interrupted;
		request->sent_private_info = interrupted->sent_private_info;
		request->msg.parm.fops_msg.private_info =
			fuse_part(interrupted)->open_file->private_info;
		fusd_request_received(request, interrupted->file_id);
		request->msg.parm.fops_msg.transid =
			interrupted->msg.parm.fops_msg.transid;
	}
	fusd_session_unlock(request);
	return pending ? request : NULL;
}

struct fusd_request *fusd_session_unblock(struct fusd_request *interrupted)
{
	struct fusd_request *request =
		fusd_session_new_request(interrupted->device);
	struct fusd_request *unblock = NULL;

	if (request)
		unblock = make_unblock(request, interrupted);
	if (unblock)
		return unblock;
	if (request) {
		fusd_request_put(request);
		fusd_request_put(request);
	} else {
		fusd_request_fail(interrupted, EINTR);
	}
	fusd_request_put(interrupted);
	return NULL;
}

/*
 * The client of a request got a signal. What the driver is to be called for
 * now, an unblock as a rule, or NULL.
 */
static struct fusd_request *interrupt(struct fusd_request *request)
{
	struct fusd_request *close;
	bool held;

	if (fusd_queue_remove(request)) {
		close = fusd_request_drop(request, EINTR);
		fusd_request_put(request);
		return close;
	}
	fusd_session_lock(request);
	held = fuse_part(request)->held;
	/* A dispatcher has just taken it: seen when it is held. */
	if (!held)
		fuse_part(request)->interrupted = true;
	fusd_session_unlock(request);
	if (held)
		return fusd_session_unblock(request);
	fusd_request_put(request);
	return NULL;
}

int fusd_session_receive_message(struct fusd_device *device,
				 struct fusd_request **request)
{
	struct receiving context = { .device = device };
	struct fuse_buf message = { 0 };
	ssize_t size;
	int error;

	context.request = fusd_session_new_request(device);
	if (!context.request)
		return -ENOMEM;
	message.mem = context.request->payload - FUSD_MESSAGE_HEADERS;
	size = read(device->fd, message.mem, FUSD_MESSAGE_SIZE);
	if (size > 0) {
		message.size = (size_t)size;
		receiving = &context;
		fuse_session_process_buf(device_session(device)->fuse,
					 &message);
		receiving = NULL;
	}
	error = size < 0 ? errno : 0;
	if (context.request) {
		fusd_request_put(context.request);
		fusd_request_put(context.request);
	}
	if (context.interrupted)
		context.result = interrupt(context.interrupted);
	if (context.result) {
		*request = context.result;
		return 0;
	}
	/* ENOENT: the request's client left before it was read. */
	if (error == 0 || error == ENOENT || error == EINTR)
		return 1;
	return error == EAGAIN ? -EAGAIN : -ENODEV;
}

int fusd_session_receive(struct fusd_device *device,
			 struct fusd_request **request)
{
	int result = fusd_queue_receive(device, request);

	return result == -EAGAIN ?
		       fusd_session_receive_message(device, request) :
		       result;
}

static int reply_open(struct fusd_request *request, fuse_req_t fuse,
		      ssize_t retval)
{
	struct fusd_open_file *file = fuse_part(request)->open_file;
	struct fuse_file_info info = {
		.flags = (int)file->flags,
		.fh = (uint64_t)(uintptr_t)file,
		.direct_io = 1,
		.noflush = 1,
	};

	if (retval >= 0)
		return fuse_reply_open(fuse, &info);
	fusd_session_lock(request);
	unlink_file(file);
	fusd_session_unlock(request);
	free_file(file);
	/* ENOSYS would tell the kernel to never ask again, and succeed. */
	return fuse_reply_err(fuse,
			      retval == -ENOSYS ? EOPNOTSUPP : (int)-retval);
}

static int reply_close(struct fusd_request *request, fuse_req_t fuse)
{
	fusd_session_lock(request);
	unlink_file(fuse_part(request)->open_file);
	fusd_session_unlock(request);
	free_file(fuse_part(request)->open_file);
	return fuse_reply_err(fuse, 0);
}

void fusd_session_commit(struct fusd_request *request)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;
	struct fusd_open_file *file = fuse_part(request)->open_file;
	short operation = request->msg.subcmd;

	if (operation == FUSD_POLL_DIFF) {
		fusd_poll_commit(request, fops->retval);
		return;
	}
	if (operation == FUSD_UNBLOCK)
		return;
	if (fops->private_info != request->sent_private_info)
		file->private_info = fops->private_info;
	if (fops->flags != request->sent_flags)
		file->flags = fops->flags;
	if (operation != FUSD_READ && operation != FUSD_WRITE)
		return;
	if (operation == FUSD_READ) {
		bool is_full = fops->retval == (ssize_t)fops->length;

		file->full_thread = is_full ? fops->pid : 0;
		file->full_end =
			fuse_part(request)->kernel_offset + fops->length;
	}
	fusd_poll_transferred(request);
	if (fops->retval >= 0)
		fusd_position_end(file, fuse_part(request)->kernel_offset,
				  (size_t)fops->retval, (loff_t)fops->offset,
				  is_sequential(request));
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
	default:
		break;
	}
	if (retval < 0)
		return fuse_reply_err(fuse, (int)-retval);
	if (request->msg.subcmd == FUSD_READ)
		return fuse_reply_buf(fuse, data, length);
	return fuse_reply_write(fuse, (size_t)retval);
}

int fusd_session_reply(struct fusd_request *request, const void *data,
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
	/* No interrupt may look at a request that is about to be freed. */
	if (fuse_part(request)->held || request->is_queued)
		fuse_req_interrupt_func(fuse_part(request)->fuse, NULL, NULL);
	/* First: once the transfer returned, no wake-up is to come. */
	fusd_poll_wake(request);
	return send_reply(request, data, length) ? -EPIPE : 0;
}

/* The kernel sends what it has cached of the file, which is nothing. */
void fusd_session_wake_dispatchers(struct fusd_device *device)
{
	fuse_lowlevel_notify_retrieve(device_session(device)->fuse,
				      FUSE_ROOT_ID, 1, 0, NULL);
}

void fusd_session_disconnect(struct fusd_device *device, const char *path,
			     int flags)
{
	int nothing = open(path, flags | O_CLOEXEC);

	if (nothing < 0)
		return;
	dup3(nothing, device->fd, O_CLOEXEC);
	close(nothing);
}

bool fusd_session_is_connected(const struct fusd_device *device)
{
	struct pollfd connection = { .fd = device->fd };

	return poll(&connection, 1, 0) >= 0 && !(connection.revents & POLLERR);
}

void fusd_session_close(struct fusd_device *device)
{
	struct fusd_session *session = device_session(device);
	struct fusd_open_file *file, *next;

	if (session->is_guarded)
		fusd_own_client_release(session->connection);
	for (file = session->files; file; file = next) {
		next = file->next;
		if (file->poll_handle)
			fuse_pollhandle_destroy(file->poll_handle);
		free_file(file);
	}
	fuse_session_destroy(session->fuse);
	fusd_descriptor_file_close(&session->descriptor_file);
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * A device's connection to libfuse: messages in, and its end.
 *
 * A message is read straight into a request's memory block, at such a place
 * that a write's data begins on a page and is handed to the callback where it
 * is. libfuse decodes the message and answers it; libfuse never sees the block
 * again after fuse_session_process_buf().
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "session.h"

/*
 * The most that Linux sends: 256 pages, unless somebody has raised its limit
 * (fs.fuse.max_pages_limit), which libfuse does not know of.
 */
#define MAX_KERNEL_TRANSFER (256 * FUSD_PAGE_SIZE)

/* The message this thread is handing to libfuse; NULL outside of that. */
struct receiving {
	struct fusd_device *device;
	struct fusd_request *request; /* NULL once it went to an operation */
	struct fusd_request *result;
	struct fusd_request *interrupted; /* a reference */
};
static _Thread_local struct receiving *receiving;

struct fusd_open_file *fusd_session_file(const struct fuse_file_info *info)
{
	return (struct fusd_open_file *)(uintptr_t)info->fh;
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

/*
 * What the kernel is asked to send at most: one page more than the device
 * takes. A longer transfer then arrives with more bytes than that, wherever in
 * a page the client's buffer begins, is cut, and the client's call returns
 * short, as it does in FUSD. If the kernel does not carry that page, it makes
 * several requests of such a transfer.
 */
static size_t kernel_transfer(const struct fusd_device *device)
{
	const size_t wanted = device->max_transfer + FUSD_PAGE_SIZE;

	return wanted < MAX_KERNEL_TRANSFER ? wanted : MAX_KERNEL_TRANSFER;
}

void fusd_session_init(struct fusd_device *device, struct fuse_conn_info *conn)
{
	/*
	 * Ends libfuse's own loop, which nobody is in, and its complaints on
	 * standard error of answers that nobody waits for any more, which
	 * bypass its log.
	 */
	fuse_session_exit(fusd_session_of(device)->fuse);
	conn->max_write = (unsigned int)kernel_transfer(device);
	conn->max_readahead = 0;
	/* Messages are read and answered without pipes: splice is slower. */
	conn->want &=
		~(unsigned int)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				FUSE_CAP_SPLICE_MOVE);
}

struct fusd_request *fusd_session_take_block(struct fusd_device *device)
{
	return fusd_block_take(device->max_transfer);
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

/* Called by libfuse, with its lock of the request held. */
static void on_interrupt(fuse_req_t fuse, void *data)
{
	struct fusd_request *request = data;

	(void)fuse;
	/* NULL: the signal came before fusd_session_watch_interrupt(). */
	if (receiving) {
		request->references++;
		receiving->interrupted = request;
	} else {
		fuse_part(request)->interrupted = true;
	}
}

void fusd_session_watch_interrupt(struct fusd_request *request)
{
	fuse_req_interrupt_func(fuse_part(request)->fuse, on_interrupt,
				request);
}

void fusd_session_ignore_interrupt(struct fusd_request *request)
{
	fuse_req_interrupt_func(fuse_part(request)->fuse, NULL, NULL);
}

/* What fusd_session_wake() asked for. */
static bool is_wake_up(const void *message)
{
	return ((const struct fuse_in_header *)message)->opcode ==
	       FUSE_NOTIFY_REPLY;
}

int fusd_session_read_message(struct fusd_device *device,
			      struct fusd_request **request,
			      struct fusd_request **interrupted)
{
	struct receiving context = { .device = device };
	struct fuse_buf message = { 0 };
	bool is_woken;
	ssize_t size;
	int error;

	context.request = fusd_session_new_request(device);
	if (!context.request)
		return -ENOMEM;
	message.mem = context.request->payload - FUSD_MESSAGE_HEADERS;
	size = read(device->fd, message.mem,
		    FUSD_MESSAGE_HEADERS + kernel_transfer(device));
	error = size < 0 ? errno : 0;
	is_woken = size > 0 && is_wake_up(message.mem);
	if (size > 0 && !is_woken) {
		message.size = (size_t)size;
		receiving = &context;
		fuse_session_process_buf(fusd_session_of(device)->fuse,
					 &message);
		receiving = NULL;
	}
	if (context.request) {
		fusd_request_put(context.request);
		fusd_request_put(context.request);
	}
	*interrupted = context.interrupted;
	if (context.result) {
		*request = context.result;
		return 0;
	}
	if (is_woken)
		return FUSD_SESSION_WOKEN;
	/* ENOENT: the request's client left before it was read. */
	if (error == 0 || error == ENOENT)
		return 1;
	return error == EAGAIN || error == EINTR ? -error : -ENODEV;
}

/*
 * Has the kernel send what it has cached of the file, of which nothing is
 * wanted. libfuse's function allocates and takes a lock, which a signal's
 * handler may not.
 */
void fusd_session_wake(struct fusd_device *device)
{
	const struct {
		struct fuse_out_header header;
		struct fuse_notify_retrieve_out wanted;
	} message = {
		.header.len = sizeof(message),
		.header.error = FUSE_NOTIFY_RETRIEVE,
		.wanted.nodeid = FUSE_ROOT_ID,
	};
	int error = errno;

	/* It fails once the connection is cut: then nobody waits. */
	if (write(device->fd, &message, sizeof(message)) < 0)
		errno = error;
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

void fusd_session_guard(struct fusd_device *device)
{
	struct fusd_session *session = fusd_session_of(device);

	if (session->is_guarded ||
	    !session->name_connection(device, session->connection))
		return;
	session->is_guarded = true;
	fusd_own_client_guard(session->connection);
}

bool fusd_session_is_connected(const struct fusd_device *device)
{
	struct pollfd connection = { .fd = device->fd };

	return poll(&connection, 1, 0) >= 0 && !(connection.revents & POLLERR);
}

void fusd_session_close(struct fusd_device *device)
{
	struct fusd_session *session = fusd_session_of(device);
	struct fusd_open_file *file, *next;

	if (session->is_guarded)
		fusd_own_client_release(session->connection);
	for (file = session->files; file; file = next) {
		next = file->next;
		if (file->poll_handle)
			fuse_pollhandle_destroy(file->poll_handle);
		fusd_open_file_free(file);
	}
	fuse_session_destroy(session->fuse);
	fusd_descriptor_file_close(&session->descriptor_file);
}

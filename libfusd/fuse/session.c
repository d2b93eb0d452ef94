// SPDX-License-Identifier: BSD-3-Clause
/*
 * A device's connection to libfuse: messages in, and its end.
 *
 * A message is read straight into a request's memory block, at such a place
 * that a write's data begins on a page and is handed to the callback where it
 * is. Reads and writes, which are most of them, are decoded and answered here:
 * what libfuse allocates and locks for each is more than all the rest. What
 * else there is libfuse decodes and answers; it never sees the block again
 * after fuse_session_process_buf().
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <sys/uio.h>
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
	part->unique = 0;
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

/* The message that a request was taken from. */
static struct fuse_in_header *message_of(const struct fusd_request *request)
{
	return (struct fuse_in_header *)(request->payload -
					 FUSD_MESSAGE_HEADERS);
}

struct fusd_request *fusd_session_begin(fuse_req_t fuse, int subcmd,
					struct fusd_open_file *file)
{
	struct fusd_request *request = receiving->request;
	const struct fuse_in_header *message = message_of(request);
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	receiving->request = NULL;
	receiving->result = request;
	fuse_part(request)->unique = message->unique;
	fuse_part(request)->fuse = fuse;
	fuse_part(request)->open_file = file;
	memset(&request->msg, 0, sizeof(request->msg));
	request->msg.magic = FUSD_MSG_MAGIC;
	request->msg.cmd = FUSD_FOPS_CALL;
	request->msg.subcmd = (short)subcmd;
	fops->pid = (pid_t)message->pid;
	fops->uid = message->uid;
	fops->gid = message->gid;
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

int fusd_session_read_message(struct fusd_device *device,
			      fusd_message_handler *handle,
			      struct fusd_request **request)
{
	struct receiving context = { .device = device };
	struct fuse_buf message = { 0 };
	int result = 1;
	ssize_t size;

	context.request = fusd_session_new_request(device);
	if (!context.request)
		return -ENOMEM;
	message.mem = message_of(context.request);
	size = read(device->fd, message.mem,
		    FUSD_MESSAGE_HEADERS + kernel_transfer(device));
	if (size > 0) {
		message.size = (size_t)size;
		receiving = &context;
		result = handle(device, message.mem, &context.result);
		if (result == FUSD_MESSAGE_OF_LIBFUSE)
			fuse_session_process_buf(fusd_session_of(device)->fuse,
						 &message);
		receiving = NULL;
	} else if (size < 0) {
		result = -errno;
	}
	if (context.request) {
		fusd_request_put(context.request);
		fusd_request_put(context.request);
	}
	*request = context.result;
	if (context.result)
		return 0;
	/* ENOENT: the request's client left before it was read. */
	if (result >= 0 || result == -ENOENT)
		return result == FUSD_SESSION_WOKEN ? result : 1;
	return result == -EAGAIN || result == -EINTR ? result : -ENODEV;
}

/* What follows a block's payload has room for a short answer. */
#define SHORT_ANSWER (FUSD_PAGE_SIZE - sizeof(struct fuse_out_header))

/*
 * The kernel looks up each page, and each part, of what it is given. To copy a
 * short answer behind its header, in one page, is cheaper than that. In front
 * of a payload there is room for a header: there the message was.
 */
int fusd_session_answer(struct fusd_request *request, int error,
			const void *data, size_t length)
{
	const struct fuse_out_header header = {
		.len = (uint32_t)(sizeof(header) + length),
		.error = -error,
		.unique = fuse_part(request)->unique,
	};
	char *answer = request->payload + request->payload_size;
	const struct iovec parts[] = {
		{ .iov_base = (void *)&header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)data, .iov_len = length },
	};

	if (length <= SHORT_ANSWER && length > 0)
		memcpy(answer + sizeof(header), data, length);
	else if (data == request->payload)
		answer = request->payload - sizeof(header);
	else if (length > 0)
		return writev(request->device->fd, parts, 2) < 0 ? -errno : 0;
	memcpy(answer, &header, sizeof(header));
	return write(request->device->fd, answer, header.len) < 0 ? -errno : 0;
}

void fusd_session_ask_again(struct fusd_device *device,
			    const struct fuse_in_header *message)
{
	const struct fuse_out_header answer = {
		.len = sizeof(answer),
		.error = -EAGAIN,
		.unique = message->unique,
	};
	int error = errno;

	/* It fails if the request was answered meanwhile. */
	if (write(device->fd, &answer, sizeof(answer)) < 0)
		errno = error;
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

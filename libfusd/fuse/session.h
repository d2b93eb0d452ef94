/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's connection to libfuse. */
#ifndef FUSD_FUSE_SESSION_H
#define FUSD_FUSE_SESSION_H

#include "awaiting.h"
#include "client_descriptor.h"
#include "internal.h"
#include "open_file.h"
#include "own_client.h"
#include "request.h"

struct fuse_in_header;

/* What the attendant, a thread beside the driver's, knows of a device. */
struct fusd_attendance {
	atomic_int running;   /* callbacks */
	atomic_uint begun;    /* callbacks, ever */
	unsigned int watched; /* begun at the attendant's last look; its own */
};

/* A device's connection to libfuse; its transport_data begins with it. */
struct fusd_session {
	struct fuse_session *fuse;
	struct fusd_open_file *files;	   /* device->lock */
	struct fusd_attendance attendance; /* the attendant's */
	struct fusd_awaiting awaiting;	   /* receive.c */

	/* What CUSE does in its own way; constant. */
	bool has_no_offsets;  /* reads and writes carry the offset 0 */
	bool is_unrestricted; /* ioctls carry no data until asked for it */
	/* Names the connection for own_client.h. False if it cannot. */
	bool (*name_connection)(struct fusd_device *device,
				char name[FUSD_CONNECTION_SIZE]);

	/* A thread of this process has opened it; constant once it is set. */
	atomic_bool has_own_client;
	/* The guard of own_client.h knows it, by the name connection. */
	bool is_guarded;
	char connection[FUSD_CONNECTION_SIZE];

	/* The shared memory's at the kernel; 0: none; constant. */
	int backing_id;

	/* How a client's descriptor is known as one of the device; constant. */
	struct fusd_node_number node;
	struct fusd_descriptor_file descriptor_file;
};

static inline struct fusd_session *fusd_session_of(struct fusd_device *device)
{
	return device->transport_data;
}

/* Sends what libfuse has to say to the library's log; for the process. */
void fusd_session_redirect_log(void);

/* Sets limits and capabilities; to be called from the init operation. */
void fusd_session_init(struct fusd_device *device, struct fuse_conn_info *conn);

/*
 * What is done with a message: it begins a request, or gives one in *request,
 * or none; or it is for libfuse, which calls an operation; or it is what
 * fusd_session_wake() had the kernel send.
 */
#define FUSD_MESSAGE_DONE 1
#define FUSD_MESSAGE_OF_LIBFUSE 0
#define FUSD_SESSION_WOKEN 2
typedef int fusd_message_handler(struct fusd_device *device,
				 const struct fuse_in_header *message,
				 struct fusd_request **request);

/*
 * As struct fusd_transport's receive: reads one message and has it handled; the
 * userdata of libfuse's session is the device. FUSD_SESSION_WOKEN if that is
 * what it was. -EINTR: a signal's handler ran.
 */
int fusd_session_read_message(struct fusd_device *device,
			      fusd_message_handler *handle,
			      struct fusd_request **request);

/* Answers what libfuse has not decoded. 0 or -errno. */
int fusd_session_answer(struct fusd_request *request, int error,
			const void *data, size_t length);

/* Has the kernel send the message, an interrupt, once more. */
void fusd_session_ask_again(struct fusd_device *device,
			    const struct fuse_in_header *message);

/*
 * On fuse: makes the device's descriptor readable, as poll(2) sees it, until
 * somebody receives; a thread that waits in read(2) does. Any thread, and a
 * signal's handler.
 */
void fusd_session_wake(struct fusd_device *device);

/*
 * Cuts the connection, so that the device's clients do not wait for a callback
 * that another thread is in: the descriptor becomes one of what is at path,
 * opened with flags.
 */
void fusd_session_disconnect(struct fusd_device *device, const char *path,
			     int flags);

/*
 * Has a guard, once, for a process that waits for its own device: before that
 * is there, or by who sets has_own_client.
 */
void fusd_session_guard(struct fusd_device *device);

/* False if the kernel has cut the connection. */
bool fusd_session_is_connected(const struct fusd_device *device);

/* Ends the connection (and closes device->fd) and frees all open files. */
void fusd_session_close(struct fusd_device *device);

struct fusd_open_file *fusd_session_file(const struct fuse_file_info *info);

/* struct fusd_transport's take_block. */
struct fusd_request *fusd_session_take_block(struct fusd_device *device);

/* fusd_request_new(), with libfuse's part as empty as the common one. */
struct fusd_request *fusd_session_new_request(struct fusd_device *device);

/*
 * An operation's request: fills in what is known of any operation's. fuse:
 * NULL if it is not libfuse that decoded it.
 */
struct fusd_request *fusd_session_begin(fuse_req_t fuse, int subcmd,
					struct fusd_open_file *file);

/* The same with what the open file has now. Under the device's lock. */
void fusd_session_finish(struct fusd_request *request);

/* The lock of the request's device. */
void fusd_session_lock(struct fusd_request *request);
void fusd_session_unlock(struct fusd_request *request);

#endif /* FUSD_FUSE_SESSION_H */

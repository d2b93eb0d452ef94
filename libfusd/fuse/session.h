/* SPDX-License-Identifier: BSD-3-Clause */
/* What the transports on libfuse share: requests, answers, open files. */
#ifndef FUSD_FUSE_SESSION_H
#define FUSD_FUSE_SESSION_H

#include "client_descriptor.h"
#include "attendant.h"
#include "internal.h"
#include "own_client.h"
#include "request.h"

/* A device's connection to libfuse; its transport_data begins with it. */
struct fusd_session {
	struct fuse_session *fuse;
	struct fusd_open_file *files; /* device->lock */
	struct fusd_attendance attendance;

	/* What CUSE does in its own way; constant. */
	bool has_no_offsets;  /* reads and writes carry the offset 0 */
	bool is_unrestricted; /* ioctls carry no data until asked for it */
	/* Names the connection for own_client.h. False if it cannot. */
	bool (*name_connection)(struct fusd_device *device,
				char name[FUSD_CONNECTION_SIZE]);

	/* A thread of this process has opened it; constant once it is set. */
	atomic_bool is_guarded;
	char connection[FUSD_CONNECTION_SIZE];

	/* How a client's descriptor is known as one of the device; constant. */
	struct fusd_node_number node;
	struct fusd_descriptor_file descriptor_file;
};

/* Sends what libfuse has to say to the library's log; for the process. */
void fusd_session_redirect_log(void);

/* Sets limits and capabilities; to be called from the init operation. */
void fusd_session_init(struct fusd_device *device, struct fuse_conn_info *conn);

/*
 * Operations, called by libfuse inside fusd_session_receive(); the session's
 * userdata is the device. Each makes the request that receive returns, or
 * answers at once.
 */
void fusd_session_open(fuse_req_t fuse, struct fuse_file_info *info);
void fusd_session_release(fuse_req_t fuse, struct fuse_file_info *info);
void fusd_session_read(fuse_req_t fuse, size_t size, off_t offset,
		       struct fuse_file_info *info);
void fusd_session_write(fuse_req_t fuse, const char *data, size_t size,
			off_t offset, struct fuse_file_info *info);
void fusd_session_ioctl(fuse_req_t fuse, unsigned int number, void *argument,
			struct fuse_file_info *info, const void *in_data,
			size_t in_size, size_t out_size);
void fusd_session_poll(fuse_req_t fuse, struct fuse_file_info *info,
		       struct fuse_pollhandle *handle);

/* struct fusd_transport's functions of the same names. */
int fusd_session_receive(struct fusd_device *device,
			 struct fusd_request **request);
void fusd_session_refresh(struct fusd_request *request);
/* receive without what is queued. */
int fusd_session_receive_message(struct fusd_device *device,
				 struct fusd_request **request);
bool fusd_session_hold(struct fusd_request *request);
bool fusd_session_queued(struct fusd_request *request);
void fusd_session_dequeued(struct fusd_request *request);
struct fusd_request *fusd_session_unblock(struct fusd_request *interrupted);
void fusd_session_commit(struct fusd_request *request);
struct fusd_request *fusd_session_follow(struct fusd_request *request);
int fusd_session_reply(struct fusd_request *request, const void *data,
		       size_t length);

/*
 * On fuse: makes the device's descriptor readable, as poll(2) sees it, until
 * somebody receives.
 */
void fusd_session_wake_dispatchers(struct fusd_device *device);

/*
 * Cuts the connection, so that the device's clients do not wait for a callback
 * that another thread is in: what path opens as takes its descriptor.
 */
void fusd_session_disconnect(struct fusd_device *device, const char *path,
			     int flags);

/* False if the kernel has cut the connection. */
bool fusd_session_is_connected(const struct fusd_device *device);

/* Ends the connection (and closes device->fd) and frees all open files. */
void fusd_session_close(struct fusd_device *device);

/*
 * For the operations: new_request makes one, begin fills in the request that is
 * being received, lock takes its device's lock, finish completes it and puts it
 * on the list.
 */
struct fusd_open_file *fusd_session_file(const struct fuse_file_info *info);
struct fusd_request *fusd_session_new_request(struct fusd_device *device);
struct fusd_request *fusd_session_begin(fuse_req_t fuse, int subcmd,
					struct fusd_open_file *file);
void fusd_session_lock(struct fusd_request *request);
void fusd_session_finish(struct fusd_request *request);
void fusd_session_unlock(struct fusd_request *request);

/* ioctl.c: the ioctl's part of reply, and of an open file's end. */
int fusd_ioctl_reply(struct fusd_request *request, ssize_t retval);
void fusd_ioctl_forget(struct fusd_open_file *file);

/*
 * poll.c: detach takes the outstanding poll_diff off its open file, so
 * that its answer changes nothing; the caller gets a reference, or NULL, and
 * gives it to end without the lock. detach, hold, commit and transferred, which
 * is for a read or write that was answered, are called under the device's lock.
 * wake wakes whom they found.
 */
struct fusd_request *fusd_poll_detach(struct fusd_open_file *file);
void fusd_poll_end(struct fusd_request *request);
void fusd_poll_hold(struct fusd_request *request);
/* The callback begins only now; under the device's lock. */
void fusd_poll_refresh(struct fusd_request *request);
void fusd_poll_commit(struct fusd_request *request, ssize_t retval);
void fusd_poll_transferred(struct fusd_request *request);
int fusd_poll_reply(struct fusd_request *request);
void fusd_poll_wake(struct fusd_request *request);

#endif /* FUSD_FUSE_SESSION_H */

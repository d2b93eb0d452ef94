/* SPDX-License-Identifier: BSD-3-Clause */
/* What the transports on libfuse share: requests, answers, open files. */
#ifndef FUSD_FUSE_SESSION_H
#define FUSD_FUSE_SESSION_H

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include "internal.h"

/* A device's connection to libfuse; its transport_data begins with it. */
struct fusd_session {
	struct fuse_session *fuse;
	struct fusd_open_file *files; /* device->lock */
};

/* Sets limits and capabilities; to be called from the init operation. */
void fusd_session_init(struct fuse_conn_info *conn);

/*
 * Operations, called by libfuse inside fusd_session_receive(). Each makes the
 * request that receive returns, or answers at once.
 */
void fusd_session_open(fuse_req_t fuse, struct fuse_file_info *info);
void fusd_session_release(fuse_req_t fuse, struct fuse_file_info *info);
void fusd_session_read(fuse_req_t fuse, size_t size, off_t offset,
		       struct fuse_file_info *info);
void fusd_session_write(fuse_req_t fuse, const char *data, size_t size,
			off_t offset, struct fuse_file_info *info);
void fusd_session_ioctl(fuse_req_t fuse, unsigned int request, void *argument,
			struct fuse_file_info *info, const void *in_data,
			size_t in_size, size_t out_size);
void fusd_session_poll(fuse_req_t fuse, struct fuse_file_info *info,
		       struct fuse_pollhandle *handle);

/* struct fusd_transport's functions of the same names. */
int fusd_session_receive(struct fusd_device *device,
			 struct fusd_request **request);
bool fusd_session_hold(struct fusd_request *request);
struct fusd_request *fusd_session_unblock(struct fusd_request *interrupted);
void fusd_session_commit(struct fusd_request *request);
int fusd_session_reply(struct fusd_request *request, const void *data,
		       size_t length);

/* Ends the connection (and closes device->fd) and frees all open files. */
void fusd_session_close(struct fusd_device *device);

#endif /* FUSD_FUSE_SESSION_H */

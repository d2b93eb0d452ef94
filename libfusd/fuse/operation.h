/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations, called inside fusd_session_read_message(): each makes the request
 * that is received, or answers at once. Reads and writes get what follows the
 * message's header, the others are libfuse's.
 */
#ifndef FUSD_FUSE_OPERATION_H
#define FUSD_FUSE_OPERATION_H

#include "session.h"

struct fuse_read_in;
struct fuse_write_in;

void fusd_operation_open(fuse_req_t fuse, struct fuse_file_info *info);
void fusd_operation_release(fuse_req_t fuse, struct fuse_file_info *info);
void fusd_operation_read(const struct fuse_read_in *asked);
void fusd_operation_write(const struct fuse_write_in *asked);
void fusd_operation_seek(fuse_req_t fuse, off_t offset, int whence,
			 struct fuse_file_info *info);
void fusd_operation_flush(fuse_req_t fuse, struct fuse_file_info *info);
void fusd_operation_sync(fuse_req_t fuse, int datasync,
			 struct fuse_file_info *info);

/* struct fusd_transport's functions of the same names. */
void fusd_operation_refresh(struct fusd_request *request);
void fusd_operation_commit(struct fusd_request *request);
int fusd_operation_reply(struct fusd_request *request, const void *data,
			 size_t length);

/*
 * The request's callback begins only now: it sees the open file as it is now.
 * Under the device's lock.
 */
void fusd_operation_renew(struct fusd_request *request);

#endif /* FUSD_FUSE_OPERATION_H */

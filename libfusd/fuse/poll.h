/* SPDX-License-Identifier: BSD-3-Clause */
/* The poll_diff exchange on libfuse. */
#ifndef FUSD_FUSE_POLL_H
#define FUSD_FUSE_POLL_H

#include "session.h"

/* libfuse's operation: see operation.h. */
void fusd_poll_receive(fuse_req_t fuse, struct fuse_file_info *info,
		       struct fuse_pollhandle *handle);

/* struct fusd_transport's follow. */
struct fusd_request *fusd_poll_follow(struct fusd_request *request);

/*
 * Takes the outstanding poll_diff off its open file, so that the answer to it
 * changes nothing. Returns it with a reference, or NULL, for fusd_poll_end().
 * Under the device's lock.
 */
struct fusd_request *fusd_poll_detach(struct fusd_open_file *file);

/* Without the lock: ends what fusd_poll_detach() gave, and its reference. */
void fusd_poll_end(struct fusd_request *request);

/* The callback of a poll_diff held it. Under the device's lock. */
void fusd_poll_hold(struct fusd_request *request);

/* The callback of a poll_diff begins only now. Under the device's lock. */
void fusd_poll_refresh(struct fusd_request *request);

/* The driver answers a poll_diff with retval. Under the device's lock. */
void fusd_poll_answered(struct fusd_request *request, ssize_t retval);

/* A poll_diff's part of struct fusd_transport's reply. */
int fusd_poll_reply(struct fusd_request *request);

/* A read or write was answered. Under the device's lock. */
void fusd_poll_transferred(struct fusd_request *request);

/* Without the lock: wakes the waiters whom answered or transferred found. */
void fusd_poll_wake(struct fusd_request *request);

#endif /* FUSD_FUSE_POLL_H */

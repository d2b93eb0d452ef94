/* SPDX-License-Identifier: BSD-3-Clause */
/* What is received while no thread of the driver can do so, and by whom. */
#ifndef FUSD_FUSE_ATTENDANT_H
#define FUSD_FUSE_ATTENDANT_H

#include "internal.h"

/* A device's part. */
struct fusd_attendance {
	atomic_int running;   /* callbacks */
	atomic_uint begun;    /* callbacks, ever */
	unsigned int watched; /* begun at the attendant's last look; its own */
	atomic_bool has_own_client; /* own_request.c's */

	pthread_mutex_t lock;		    /* before the device's lock */
	atomic_bool is_attended;	    /* lock; the queue may be filled */
	struct fusd_request *first, **last; /* lock; what waits in order */
	int count;			    /* lock */
};

/* Sets and clears device->attendance. */
void fusd_attendance_init(struct fusd_device *device,
			  struct fusd_attendance *attendance);
void fusd_attendance_destroy(struct fusd_device *device);

/* struct fusd_transport's functions of the same names. */
void fusd_attendance_begin(struct fusd_device *device);
void fusd_attendance_end(struct fusd_device *device);

/*
 * Keeps a received request for a thread that dispatches; receive is
 * fusd_transport's for what was kept, the oldest first, and -EAGAIN if there is
 * nothing.
 */
void fusd_attendance_queue(struct fusd_request *request);
int fusd_attendance_receive(struct fusd_device *device,
			    struct fusd_request **request);
/* On fuse: makes the descriptor readable, as something is queued. */
void fusd_attendance_wake(struct fusd_device *device);
/* Takes this one, with its references, if it is still queued. */
bool fusd_attendance_remove(struct fusd_request *request);

#endif /* FUSD_FUSE_ATTENDANT_H */

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
};

/* struct fusd_transport's callback_begins and callback_ends. */
void fusd_attendance_begin(struct fusd_device *device);
void fusd_attendance_end(struct fusd_device *device);

#endif /* FUSD_FUSE_ATTENDANT_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel, or another thread, has for a thread that dispatches. */
#ifndef FUSD_FUSE_RECEIVE_H
#define FUSD_FUSE_RECEIVE_H

#include "internal.h"

/* struct fusd_transport's function of the same name. */
int fusd_receive(struct fusd_device *device, struct fusd_request **request);
/* The same, but only what the kernel has. */
int fusd_receive_message(struct fusd_device *device,
			 struct fusd_request **request);

/* On fuse, struct fusd_transport's await and end_waits. */
int fusd_receive_awaited(struct fusd_device *device, unsigned int waits,
			 struct fusd_request **request);
void fusd_receive_end_waits(struct fusd_device *device);

#endif /* FUSD_FUSE_RECEIVE_H */

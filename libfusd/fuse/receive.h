/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving on libfuse. */
#ifndef FUSD_FUSE_RECEIVE_H
#define FUSD_FUSE_RECEIVE_H

#include "internal.h"

/* struct fusd_transport's receive. */
int fusd_receive(struct fusd_device *device, struct fusd_request **request);

/* The same without what is queued. */
int fusd_receive_message(struct fusd_device *device,
			 struct fusd_request **request);

#endif /* FUSD_FUSE_RECEIVE_H */

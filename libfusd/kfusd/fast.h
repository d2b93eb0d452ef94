/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast path: requests that the module gives, replies that are posted. */
#ifndef FUSD_KFUSD_FAST_H
#define FUSD_KFUSD_FAST_H

#include "internal.h"

/* As struct fusd_transport's; of devices that have a ring. */
fusd_receiver fusd_fast_receive;
int fusd_fast_await(struct fusd_device *device, unsigned int waits,
		    struct fusd_request **request);
void fusd_fast_end_waits(struct fusd_device *device);
void fusd_fast_flush(struct fusd_device *device);
int fusd_fast_reply(struct fusd_request *request, const void *data,
		    size_t length);

#endif /* FUSD_KFUSD_FAST_H */

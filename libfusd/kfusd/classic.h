/* SPDX-License-Identifier: BSD-3-Clause */
/* The classic messages, read from and written to the control descriptor. */
#ifndef FUSD_KFUSD_CLASSIC_H
#define FUSD_KFUSD_CLASSIC_H

#include "internal.h"

/* As struct fusd_transport's, without its queue. */
fusd_receiver fusd_classic_receive;
int fusd_classic_reply(struct fusd_request *request, const void *data,
		       size_t length);

/* Answers a message that was received with an error. */
void fusd_classic_refuse(const struct fusd_device *device, fusd_msg_t *message,
			 int error);

#endif /* FUSD_KFUSD_CLASSIC_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of kfusd's requests: small, and apart from their payload. */
#ifndef FUSD_KFUSD_REQUEST_MEMORY_H
#define FUSD_KFUSD_REQUEST_MEMORY_H

#include "connection.h"

/* struct fusd_transport's take_block and give_block. */
struct fusd_request *fusd_kfusd_take_request(struct fusd_device *device);
void fusd_kfusd_give_request(struct fusd_request *request);
/* In a forked child: whoever held the lock. */
void fusd_kfusd_forget_requests(void);

/* Give a request that has none a payload of size bytes. -ENOMEM: none. */
int fusd_kfusd_use_block(struct kfusd_request *request, size_t size);
/* A slot that the module has given with it. -EPROTO: it is none of size bytes.
 */
int fusd_kfusd_use_slot(struct kfusd_request *request, struct fusd_ring *ring,
			unsigned int slot, size_t size);

#endif /* FUSD_KFUSD_REQUEST_MEMORY_H */

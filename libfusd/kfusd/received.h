/* SPDX-License-Identifier: BSD-3-Clause */
/* What the module has given, made a request: for both kinds of messages. */
#ifndef FUSD_KFUSD_RECEIVED_H
#define FUSD_KFUSD_RECEIVED_H

#include "connection.h"

/*
 * Its message is complete, and its data in its payload: makes that what the
 * callback may see, and lists it under the cookies that the module gave it.
 */
void fusd_kfusd_received(struct fusd_request *request);
/* What an open file's private_data is by now. Under the device's lock. */
void fusd_kfusd_renew_private_data(struct fusd_request *request);
/* How many bytes of data an answer carries; a read has length bytes. */
size_t fusd_kfusd_reply_size(const struct fusd_request *request, size_t length);

#endif /* FUSD_KFUSD_RECEIVED_H */

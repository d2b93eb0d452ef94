/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that get a signal while they wait. */
#ifndef FUSD_FUSE_INTERRUPT_H
#define FUSD_FUSE_INTERRUPT_H

#include "internal.h"

/* struct fusd_transport's functions of the same names. */
bool fusd_interrupt_hold(struct fusd_request *request);
bool fusd_interrupt_queued(struct fusd_request *request);
struct fusd_request *fusd_interrupt_unblock(struct fusd_request *interrupted);

struct fuse_in_header;

/*
 * The message says that a client got a signal. Gives what the driver is to be
 * called for now, an unblock as a rule, or NULL.
 */
struct fusd_request *
fusd_interrupt_receive(struct fusd_device *device,
		       const struct fuse_in_header *message);

#endif /* FUSD_FUSE_INTERRUPT_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that get a signal while they wait. */
#ifndef FUSD_FUSE_INTERRUPT_H
#define FUSD_FUSE_INTERRUPT_H

#include "internal.h"

/* struct fusd_transport's functions of the same names. */
bool fusd_interrupt_hold(struct fusd_request *request);
bool fusd_interrupt_queued(struct fusd_request *request);
void fusd_interrupt_waited(struct fusd_request *request);
struct fusd_request *fusd_interrupt_unblock(struct fusd_request *interrupted);

/*
 * The client of a request got a signal. Gives what the driver is to be called
 * for now, an unblock as a rule, or NULL; takes over a reference.
 */
struct fusd_request *fusd_interrupt_begin(struct fusd_request *request);

#endif /* FUSD_FUSE_INTERRUPT_H */

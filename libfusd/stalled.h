/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages that nobody receives. */
#ifndef FUSD_STALLED_H
#define FUSD_STALLED_H

#include "internal.h"

/*
 * Watches a registered device, if the process has an interpreter's lock that
 * its callbacks need.
 */
void fusd_stalled_watch(struct fusd_device *device);

#endif /* FUSD_STALLED_H */

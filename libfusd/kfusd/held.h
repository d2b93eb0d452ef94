/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel is told of a poll_diff that the driver holds. */
#ifndef FUSD_KFUSD_HELD_H
#define FUSD_KFUSD_HELD_H

#include "internal.h"

/* The open file's state is what the poll_diff asked about, for now. */
void fusd_kfusd_tell_held(const struct fusd_request *request);

#endif /* FUSD_KFUSD_HELD_H */

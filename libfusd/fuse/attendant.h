/* SPDX-License-Identifier: BSD-3-Clause */
/* What is received while no thread of the driver can do so, and by whom. */
#ifndef FUSD_FUSE_ATTENDANT_H
#define FUSD_FUSE_ATTENDANT_H

#include "internal.h"

/* struct fusd_transport's callback_begins and callback_ends. */
void fusd_attendance_begin(struct fusd_device *device);
void fusd_attendance_end(struct fusd_device *device);

#endif /* FUSD_FUSE_ATTENDANT_H */

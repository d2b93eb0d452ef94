/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that map a device's shared memory: passthrough, of Linux 6.9. */
#ifndef FUSD_FUSE_PASSTHROUGH_H
#define FUSD_FUSE_PASSTHROUGH_H

#include "session.h"

/* Since Linux 6.9: mmap(2) is one of a backing file. */
#ifndef FOPEN_PASSTHROUGH
#define FOPEN_PASSTHROUGH (1 << 7)
#endif

/*
 * Takes the kernel's first message, as agree() does, which gives false if that
 * fails, and names the device's shared memory to the kernel. Where the kernel
 * takes none, nothing is other than without: the session has no backing_id.
 */
bool fusd_passthrough_agree(struct fusd_device *device,
			    bool (*agree)(struct fusd_device *device));

#endif /* FUSD_FUSE_PASSTHROUGH_H */

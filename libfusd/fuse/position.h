/* SPDX-License-Identifier: BSD-3-Clause */
/* File positions of an open file on libfuse. */
#ifndef FUSD_FUSE_POSITION_H
#define FUSD_FUSE_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A file position as the kernel holds it, and as the driver left it. */
struct fusd_position {
	uint64_t kernel;
	loff_t driver;
};

/*
 * The position a driver sees for a call at the kernel's offset.
 *
 * FUSE passes the kernel's file position, or pread's offset, and cannot set
 * the former; a driver may leave any position behind. So an offset that the
 * kernel is known to hold stands for the position that the driver left there,
 * and any other is an lseek or a pread and is passed on as it is. A sequential
 * call's offset means nothing, and it is at the position the driver left.
 */
loff_t fusd_position_begin(const struct fusd_position positions[2],
			   uint64_t offset, bool sequential);

/* Notes that the client has set the position, for kernel and driver alike. */
void fusd_position_set(struct fusd_position positions[2], loff_t position);

/* Notes that a call at offset moved count bytes and left position behind. */
void fusd_position_end(struct fusd_position positions[2], uint64_t offset,
		       size_t count, loff_t position, bool sequential);

#endif /* FUSD_FUSE_POSITION_H */

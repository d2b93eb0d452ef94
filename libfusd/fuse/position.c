// SPDX-License-Identifier: BSD-3-Clause
/* File positions of an open file on libfuse. */
#include "position.h"

loff_t fusd_position_begin(const struct fusd_position positions[2],
			   uint64_t offset, bool sequential)
{
	if (sequential)
		return positions[0].driver;
	for (int i = 0; i < 2; i++)
		if (positions[i].kernel == offset)
			return positions[i].driver;
	return (loff_t)offset;
}

void fusd_position_set(struct fusd_position positions[2], loff_t position)
{
	positions[0] = (struct fusd_position){ (uint64_t)position, position };
}

void fusd_position_end(struct fusd_position positions[2], uint64_t offset,
		       size_t count, loff_t position, bool sequential)
{
	const struct fusd_position now = { offset + count, position };

	if (sequential && count == 0) {
		/*
		 * The kernel has forgotten where it would have appended:
		 * vfs_write() keeps the position if nothing was written.
		 */
		positions[0].driver = position;
		return;
	}
	if (!sequential && positions[0].kernel != offset) {
		/*
		 * A pread, or the first call after an lseek: the kernel holds
		 * either the old position or the new one. Where both sides
		 * agree there is nothing to remember.
		 */
		if (positions[1].kernel != offset &&
		    now.kernel == (uint64_t)now.driver)
			return;
		positions[1] = positions[0];
	}
	positions[0] = now;
}

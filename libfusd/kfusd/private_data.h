/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The private_data of open files as the driver knows it, where the kernel does
 * not.
 *
 * The kernel keeps the private_data of each open file, and tells it with each
 * request. What a callback stores goes there with the answer. The kernel
 * refuses the answer if the client was killed meanwhile, and would tell the
 * file's close what the callback may have freed. So a change is noted before it
 * is sent, and forgotten when the kernel has it.
 *
 * All of it under the device's lock.
 */
#ifndef FUSD_KFUSD_PRIVATE_DATA_H
#define FUSD_KFUSD_PRIVATE_DATA_H

#include <stdint.h>

struct fusd_private_data {
	void *files; /* a tree of tsearch(3), NULL nearly always */
};

/* Notes what an open file's private_data is. */
void fusd_private_data_note(struct fusd_private_data *data, uint64_t file_id,
			    void *value);
/* What was noted for an open file, or else, if nothing was, value. */
void *fusd_private_data_find(const struct fusd_private_data *data,
			     uint64_t file_id, void *value);
void fusd_private_data_forget(struct fusd_private_data *data, uint64_t file_id);
void fusd_private_data_forget_all(struct fusd_private_data *data);

#endif /* FUSD_KFUSD_PRIVATE_DATA_H */

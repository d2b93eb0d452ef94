// SPDX-License-Identifier: BSD-3-Clause
/* Whether the kernel's nodes for devices appear where this process sees them.
 */
#include "internal.h"
#include "proc.h"

/* The last mount at /dev is the one that is seen. */
static void note_dev(const struct fusd_proc_mount *mount, void *data)
{
	bool *is_devtmpfs = data;

	if (!strcmp(mount->point, "/dev"))
		*is_devtmpfs = !strcmp(mount->root, "/") &&
			       !strcmp(mount->type, "devtmpfs");
}

bool fusd_dev_is_devtmpfs(void)
{
	bool is_devtmpfs = false;

	fusd_proc_for_each_mount(note_dev, &is_devtmpfs);
	return is_devtmpfs;
}

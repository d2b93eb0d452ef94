// SPDX-License-Identifier: BSD-3-Clause
/* Whether the kernel's nodes for devices appear where this process sees them.
 */
#include <errno.h>

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

int fusd_dev_check(void)
{
	bool is_devtmpfs = false;

	fusd_proc_for_each_mount(note_dev, &is_devtmpfs);
	if (is_devtmpfs)
		return 0;
	return fusd_fail(ENODEV,
			 "/dev is not the kernel's own (devtmpfs), as in a "
			 "container, so no device would appear: run the driver "
			 "outside, or use fuse");
}

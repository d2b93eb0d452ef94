// SPDX-License-Identifier: BSD-3-Clause
/* The kernel's directory of nodes for devices, and what is set of a node there.
 */
#include <errno.h>
#include <unistd.h>

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

int fusd_dev_set_owner(const struct fusd_device *device)
{
	uid_t owner = device->owner ? device->owner : (uid_t)-1;
	gid_t group = device->group ? device->group : (gid_t)-1;

	if ((!device->owner && !device->group) ||
	    lchown(device->path, owner, group) == 0)
		return 0;
	return fusd_fail(errno, "%s does not get its owner or group: %s",
			 device->path, strerror(errno));
}

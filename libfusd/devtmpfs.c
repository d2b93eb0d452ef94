// SPDX-License-Identifier: BSD-3-Clause
/* Whether the kernel's nodes for devices appear where this process sees them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

bool fusd_dev_is_devtmpfs(void)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	if (!mounts)
		return false;
	/* The last mount at /dev is the one that is seen. */
	while (getline(&line, &size, mounts) > 0) {
		char root[4] = "", point[8] = "";

		if (sscanf(line, "%*s %*s %*s %3s %7s", root, point) == 2 &&
		    !strcmp(point, "/dev"))
			found = !strcmp(root, "/") &&
				strstr(line, " - devtmpfs ");
	}
	free(line);
	fclose(mounts);
	return found;
}

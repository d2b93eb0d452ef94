// SPDX-License-Identifier: BSD-3-Clause
/* Which program is run: a setuid driver's user does not choose it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "program.h"

extern char **environ;

#define SYSTEM_PATH "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin"

static int find_in(const char *path, const char *name, char *found, size_t size)
{
	size_t length;

	for (; *path; path += length + (path[length] == ':')) {
		length = strcspn(path, ":");
		if (*path !=
		    '/') /* of the current directory, whichever that is */
			continue;
		snprintf(found, size, "%.*s/%s", (int)length, path, name);
		if (access(found, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

int fusd_program_fusermount(char *path, size_t size)
{
	const char *users = secure_getenv("PATH");
	int error = find_in(SYSTEM_PATH, "fusermount3", path, size);

	return error && users ? find_in(users, "fusermount3", path, size) :
				error;
}

char **fusd_program_environment(void)
{
	static char *const safe[] = { (char *)"PATH=" SYSTEM_PATH, NULL };

	return getauxval(AT_SECURE) ? (char **)safe : environ;
}

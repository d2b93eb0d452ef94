// SPDX-License-Identifier: BSD-3-Clause
/* What tells a thread from a later one with the same id. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "internal.h"

unsigned long long fusd_thread_start(pid_t pid)
{
	unsigned long long start = 0;
	char name[64], text[1024];
	const char *field;
	ssize_t size;
	char state;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return 0;
	text[size] = 0;
	/* The name of the program, in parentheses, may contain anything. */
	field = strrchr(text, ')');
	if (!field || sscanf(field + 1,
			     " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u "
			     "%*u %*d %*d %*d %*d %*d %*d %llu",
			     &state, &start) != 2)
		return 0;
	return state == 'Z' || state == 'X' ? 0 : start;
}

// SPDX-License-Identifier: BSD-3-Clause
/* A program for the fork, whose fusd_register() takes six arguments. */
#define FUSD_KOR_API
#include <fusd.h>

#ifndef FUSD_KOR_HACKED_VERSION
#error "programs for the fork test for this"
#endif

int register_kor(const char *name);

int register_kor(const char *name)
{
	struct fusd_file_operations operations = { .open = NULL };
	int fd = fusd_register(name, "class", "devname", 0600, NULL,
			       &operations);

	if (fd < 0 || fusd_unregister(fd) < 0)
		return -1;
	return fusd_simple_register(name, "class", "devname", 0600, NULL,
				    .close = NULL);
}

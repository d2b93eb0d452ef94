/* SPDX-License-Identifier: BSD-3-Clause */
/* What every example does besides being a driver. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <stdio.h>
#include <stdlib.h>

#include <fusd.h>

/* The one optional argument: another name for the device. */
static inline const char *example_name(int argc, char **argv, const char *name)
{
	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fprintf(stderr, "usage: %s [NAME]\n", argv[0]);
		exit(1);
	}
	return argc == 2 ? argv[1] : name;
}

/*
 * Prints where the device is on standard error, and returns its descriptor. If
 * there is none, it has been said why, as fusd_simple_register() does.
 */
static inline int example_started(const char *example, int fd)
{
	char path[4096];

	if (fd < 0)
		exit(1);
	fusd_device_path(fd, path, sizeof(path));
	fprintf(stderr, "%s: %s\n", example, path);
	return fd;
}

/* Of a device that was taken away from outside; returns the exit status. */
static inline int example_gone(const char *example, int fd)
{
	char path[4096];

	fusd_device_path(fd, path, sizeof(path));
	fprintf(stderr, "%s: %s was taken away from outside\n", example, path);
	fusd_unregister(fd);
	return 1;
}

#endif /* EXAMPLE_H */

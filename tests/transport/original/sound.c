// SPDX-License-Identifier: BSD-3-Clause
/*
 * A program as they were written for the later fork: it registers with a class
 * that the kernel has already, and takes an ioctl's argument as it is.
 *
 * usage: sound NAME CLASS
 *
 * Prints "ready PATH", and "argument N" for each ioctl.
 */
#define FUSD_KOR_API
#include <stdio.h>

#include <fusd.h>

#ifndef FUSD_KOR_HACKED_VERSION
#error "programs for the fork look for this"
#endif

static int sound_open(struct fusd_file_info *file)
{
	file->private_data = NULL;
	return 0;
}

static int sound_ioctl(struct fusd_file_info *file, int request, void *data)
{
	unsigned long argument = fusd_get_ioctl_arg(file);

	(void)request;
	(void)data;
	printf("argument %lu\n", argument);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	char path[4096];
	int fd;

	if (argc < 3)
		return 2;
	fd = fusd_simple_register(argv[1], argv[2], argv[1], 0666, NULL,
				  .open = sound_open, .ioctl = sound_ioctl);
	if (fd < 0)
		return 1;
	fusd_device_path(fd, path, sizeof(path));
	printf("ready %s\n", path);
	fflush(stdout);
	fusd_run();
	return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * NAME MAX_TRANSFER SPIN_US makes a device that answers each read and write
 * whole, and says how long it was. Of a read of an open file that is not to
 * wait it leaves the buffer as it was. The end of input ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fusd.h>

static ssize_t on_read(struct fusd_file_info *file, char *buffer, size_t length,
		       loff_t *offset)
{
	(void)offset;
	printf("read %zu\n", length);
	fflush(stdout);
	if (!(file->flags & O_NONBLOCK))
		memset(buffer, 'r', length);
	return (ssize_t)length;
}

static ssize_t on_write(struct fusd_file_info *file, const char *buffer,
			size_t length, loff_t *offset)
{
	(void)file, (void)offset;
	printf("write %zu %d\n", length,
	       length && buffer[0] == 'w' && buffer[length - 1] == 'w' &&
		       !buffer[length]);
	fflush(stdout);
	return (ssize_t)length;
}

static void *await_end(void *unused)
{
	char input[16];

	while (read(0, input, sizeof(input)) > 0)
		;
	exit(0);
	return unused;
}

int main(int argc, char **argv)
{
	const struct fusd_file_operations operations = {
		.read = on_read,
		.write = on_write,
	};
	struct fusd_options options = { .size = sizeof(options) };
	char path[4096];
	pthread_t thread;
	int device;

	if (argc != 4)
		return 2;
	options.max_transfer = (unsigned int)strtoul(argv[2], NULL, 10);
	options.spin_us = (unsigned int)strtoul(argv[3], NULL, 10);
	device = fusd_register_with(argv[1], 0666, NULL, &operations, &options);
	if (device < 0) {
		printf("error %d %.200s\n", errno, fusd_error());
		return 2;
	}
	fusd_device_path(device, path, sizeof(path));
	printf("ready %s\n", path);
	fflush(stdout);
	pthread_create(&thread, NULL, await_end, NULL);
	fusd_run();
	return 0;
}

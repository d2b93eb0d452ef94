// SPDX-License-Identifier: BSD-3-Clause
/* The benchmark's C driver: reads come from memory that was written once. */
#include <stdio.h>
#include <string.h>

#include <fusd.h>

static char data[MAX_RW_SIZE];

static ssize_t bench_read(struct fusd_file_info *file, char *buffer,
			  size_t length, loff_t *offset)
{
	(void)buffer;
	(void)offset;
	fusd_return_data(file, data, length);
	return -FUSD_NOREPLY;
}

static ssize_t bench_write(struct fusd_file_info *file, const char *buffer,
			   size_t length, loff_t *offset)
{
	(void)file;
	(void)buffer;
	(void)offset;
	return (ssize_t)length;
}

int main(int argc, char **argv)
{
	char path[4096];
	int fd;

	memset(data, 'd', sizeof(data));
	fd = fusd_simple_register(argc > 1 ? argv[1] : "bench-c", 0600, NULL,
				  .read = bench_read, .write = bench_write);
	if (fd < 0) {
		fprintf(stderr, "driver: %s\n", fusd_error());
		return 1;
	}
	fusd_device_path(fd, path, sizeof(path));
	puts(path);
	fflush(stdout);
	fusd_run();
	return 0;
}

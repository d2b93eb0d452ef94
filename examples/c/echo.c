// SPDX-License-Identifier: BSD-3-Clause
/*
 * Gives back the last thing that was written to it.
 *
 * Try it:  ./echo &            (prints where the device is)
 *          echo hi > /dev/echo
 *          cat /dev/echo
 */
#include <string.h>

#include "example.h"

/* One transfer is never longer than this. */
static char data[MAX_RW_SIZE];
static size_t data_size;

static ssize_t echo_read(struct fusd_file_info *file, char *buffer,
			 size_t length, loff_t *offset)
{
	size_t start =
		(size_t)*offset < data_size ? (size_t)*offset : data_size;
	size_t count = length < data_size - start ? length : data_size - start;

	(void)file;
	memcpy(buffer, data + start, count);
	*offset += (loff_t)count;
	return (ssize_t)count;
}

static ssize_t echo_write(struct fusd_file_info *file, const char *buffer,
			  size_t length, loff_t *offset)
{
	(void)file;
	memcpy(data, buffer, length);
	data_size = length;
	*offset += (loff_t)length;
	return (ssize_t)length;
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "echo");

	example_started("echo", fusd_simple_register(name, 0666, NULL,
						     .read = echo_read,
						     .write = echo_write));
	fusd_run();
	return 0;
}

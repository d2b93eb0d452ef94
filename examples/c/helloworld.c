// SPDX-License-Identifier: BSD-3-Clause
/*
 * The smallest driver: every read from the start gives one sentence.
 *
 * Try it:  ./helloworld &      (prints where the device is)
 *          cat /dev/helloworld
 */
#include <string.h>

#include "example.h"

static const char greeting[] = "Hello, world!\n";

static ssize_t hello_read(struct fusd_file_info *file, char *buffer,
			  size_t length, loff_t *offset)
{
	size_t size = strlen(greeting);
	size_t start = (size_t)*offset < size ? (size_t)*offset : size;
	size_t count = length < size - start ? length : size - start;

	(void)file;
	memcpy(buffer, greeting + start, count);
	*offset += (loff_t)count;
	return (ssize_t)count;
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "helloworld");

	example_started("helloworld", fusd_simple_register(name, 0666, NULL,
							   .read = hello_read));
	fusd_run();
	return 0;
}

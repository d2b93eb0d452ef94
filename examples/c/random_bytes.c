// SPDX-License-Identifier: BSD-3-Clause
/*
 * Random bytes as fast as dd can read them: the kernel's generator writes them
 * into the memory of the reply itself, so that nothing is copied in between.
 *
 * Try it:  ./random_bytes &    (prints where the device is)
 *          dd if=/dev/random_bytes of=/dev/null bs=128K count=8192
 */
#include <errno.h>
#include <sys/random.h>

#include "example.h"

static ssize_t random_read(struct fusd_file_info *file, char *buffer,
			   size_t length, loff_t *offset)
{
	size_t count = 0;

	(void)file;
	(void)offset;
	while (count < length) {
		ssize_t more = getrandom(buffer + count, length - count, 0);

		if (more > 0)
			count += (size_t)more;
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)count;
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "random_bytes");

	example_started(
		"random_bytes",
		fusd_simple_register(name, 0444, NULL, .read = random_read));
	fusd_run();
	return 0;
}

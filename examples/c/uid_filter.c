// SPDX-License-Identifier: BSD-3-Clause
/*
 * A device of one user's own: the permission bits let everybody in, the
 * driver lets in only who runs it, or the user whose number it was given.
 *
 * A request says who makes it: pid, uid and gid of the calling thread.
 *
 * Try it:  ./uid_filter &      (prints where the device is)
 *          cat /dev/uid_filter
 *          sudo -u nobody cat /dev/uid_filter
 *   also:  uid_filter NAME UID
 */
#include <errno.h>
#include <unistd.h>

#include "example.h"

static uid_t owner;

static int filter_open(struct fusd_file_info *file)
{
	return file->uid == owner ? 0 : -EACCES;
}

static ssize_t filter_read(struct fusd_file_info *file, char *buffer,
			   size_t length, loff_t *offset)
{
	int size;

	if (*offset > 0)
		return 0;
	size = snprintf(buffer, length, "Hello, user %u!\n", file->uid);
	if ((size_t)size > length)
		size = (int)length;
	*offset += size;
	return size;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "uid_filter";
	char *end = "";

	owner = argc > 2 ? (uid_t)strtoul(argv[2], &end, 10) : getuid();
	if (argc > 3 || *end || *name == '-') {
		fprintf(stderr, "usage: %s [NAME [UID]]\n", argv[0]);
		return 1;
	}
	example_started("uid_filter",
			fusd_simple_register(name, 0666, NULL,
					     .open = filter_open,
					     .read = filter_read));
	fusd_run();
	return 0;
}

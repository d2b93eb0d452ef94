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
#include <stdint.h>
#include <string.h>
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
	char text[64]; /* snprintf ends it with a 0, which is not for clients */
	size_t size = (size_t)snprintf(text, sizeof(text), "Hello, user %u!\n",
				       file->uid);
	size_t start = (size_t)*offset < size ? (size_t)*offset : size;
	size_t count = length < size - start ? length : size - start;

	memcpy(buffer, text + start, count);
	*offset += (loff_t)count;
	return (ssize_t)count;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "uid_filter";
	const char *uid = argc > 2 ? argv[2] : "0";

	if (argc > 3 || *name == '-' || !*uid ||
	    uid[strspn(uid, "0123456789")] ||
	    strtoull(uid, NULL, 10) > UINT32_MAX) {
		fprintf(stderr, "usage: %s [NAME [UID]]\n", argv[0]);
		return 1;
	}
	owner = argc > 2 ? (uid_t)strtoul(uid, NULL, 10) : getuid();
	example_started("uid_filter",
			fusd_simple_register(name, 0666, NULL,
					     .open = filter_open,
					     .read = filter_read));
	fusd_run();
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Shells that outlive the driver, and do what it cannot any more. */
#ifndef FUSD_SHELL_H
#define FUSD_SHELL_H

/* Part of a script: makes a path of $point, as it is in mountinfo. */
#define FUSD_SHELL_UNESCAPE_POINT                               \
	"case $point in *\\\\*)\n"                              \
	"  point=$(printf %s \"$point\" | sed 's/\\\\/&0/g')\n" \
	"  point=$(printf %b \"$point\")\n"                     \
	"esac\n"

/* Connects two descriptors, to be closed by the caller. 0 or -errno. */
int fusd_shell_connect(int ends[2]);

/*
 * Starts /bin/sh with a script of less than 64 KiB. It has one end of a
 * connection as its descriptor 3, the arguments as $1, $2 and $3, and nothing
 * else of the driver's: a part of the script that is begun with "&" is init's
 * child, in a session of its own. Returns when the shell itself has ended.
 * 0 or -errno.
 */
int fusd_shell_start(const char *script, int end, const char *name,
		     const char *first, const char *second);

#endif /* FUSD_SHELL_H */

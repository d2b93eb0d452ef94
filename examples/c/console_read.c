// SPDX-License-Identifier: BSD-3-Clause
/*
 * A driver that blocks: what a client reads is what somebody types at the
 * driver's terminal.
 *
 * While the callback waits for that line the driver serves nobody else; a
 * second client waits until the first has its answer. The pager shows how to
 * do it better.
 *
 * Try it:  ./console_read      (prints where the device is)
 *          head -n 1 /dev/console_read     (in another terminal)
 *          and type a line at the first terminal
 */
#include <string.h>

#include "example.h"

static ssize_t console_read(struct fusd_file_info *file, char *buffer,
			    size_t length, loff_t *offset)
{
	static char line[MAX_RW_SIZE + 1];
	size_t size;

	(void)offset;
	printf("console_read: process %d reads, what shall it get?\n",
	       file->pid);
	fflush(stdout);
	if (length >= sizeof(line))
		length = sizeof(line) - 1;
	if (!fgets(line, (int)length + 1, stdin))
		return 0;
	size = strlen(line);
	memcpy(buffer, line, size);
	return (ssize_t)size;
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "console_read");

	example_started(
		"console_read",
		fusd_simple_register(name, 0666, NULL, .read = console_read));
	fusd_run();
	return 0;
}

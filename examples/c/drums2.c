// SPDX-License-Identifier: BSD-3-Clause
/*
 * Drums that count: private_data keeps what belongs to one open file.
 *
 * Whoever opens a drum hears one bar of four beats. Two listeners at the same
 * time are each at a beat of their own.
 *
 * Try it:  ./drums2 &          (prints where the devices are)
 *          cat /dev/drums2/bass
 *          cat /dev/drums2/bass /dev/drums2/snare
 */
#include <errno.h>
#include <string.h>

#include "example.h"

#define BEATS_IN_A_BAR 4

struct drum {
	const char *name;
	const char *sound;
};

static struct drum drums[] = {
	{ "bass", "boom" },
	{ "snare", "tak" },
	{ "cymbal", "crash" },
};

/* How far one open file is in its bar. */
struct listener {
	int beat;
};

static int drum_open(struct fusd_file_info *file)
{
	file->private_data = calloc(1, sizeof(struct listener));
	return file->private_data ? 0 : -ENOMEM;
}

static int drum_close(struct fusd_file_info *file)
{
	free(file->private_data);
	return 0;
}

static ssize_t drum_read(struct fusd_file_info *file, char *buffer,
			 size_t length, loff_t *offset)
{
	const struct drum *drum = file->device_info;
	struct listener *listener = file->private_data;
	char text[64]; /* snprintf ends it with a 0, which is not for clients */
	size_t size;

	(void)offset;
	if (listener->beat == BEATS_IN_A_BAR)
		return 0;
	listener->beat++;
	size = (size_t)snprintf(text, sizeof(text), "%d %s\n", listener->beat,
				drum->sound);
	if (size > length)
		size = length;
	memcpy(buffer, text, size);
	return (ssize_t)size;
}

int main(int argc, char **argv)
{
	const char *directory = example_name(argc, argv, "drums2");

	for (size_t i = 0; i < sizeof(drums) / sizeof(drums[0]); i++) {
		char name[4096]; /* what is cut is still too long */

		snprintf(name, sizeof(name), "%s/%s", directory, drums[i].name);
		example_started("drums2",
				fusd_simple_register(name, 0666, &drums[i],
						     .open = drum_open,
						     .close = drum_close,
						     .read = drum_read));
	}
	fusd_run();
	return 0;
}

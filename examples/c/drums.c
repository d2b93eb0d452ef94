// SPDX-License-Identifier: BSD-3-Clause
/*
 * Many devices, one set of callbacks: device_info tells them apart.
 *
 * Every read of a drum is one beat, and the drummer never gets tired: there is
 * no end of file.
 *
 * Try it:  ./drums &           (prints where the devices are)
 *          head -n 3 /dev/drums/bass
 *          head -n 3 /dev/drums/snare
 */
#include <string.h>

#include "example.h"

struct drum {
	const char *name;
	const char *sound;
};

static struct drum drums[] = {
	{ "bass", "boom\n" },
	{ "snare", "tak\n" },
	{ "cymbal", "crash\n" },
};

static ssize_t drum_read(struct fusd_file_info *file, char *buffer,
			 size_t length, loff_t *offset)
{
	const struct drum *drum = file->device_info;
	size_t size = strlen(drum->sound);
	size_t count = length < size ? length : size;

	(void)offset;
	memcpy(buffer, drum->sound, count);
	return (ssize_t)count;
}

int main(int argc, char **argv)
{
	const char *directory = example_name(argc, argv, "drums");

	for (size_t i = 0; i < sizeof(drums) / sizeof(drums[0]); i++) {
		char name[4096]; /* what is cut is still too long */

		snprintf(name, sizeof(name), "%s/%s", directory, drums[i].name);
		example_started("drums",
				fusd_simple_register(name, 0666, &drums[i],
						     .read = drum_read));
	}
	fusd_run();
	return 0;
}

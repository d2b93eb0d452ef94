// SPDX-License-Identifier: BSD-3-Clause
/*
 * A loop of one's own: the driver listens to its clients and to its standard
 * input, where one adds, changes and removes drums.
 *
 * Try it:  ./drums3            (prints where the devices are)
 *          bass thud           (type this: the bass sounds different now)
 *          triangle ting       (a new device)
 *          snare               (takes the snare away)
 *          Ctrl-D              (ends the driver, as the last drum's end does)
 *   also:  ./drums3 < FILE     (obeys the lines of a file)
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "example.h"

#define DRUMS 16
#define LINE_SIZE 256 /* with its newline */

struct drum {
	char name[FUSD_MAX_NAME_LENGTH + 2];
	char sound[LINE_SIZE];
	int fd; /* -1: this place is free */
};

static const char *directory;
static struct drum drums[DRUMS];
static int drum_count;

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

/* The drum of that name, or a free place for it, or NULL. */
static struct drum *find_drum(const char *name)
{
	struct drum *place = NULL;

	for (struct drum *drum = drums; drum < drums + DRUMS; drum++) {
		if (drum->fd < 0)
			place = drum;
		else if (!strcmp(drum->name, name))
			return drum;
	}
	return place;
}

static void set_drum(struct drum *drum, const char *name, const char *sound)
{
	char path[4096];

	snprintf(drum->sound, sizeof(drum->sound), "%s\n", sound);
	if (drum->fd >= 0)
		return;
	snprintf(drum->name, sizeof(drum->name), "%s", name);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	drum->fd = fusd_simple_register(path, 0666, drum, .read = drum_read);
	if (drum->fd < 0)
		return;
	drum_count++;
	example_started("drums3", drum->fd);
}

/* "NAME SOUND" or "NAME" */
static void obey(char *line)
{
	char *name = strtok(line, " ");
	char *sound = strtok(NULL, "");
	struct drum *drum = name ? find_drum(name) : NULL;

	if (sound && !drum) {
		fprintf(stderr, "drums3: there are %d drums already\n", DRUMS);
	} else if (sound) {
		set_drum(drum, name, sound);
	} else if (drum && drum->fd >= 0) {
		fusd_unregister(drum->fd);
		drum->fd = -1;
		drum_count--;
		printf("drums3: %s is gone\n", name);
		fflush(stdout);
	}
}

/* Obeys the lines that are complete; false at the end of the input. */
static bool read_input(void)
{
	static char input[LINE_SIZE];
	static size_t used;
	ssize_t count = read(STDIN_FILENO, input + used, sizeof(input) - used);
	char *end;

	if (count < 0 && errno != EINTR) {
		perror("drums3");
		exit(1);
	}
	if (count <= 0)
		return count < 0;
	used += (size_t)count;
	while ((end = memchr(input, '\n', used))) {
		*end++ = '\0';
		obey(input);
		used -= (size_t)(end - input);
		memmove(input, end, used);
	}
	if (used == sizeof(input)) {
		fprintf(stderr, "drums3: a line has more than %d bytes\n",
			LINE_SIZE);
		exit(1);
	}
	return true;
}

/* fusd_dispatch_fdset() unregisters what was taken away from outside. */
static void forget_lost_drums(void)
{
	for (struct drum *drum = drums; drum < drums + DRUMS; drum++) {
		if (drum->fd < 0 || fusd_device_transport(drum->fd))
			continue;
		fprintf(stderr, "drums3: %s was taken away from outside\n",
			drum->name);
		drum->fd = -1;
		drum_count--;
	}
}

int main(int argc, char **argv)
{
	bool listening = true;

	directory = example_name(argc, argv, "drums3");
	for (struct drum *drum = drums; drum < drums + DRUMS; drum++)
		drum->fd = -1;
	set_drum(find_drum("bass"), "bass", "boom");
	set_drum(find_drum("snare"), "snare", "tak");
	if (!drum_count)
		return 1;
	while (listening && drum_count) {
		fd_set readable;
		int max = STDIN_FILENO;

		FD_ZERO(&readable);
		FD_SET(STDIN_FILENO, &readable);
		fusd_fdset_add(&readable, &max);
		if (select(max + 1, &readable, NULL, NULL, NULL) < 0) {
			if (errno == EINTR)
				continue;
			perror("drums3");
			return 1;
		}
		fusd_dispatch_fdset(&readable);
		forget_lost_drums();
		if (FD_ISSET(STDIN_FILENO, &readable))
			listening = read_input();
	}
	return 0;
}

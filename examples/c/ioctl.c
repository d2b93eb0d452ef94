// SPDX-License-Identifier: BSD-3-Clause
/*
 * All four kinds of ioctl request, on the dial of a safe.
 *
 * The direction and size inside a request number decide what is copied for the
 * driver: data points at the argument's bytes, never at the client's memory.
 *
 * Try it:  ./ioctl &           (prints where the device is)
 *          ./ioctl_client /dev/ioctl
 */
#include <errno.h>
#include <stdbool.h>

#include "example.h"
#include "ioctl.h"

static struct dial dial = { .position = 0, .marks = 100 };

static bool is_valid(const struct dial *new)
{
	return new->position >= 0 && new->position < new->marks;
}

static int turn(struct dial_turn *argument)
{
	int64_t target = (int64_t)dial.position + argument->steps;
	int64_t rounds = target / dial.marks;

	if (target % dial.marks < 0)
		rounds--;
	dial.position = (int32_t)(target - rounds * dial.marks);
	argument->position = dial.position;
	return (int)(rounds < 0 ? -rounds : rounds);
}

static int dial_ioctl(struct fusd_file_info *file, int request, void *data)
{
	struct dial new = dial;

	(void)file;
	switch ((unsigned int)request) {
	case DIAL_RESET:
		new.position = (int32_t)(intptr_t)data;
		break;
	case DIAL_GET:
		*(struct dial *)data = dial;
		return 0;
	case DIAL_SET:
		new = *(struct dial *)data;
		break;
	case DIAL_TURN:
		return turn(data);
	default:
		return -ENOTTY;
	}
	if (!is_valid(&new))
		return -EINVAL;
	dial = new;
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "ioctl");

	example_started("ioctl", fusd_simple_register(name, 0666, NULL,
						      .ioctl = dial_ioctl));
	fusd_run();
	return 0;
}

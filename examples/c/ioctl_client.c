// SPDX-License-Identifier: BSD-3-Clause
/*
 * A client of the dial. It knows nothing of FUSD: to it the device is one of
 * the kernel's.
 *
 * Try it:  ./ioctl &           (prints where the device is)
 *          ./ioctl_client /dev/ioctl
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ioctl.h"

static const char *device;

/* The result of a call that has to work. */
static int checked(int result)
{
	if (result >= 0)
		return result;
	fflush(stdout);
	fprintf(stderr, "ioctl_client: %s: %s\n", device, strerror(errno));
	exit(1);
}

static void show(int fd, const char *what)
{
	struct dial dial;

	checked(ioctl(fd, DIAL_GET, &dial));
	printf("%s: at %d of %d\n", what, dial.position, dial.marks);
}

/* Says what became of a call that the driver should refuse. */
static void show_refusal(int result, const char *what)
{
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "accepted");
}

static void talk(int fd)
{
	const struct dial safe = { .position = 30, .marks = 40 };
	const struct dial broken = { .position = 40, .marks = 40 };
	struct dial_turn turn = { .steps = -75 };
	int rounds;

	checked(ioctl(fd, DIAL_SET, &safe));
	show(fd, "set");
	rounds = checked(ioctl(fd, DIAL_TURN, &turn));
	printf("turned by %d: now at %d, passed the first mark %d times\n",
	       turn.steps, turn.position, rounds);
	show_refusal(ioctl(fd, DIAL_SET, &broken), "set to 40 of 40");
	show_refusal(ioctl(fd, _IO('D', 99)), "request 99");
	checked(ioctl(fd, DIAL_RESET, 7));
	show(fd, "reset to 7");
}

int main(int argc, char **argv)
{
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 1;
	}
	device = argv[1];
	fd = checked(open(device, O_RDWR));
	talk(fd);
	checked(close(fd));
	return 0;
}

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
#include <string.h>

#include "ioctl.h"

static void show(int fd, const char *what)
{
	struct dial dial;

	if (ioctl(fd, DIAL_GET, &dial) < 0)
		printf("%s: %s\n", what, strerror(errno));
	else
		printf("%s: at %d of %d\n", what, dial.position, dial.marks);
}

int main(int argc, char **argv)
{
	struct dial safe = { .position = 30, .marks = 40 };
	struct dial broken = { .position = 40, .marks = 40 };
	struct dial_turn turn = { .steps = -75 };
	int fd, rounds;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 1;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0) {
		fprintf(stderr, "ioctl_client: %s: %s\n", argv[1],
			strerror(errno));
		return 1;
	}
	ioctl(fd, DIAL_SET, &safe);
	show(fd, "set");
	rounds = ioctl(fd, DIAL_TURN, &turn);
	printf("turned by %d: now at %d, passed the first mark %d times\n",
	       turn.steps, turn.position, rounds);
	if (ioctl(fd, DIAL_SET, &broken) < 0)
		printf("set to 40 of 40: %s\n", strerror(errno));
	if (ioctl(fd, _IO('D', 99)) < 0)
		printf("request 99: %s\n", strerror(errno));
	ioctl(fd, DIAL_RESET, 7);
	show(fd, "reset to 7");
	return 0;
}

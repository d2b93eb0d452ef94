/* SPDX-License-Identifier: BSD-3-Clause */
/* The requests of a safe's dial: what its driver and its client agree on. */
#ifndef DIAL_H
#define DIAL_H

#include <stdint.h>
#include <sys/ioctl.h>

struct dial {
	int32_t position; /* 0 to marks - 1 */
	int32_t marks;
};

struct dial_turn {
	int32_t steps;	  /* in: how far, below 0 to the left */
	int32_t position; /* out: where that led */
};

/* Turns back to the mark given as the argument itself. */
#define DIAL_RESET _IO('D', 1)
/* Reads the dial. */
#define DIAL_GET _IOR('D', 2, struct dial)
/* Replaces it; EINVAL unless 0 <= position < marks. */
#define DIAL_SET _IOW('D', 3, struct dial)
/* Turns it; the result is how often it passed the first mark. */
#define DIAL_TURN _IOWR('D', 4, struct dial_turn)

#endif /* DIAL_H */

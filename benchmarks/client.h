/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of the benchmark's client share.
 *
 * Two processes that wake each other go through phases in which one or the
 * other goes first. So a client measures many windows, of a few round trips
 * each, and prints all of them.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <sys/types.h>

#define MAX_SIZE (1 << 20)
#define IOCTL_SIZE 64
#define MAX_WINDOWS 1000

/* What is measured. */
struct plan {
	int core;	  /* to stay on, or -1 */
	const char *path; /* a device, the first of several, or a floor */
	const char *operation;
	size_t size;
	long count;	/* round trips in a window */
	double warm_us; /* how long, before the first window */
	double time_us; /* how long in all: 0 for one window */
	int clients;	/* processes, each with open files of its own */
	int devices;	/* PATH, PATH1, PATH2 ... */
	int files;	/* of each device, in each client */
	long pause_us;	/* before each request */
};

/* Microseconds of one round trip, in each window. */
struct windows {
	int count;
	double us[MAX_WINDOWS];
};

/* Makes so many round trips. */
typedef void trip_fn(void *state, long count);

/* MAX_SIZE bytes that are written to already. */
extern char client_data[];

/* Says why it ends, with errno's reason, and ends. */
_Noreturn void fail(const char *what);
/* This process is killed when its parent ends. */
void end_with_parent(void);
/* fork(2); the child ends with its parent, which ends if the child fails. */
pid_t fork_process(void);
/* Ends a process of fork_process(), and waits for it. */
void end_process(pid_t child);
/* Microseconds of a clock that only goes on. */
double now(void);
/* All of size bytes, however many calls that takes. */
void transfer_all(int fd, int is_write, size_t size);

/* Makes round trips that count for nothing, at least so many of them. */
void warm_up(const struct plan *plan, trip_fn *trip, void *state, long least);
/* Makes round trips, and measures them. */
void measure_windows(const struct plan *plan, trip_fn *trip, void *state,
		     struct windows *windows);

void measure_pipe(const struct plan *plan, struct windows *windows);
void measure_eventfd(const struct plan *plan, struct windows *windows);
void measure_poll(const struct plan *plan, struct windows *windows);
/* windows has room for each client. */
void measure_device(const struct plan *plan, struct windows *windows);

#endif

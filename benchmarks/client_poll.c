// SPDX-License-Identifier: BSD-3-Clause
/*
 * The wake-up of a client that waits in poll(2): from the call of the write(2)
 * that makes the device readable, which another client makes, to the return of
 * poll(2). The writer first waits until the other one sleeps. What is measured
 * is not all that happens in a window, so the windows are made here.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

/* The process that polls, as the other one sees it. */
struct waiter {
	int device;    /* the writer's open file */
	int read_done; /* an eventfd: it has read, and the device is empty */
	double *woken; /* shared: when poll returned */
	int stat;      /* /proc/PID/stat */
	double total;  /* of the wake-ups, in microseconds */
};

static _Noreturn void wait_and_read(const char *path, struct waiter *waiter)
{
	struct pollfd poller = { .events = POLLIN };
	char byte;

	poller.fd = open(path, O_RDWR);
	if (poller.fd < 0)
		fail(path);
	for (;;) {
		if (poll(&poller, 1, -1) != 1)
			fail("poll");
		*waiter->woken = now();
		if (read(poller.fd, &byte, 1) != 1)
			fail("read");
		eventfd_write(waiter->read_done, 1);
	}
}

static int is_asleep(int stat)
{
	char text[256];
	ssize_t length = pread(stat, text, sizeof(text) - 1, 0);
	char *state;

	if (length <= 0)
		fail("/proc");
	text[length] = 0;
	state = strrchr(text, ')');
	if (state && state[2] == 'Z') {
		errno = 0;
		fail("the client that polls");
	}
	return state && state[2] == 'S';
}

static void wake(void *state, long count)
{
	struct waiter *waiter = state;
	eventfd_t value;

	for (; count > 0; count--) {
		double start;

		while (!is_asleep(waiter->stat))
			sched_yield();
		start = now();
		if (write(waiter->device, client_data, 1) != 1)
			fail("write");
		eventfd_read(waiter->read_done, &value);
		waiter->total += *waiter->woken - start;
	}
}

void measure_poll(const struct plan *plan, struct windows *windows)
{
	struct waiter waiter = { .read_done = eventfd(0, 0) };
	double end;
	char path[64];
	pid_t child;

	waiter.woken = mmap(NULL, sizeof(double), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	waiter.device = open(plan->path, O_RDWR);
	if (waiter.woken == MAP_FAILED || waiter.read_done < 0 ||
	    waiter.device < 0)
		fail(plan->path);
	child = fork_process();
	if (child == 0) {
		close(waiter.device);
		wait_and_read(plan->path, &waiter);
	}
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)child);
	waiter.stat = open(path, O_RDONLY);
	if (waiter.stat < 0)
		fail(path);
	warm_up(plan, wake, &waiter, 1);
	end = now() + plan->time_us;
	do {
		waiter.total = 0;
		wake(&waiter, plan->count);
		windows->us[windows->count++] =
			waiter.total / (double)plan->count;
	} while (windows->count < MAX_WINDOWS && now() < end);
	end_process(child);
}

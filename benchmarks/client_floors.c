// SPDX-License-Identifier: BSD-3-Clause
/*
 * The floors: what two processes take that wake each other without a device.
 * Through a pair of pipes the same bytes go; an eventfd is the lowest, and
 * carries none.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client.h"

/* One end of two pipes, and how much goes each way. */
struct pipe_end {
	int in, out;
	size_t in_size, out_size;
};

/* The payload one way, one byte the other. */
static void ping_pipe(void *state, long count)
{
	const struct pipe_end *end = state;

	for (; count > 0; count--) {
		transfer_all(end->out, 1, end->out_size);
		transfer_all(end->in, 0, end->in_size);
	}
}

static _Noreturn void pong_pipe(const struct pipe_end *end)
{
	for (;;) {
		transfer_all(end->in, 0, end->in_size);
		transfer_all(end->out, 1, end->out_size);
	}
}

void measure_pipe(const struct plan *plan, struct windows *windows)
{
	int is_write = !strcmp(plan->operation, "write");
	int there[2], back[2];
	struct pipe_end ours, theirs;
	pid_t partner;

	if (pipe(there) < 0 || pipe(back) < 0)
		fail("pipe");
	if (plan->size > 65536) {
		fcntl(there[1], F_SETPIPE_SZ, (int)plan->size);
		fcntl(back[1], F_SETPIPE_SZ, (int)plan->size);
	}
	ours = (struct pipe_end){
		.in = back[0],
		.out = there[1],
		.in_size = is_write ? 1 : plan->size,
		.out_size = is_write ? plan->size : 1,
	};
	theirs = (struct pipe_end){
		.in = there[0],
		.out = back[1],
		.in_size = ours.out_size,
		.out_size = ours.in_size,
	};
	partner = fork_process();
	if (partner == 0)
		pong_pipe(&theirs);
	warm_up(plan, ping_pipe, &ours, 1);
	measure_windows(plan, ping_pipe, &ours, windows);
	end_process(partner);
}

static void ping_eventfd(void *state, long count)
{
	const int *fds = state;
	eventfd_t value;

	for (; count > 0; count--) {
		eventfd_write(fds[0], 1);
		eventfd_read(fds[1], &value);
	}
}

void measure_eventfd(const struct plan *plan, struct windows *windows)
{
	int fds[] = { eventfd(0, 0), eventfd(0, 0) };
	pid_t partner;

	if (fds[0] < 0 || fds[1] < 0)
		fail("eventfd");
	partner = fork_process();
	while (partner == 0) {
		eventfd_t value;

		eventfd_read(fds[0], &value);
		eventfd_write(fds[1], 1);
	}
	warm_up(plan, ping_eventfd, fds, 1);
	measure_windows(plan, ping_eventfd, fds, windows);
	end_process(partner);
}

// SPDX-License-Identifier: BSD-3-Clause
/* What the client's parts are made with: processes, the clock, windows. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

char client_data[MAX_SIZE] __attribute__((aligned(4096)));

_Noreturn void fail(const char *what)
{
	fprintf(stderr, "client: %s: %s\n", what,
		errno ? strerror(errno) : "ended too early");
	exit(1);
}

void end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A child has said what went wrong; its partners would wait for it. */
static void end_with_child(int number, siginfo_t *info, void *unused)
{
	(void)number;
	(void)unused;
	if (info->si_code != CLD_EXITED || info->si_status != 0)
		_exit(1);
}

pid_t fork_process(void)
{
	struct sigaction action = {
		.sa_sigaction = end_with_child,
		.sa_flags = SA_SIGINFO | SA_RESTART | SA_NOCLDSTOP,
	};
	pid_t child;

	sigaction(SIGCHLD, &action, NULL);
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0)
		end_with_parent();
	return child;
}

void end_process(pid_t child)
{
	signal(SIGCHLD, SIG_DFL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

void transfer_all(int fd, int is_write, size_t size)
{
	size_t done = 0;

	while (done < size) {
		char *rest = client_data + done;
		ssize_t count = is_write ? write(fd, rest, size - done) :
					   read(fd, rest, size - done);

		if (count <= 0)
			fail(is_write ? "write" : "read");
		done += (size_t)count;
	}
}

void warm_up(const struct plan *plan, trip_fn *trip, void *state, long least)
{
	double end = now() + plan->warm_us;

	while (least > 0 || now() < end) {
		trip(state, plan->count);
		least -= plan->count;
	}
}

void measure_windows(const struct plan *plan, trip_fn *trip, void *state,
		     struct windows *windows)
{
	double begin = now(), start = begin;
	int count = 0;

	do {
		double end;

		trip(state, plan->count);
		end = now();
		windows->us[count++] = (end - start) / (double)plan->count;
		start = end;
	} while (count < MAX_WINDOWS && start < begin + plan->time_us);
	windows->count = count;
}

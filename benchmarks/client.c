// SPDX-License-Identifier: BSD-3-Clause
/*
 * The benchmark's client: makes round trips to a device, and prints the
 * microseconds of one, a line for each window. Of several clients, processes
 * that all ask at once, it prints one line: the time that all of them together
 * take for one request.
 *
 * Without arguments it takes them from its standard input, line by line, and
 * forks a client for each: to start a program costs an emulated machine more
 * than many round trips. The end of each one's lines is "ok" or "failed".
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

#define MAX_ARGUMENTS 32
#define MANY_FILES 20000

static int usage(void)
{
	fprintf(stderr, "usage: client [-u CORE] [-w WARM_US] [-t TIME_US] "
			"[-c CLIENTS]\n"
			"              [-d DEVICES] [-f FILES] [-p PAUSE_US]\n"
			"              PATH|pipe|eventfd OPERATION SIZE COUNT\n"
			"OPERATION: read, write, ioctl, open, poll, refused, "
			"mix\n");
	return 2;
}

static int parse(int argc, char **argv, struct plan *plan)
{
	int option;

	while ((option = getopt(argc, argv, "u:w:t:c:d:f:p:")) != -1) {
		long value = strtol(optarg ? optarg : "", NULL, 10);

		switch (option) {
		case 'u':
			plan->core = (int)value;
			break;
		case 'w':
			plan->warm_us = (double)value;
			break;
		case 't':
			plan->time_us = (double)value;
			break;
		case 'c':
			plan->clients = (int)value;
			break;
		case 'd':
			plan->devices = (int)value;
			break;
		case 'f':
			plan->files = (int)value;
			break;
		case 'p':
			plan->pause_us = value;
			break;
		default:
			return -1;
		}
	}
	if (argc - optind != 4)
		return -1;
	plan->path = argv[optind];
	plan->operation = argv[optind + 1];
	plan->size = strtoul(argv[optind + 2], NULL, 10);
	plan->count = strtol(argv[optind + 3], NULL, 10);
	if (plan->size > MAX_SIZE || plan->count < 1 || plan->clients < 1 ||
	    plan->devices < 1 || plan->files < 1)
		return -1;
	return 0;
}

static void stay_on(int core)
{
	cpu_set_t cores;

	CPU_ZERO(&cores);
	CPU_SET(core, &cores);
	if (sched_setaffinity(0, sizeof(cores), &cores) < 0)
		fail("this core");
}

static void measure(const struct plan *plan, struct windows *windows)
{
	if (!strcmp(plan->path, "pipe"))
		measure_pipe(plan, windows);
	else if (!strcmp(plan->path, "eventfd"))
		measure_eventfd(plan, windows);
	else if (!strcmp(plan->operation, "poll"))
		measure_poll(plan, windows);
	else
		measure_device(plan, windows);
}

/* Some may be served more often than others: what adds up is their rates. */
static double time_of_all(const struct windows *windows, int clients)
{
	double rate = 0;

	for (int i = 0; i < clients; i++) {
		double total = 0;

		for (int j = 0; j < windows[i].count; j++)
			total += windows[i].us[j];
		rate += windows[i].count / total;
	}
	return 1 / rate;
}

/* Returns the exit status. */
static int run(int argc, char **argv)
{
	struct plan plan = {
		.core = -1, .clients = 1, .devices = 1, .files = 1
	};
	struct windows *windows;
	size_t size;

	if (parse(argc, argv, &plan) < 0)
		return usage();
	if (plan.core >= 0)
		stay_on(plan.core);
	size = (size_t)plan.clients * sizeof(*windows);
	/* All of it now: none of its pages is new while time is taken. */
	windows = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (windows == MAP_FAILED)
		fail("mmap");
	measure(&plan, windows);
	if (plan.clients > 1) {
		printf("%.4f\n", time_of_all(windows, plan.clients));
		return 0;
	}
	for (int i = 0; i < windows->count; i++)
		printf("%.4f\n", windows->us[i]);
	return 0;
}

static int split(char *program, char *line, char **argv)
{
	int argc = 0;

	argv[argc++] = program;
	for (char *word = strtok(line, " \n"); word && argc < MAX_ARGUMENTS;
	     word = strtok(NULL, " \n"))
		argv[argc++] = word;
	argv[argc] = NULL;
	return argc;
}

static int serve(char *program)
{
	char *argv[MAX_ARGUMENTS + 1], line[8192];

	while (fgets(line, sizeof(line), stdin)) {
		int argc = split(program, line, argv), status = -1;
		pid_t child = fork();

		if (child < 0)
			fail("fork");
		if (child == 0) {
			end_with_parent();
			status = run(argc, argv);
			fflush(stdout);
			_exit(status);
		}
		waitpid(child, &status, 0);
		puts(status == 0 ? "ok" : "failed");
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit limit;

	/* Ten thousand open files are more than most shells allow. */
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < MANY_FILES) { /* Only root may have more. */
		limit = (struct rlimit){ MANY_FILES, MANY_FILES };
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	memset(client_data, 'c', MAX_SIZE);
	return argc == 1 ? serve(argv[0]) : run(argc, argv);
}

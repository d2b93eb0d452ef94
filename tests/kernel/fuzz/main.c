/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz SEED SECONDS: hostile drivers beside honest ones, in a booted kernel.
 *
 * Starts all processes, and those anew that end or are killed; sends them
 * signals, stops and kills them; and in the end sees that all of them go. Says
 * what it counted. Exit status 0: every honest client had its right answers.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

/* A process that should get on, and does not for so long, hangs. */
#define STALL 150
#define TIME_TO_END 100

static const char *const count_names[COUNTS] = {
	"messages", "replies",	 "hostile replies", "refused", "unblocks",
	"devices",  "opens",	 "calls",	    "checked", "polls",
	"mmaps",    "children",	 "shown",	    "seeks",   "syncs",
	"flushes",  "io_urings", "slow faults",	    "signals", "stops",
	"kills",    "failures",
};

struct role {
	const char *name;
	void (*run)(unsigned int);
	unsigned int number;
	bool honest; /* must get on, and end well */
	bool driver;
	bool killed; /* now and then */
};

/* Those of the honest devices come first. */
static const struct role roles[] = {
	{ "honest driver", honest_driver, DEVICE_PLAIN, true, true, false },
	{ "honest driver", honest_driver, DEVICE_TOLD, true, true, false },
	{ "honest driver", honest_driver, DEVICE_MORTAL, true, true, true },
	{ "hostile driver", hostile_driver, 0, false, true, true },
	{ "hostile driver", hostile_driver, 1, false, true, true },
	{ "hostile driver", hostile_driver, 2, false, true, true },
	{ "honest client", honest_client, 0, true, false, false },
	{ "honest client", honest_client, 1, true, false, true },
	{ "honest client", honest_client, 2, true, false, true },
	{ "honest client", honest_client, 3, true, false, false },
	{ "hostile client", hostile_client, 0, false, false, true },
	{ "hostile client", hostile_client, 1, false, false, true },
	{ "hostile client", hostile_client, 2, false, false, true },
	{ "hostile client", hostile_client, 3, false, false, true },
};

#define PROCESSES (sizeof(roles) / sizeof(*roles))

static uint64_t seed;
static unsigned int generations[PROCESSES];
static pid_t tormentor;

static void spawn(unsigned int number)
{
	uint64_t own_seed =
		seed * 1000003 + number * 1009 + generations[number]++;
	pid_t pid = fork();

	if (pid < 0) {
		fail("fork");
		return;
	}
	if (pid) {
		shared->pids[number] = pid;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	process_number = number;
	seed_random(own_seed);
	roles[number].run(roles[number].number);
	_exit(0);
}

static void torment_one(void)
{
	unsigned int number = below(PROCESSES);
	const struct role *role = &roles[number];
	pid_t pid = shared->pids[number];

	if (!pid)
		return;
	if (one_in(5)) {
		count(STOPS);
		kill(pid, SIGSTOP);
		sleep_us(below(20000));
		kill(pid, SIGCONT);
	} else if (role->killed && one_in(role->honest ? 60 : 15)) {
		count(KILLS);
		kill(pid, SIGKILL);
	} else if (!role->driver || !role->honest) {
		count(SIGNALS);
		kill(pid, SIGUSR1);
	}
}

static void start_tormentor(void)
{
	tormentor = fork();
	if (tormentor)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	seed_random(seed + 1);
	for (;;) {
		sleep_us(below(20000));
		torment_one();
	}
}

/* Copies what /proc says of a process's threads to the output. */
static void show_thread(const char *directory)
{
	static const char *const files[] = { "comm", "wchan", "stack" };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		char path[200], text[2000];
		ssize_t length;
		int fd;

		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		fd = open(path, O_RDONLY);
		length = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (length > 0)
			printf("fuzz: %s: %.*s\n", path, (int)length, text);
	}
}

static void show(pid_t pid)
{
	char path[100];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s", pid,
			 entry->d_name);
		show_thread(path);
	}
	if (tasks)
		closedir(tasks);
	fflush(stdout);
}

static unsigned int find(pid_t pid)
{
	unsigned int number;

	for (number = 0; number < PROCESSES; number++) {
		if (shared->pids[number] == pid)
			break;
	}
	return number;
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		unsigned int number = find(pid);

		if (number == PROCESSES)
			continue;
		shared->pids[number] = 0;
		if (roles[number].honest && status &&
		    !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
			fail("%s %u ended with status %#x", roles[number].name,
			     roles[number].number, status);
		if (!shared->stopping)
			spawn(number);
	}
}

static void look_for_stalls(void)
{
	static unsigned long beats[PROCESSES];
	static double since[PROCESSES];
	unsigned int number;

	for (number = 0; number < PROCESSES; number++) {
		if (beats[number] != shared->beats[number] || !since[number]) {
			beats[number] = shared->beats[number];
			since[number] = now();
		}
		if (!roles[number].honest || now() < since[number] + STALL)
			continue;
		fail("%s %u does not get on", roles[number].name,
		     roles[number].number);
		show(shared->pids[number]);
		since[number] = now();
	}
}

static void end_process(unsigned int number)
{
	pid_t pid = shared->pids[number];

	if (pid)
		kill(pid, SIGKILL);
}

/* Whether all processes with this property have ended in time. */
static void wait_for(bool honest_drivers)
{
	double end = now() + TIME_TO_END;
	unsigned int number;
	bool some;

	do {
		reap();
		some = false;
		for (number = 0; number < PROCESSES; number++) {
			const struct role *role = &roles[number];

			if (honest_drivers || !role->honest || !role->driver)
				some |= shared->pids[number] != 0;
		}
		sleep_us(10000);
	} while (some && now() < end);
	if (!some)
		return;
	for (number = 0; number < PROCESSES; number++) {
		if (!shared->pids[number])
			continue;
		if (roles[number].honest && roles[number].driver &&
		    !honest_drivers)
			continue;
		fail("%s %u does not end", roles[number].name,
		     roles[number].number);
		show(shared->pids[number]);
	}
}

static void end_all(void)
{
	unsigned int number;

	kill(tormentor, SIGKILL);
	shared->stopping = 1;
	/* Some are to end of themselves, others in the midst of their calls. */
	sleep_us(500000);
	for (number = 0; number < PROCESSES; number++) {
		pid_t pid = shared->pids[number];

		if (pid)
			kill(pid, SIGCONT);
		if (!roles[number].honest || !roles[number].driver)
			end_process(number);
	}
	wait_for(false);
	shared->stopping = 2;
	wait_for(true);
}

static void say_counts(void)
{
	unsigned int i;

	for (i = 0; i < COUNTS; i++)
		printf("fuzz: count: %s: %lu\n", count_names[i],
		       shared->counts[i]);
}

/* Clients are not to come before their drivers. */
static void wait_for_devices(void)
{
	unsigned int device;

	for (device = 0; device < HONEST_DEVICES; device++) {
		unsigned int tries = 6000;
		char path[40];

		snprintf(path, sizeof(path), "/dev/fuzz-honest%u", device);
		while (access(path, F_OK) && tries--)
			sleep_us(10000);
	}
}

static void let_users_have_slow_pages(void)
{
	int fd = open("/proc/sys/vm/unprivileged_userfaultfd", O_WRONLY);

	if (write(fd, "1", 1) != 1)
		printf("fuzz: userfaultfd is for root alone\n");
	close(fd);
}

int main(int argument_count, char **arguments)
{
	unsigned int number;
	double end;

	if (argument_count != 3) {
		fprintf(stderr, "usage: fuzz SEED SECONDS\n");
		return 2;
	}
	seed = strtoull(arguments[1], NULL, 0);
	end = now() + atof(arguments[2]);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	let_users_have_slow_pages();
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Until those who are sent it handle it. */
	signal(SIGUSR1, SIG_IGN);
	for (number = 0; number < HONEST_DEVICES; number++)
		spawn(number);
	wait_for_devices();
	for (; number < PROCESSES; number++)
		spawn(number);
	start_tormentor();
	while (now() < end && shared->counts[FAILURES] < 20) {
		reap();
		look_for_stalls();
		sleep_us(20000);
	}
	end_all();
	say_counts();
	return shared->counts[FAILURES] != 0;
}

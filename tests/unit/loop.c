// SPDX-License-Identifier: BSD-3-Clause
/* fusd_run() in one thread and in several, what ends it and what it ends. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <time.h>

#include "check.h"

enum { THREADS = 4, ROUNDS = 10, CLIENTS = 8 };

static struct fusd_file_operations none;
static atomic_int running, reads;
static pthread_barrier_t all_threads;

static void stop_by_signal(int number)
{
	(void)number;
	errno = ERANGE;
	fusd_stop();
	if (errno != ERANGE)
		_exit(3);
}

static ssize_t count_read(struct fusd_file_info *file, char *buffer,
			  size_t length, loff_t *offset)
{
	(void)file;
	(void)buffer;
	(void)length;
	(void)offset;
	reads++;
	return 0;
}

/* Returns when all threads are in it, and so in fusd_run(). */
static ssize_t meet_in_read(struct fusd_file_info *file, char *buffer,
			    size_t length, loff_t *offset)
{
	pthread_barrier_wait(&all_threads);
	return count_read(file, buffer, length, offset);
}

static void *run(void *unused)
{
	running++;
	fusd_run();
	running--;
	return unused;
}

static int register_device(const char *name)
{
	static struct fusd_file_operations operations = { .read = count_read };
	int fd = fusd_register(name, 0600, NULL, &operations);

	CHECK(fd >= 0);
	return fd;
}

static pid_t start_reader(int times)
{
	pid_t pid = fork_client();
	char byte;

	if (pid == 0) {
		int fd = open_device();

		for (int i = 0; i < times; i++)
			if (read(fd, &byte, 1) != 0)
				_exit(1);
		_exit(0);
	}
	return pid;
}

static void wait_for_client(pid_t client)
{
	int status;

	CHECK(waitpid(client, &status, 0) == client);
	CHECK(status == 0);
}

static void a_signal_s_handler_may_stop_it(void)
{
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGUSR1 };
	const struct itimerspec soon = { .it_value.tv_nsec = 1000 * 1000 };
	int fd = register_device("device");

	signal(SIGUSR1, stop_by_signal);
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	/* With one device, and with more of them, it waits in another way. */
	for (int other = -1, i = 0; i < 6; i++) {
		if (i == 3)
			other = register_device("other");
		CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
		fusd_run();
		CHECK(fusd_device_transport(fd));
		if (i == 5)
			CHECK(fusd_unregister(other) == 0);
	}
	timer_delete(timer);
	CHECK(fusd_unregister(fd) == 0);
}

static void a_stop_that_comes_early_is_not_lost(void)
{
	pthread_t thread;
	pid_t client;
	int fd;

	/* Before anything of the library was used. */
	fusd_stop();
	fusd_run();
	fusd_stop();
	fd = register_device("device");
	fusd_run();
	fusd_stop();
	fusd_stop();
	fusd_run();
	/* The next one serves. */
	pthread_create(&thread, NULL, run, NULL);
	client = start_reader(3);
	wait_for_client(client);
	CHECK(reads == 3);
	fusd_stop();
	pthread_join(thread, NULL);
	CHECK(fusd_unregister(fd) == 0);
}

static void all_threads_stop(void)
{
	struct fusd_file_operations operations = { .read = meet_in_read };
	int fd = fusd_register("device", 0600, NULL, &operations);
	pthread_t threads[THREADS];
	pid_t clients[THREADS];

	CHECK(fd >= 0);
	pthread_barrier_init(&all_threads, NULL, THREADS);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < THREADS; i++)
			clients[i] = start_reader(1);
		for (int i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, run, NULL);
		for (int i = 0; i < THREADS; i++)
			wait_for_client(clients[i]);
		fusd_stop();
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		CHECK(running == 0);
		CHECK(fusd_device_transport(fd));
	}
	CHECK(reads == THREADS * ROUNDS);
	CHECK(fusd_unregister(fd) == 0);
}

static void a_forked_process_stops_its_own(void)
{
	int fd = register_device("device");
	pthread_t thread;
	pid_t child, client;
	int status;

	child = fork();
	if (child == 0) {
		fusd_stop();
		fusd_forget_devices();
		/* It has no devices, and nothing is left of the stop. */
		fusd_run();
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	pthread_create(&thread, NULL, run, NULL);
	client = start_reader(3);
	wait_for_client(client);
	CHECK(reads == 3 && running == 1);
	CHECK(fusd_unregister(fd) == 0);
	pthread_join(thread, NULL);
}

static atomic_int holds;

static ssize_t hold_read(struct fusd_file_info *file, char *buffer,
			 size_t length, loff_t *offset)
{
	(void)buffer;
	(void)length;
	(void)offset;
	/* Whoever waits still gets his error, and its memory is freed. */
	fusd_destroy(file);
	holds++;
	return -FUSD_NOREPLY;
}

static pid_t start_blocked_reader(void)
{
	pid_t pid = fork_client();
	char byte;

	if (pid == 0) {
		int fd = open_device();

		_exit(read(fd, &byte, 1) < 0 && errno == EPIPE ? 0 : 1);
	}
	return pid;
}

static void unregister_gives_epipe_to_each_of_many_clients(void)
{
	struct fusd_file_operations operations = { .read = hold_read };
	pthread_t threads[THREADS];
	pid_t clients[CLIENTS];
	char text[200];
	int ends[2], before = dup(2);

	CHECK(before >= 0 && pipe2(ends, O_NONBLOCK) == 0);
	for (int round = 0; round < ROUNDS; round++) {
		int fd = fusd_register("device", 0600, NULL, &operations);

		CHECK(fd >= 0);
		holds = 0;
		for (int i = 0; i < CLIENTS; i++)
			clients[i] = start_blocked_reader();
		for (int i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, run, NULL);
		while (holds < CLIENTS)
			sched_yield();
		/* Nothing of libfuse's is to be seen there. */
		CHECK(dup2(ends[1], 2) == 2);
		CHECK(fusd_unregister(fd) == 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		CHECK(dup2(before, 2) == 2);
		for (int i = 0; i < CLIENTS; i++)
			wait_for_client(clients[i]);
	}
	CHECK_FAILS(read(ends[0], text, sizeof(text)), EAGAIN);
}

static void log_slowly(int priority, const char *message, void *data)
{
	const struct timespec pause = { .tv_nsec = 2000 * 1000 };

	(void)priority;
	(void)message;
	/* As a terminal's; other threads go on meanwhile. */
	if ((*(atomic_int *)data)++ % 2)
		nanosleep(&pause, NULL);
}

/* Whether the device is registered still. */
static bool is_there(int fd)
{
	char path[4096];

	return fusd_device_path(fd, path, sizeof(path)) >= 0;
}

static void only_the_device_that_was_taken_away_is_unregistered(void)
{
	static atomic_int messages;
	pthread_t threads[THREADS];
	char path[4096];
	int stays, fd;

	/* Only a mount can be taken away, and only by root. */
	if (strcmp(getenv("FUSD_TRANSPORT"), "fuse") != 0 || geteuid() != 0)
		return;
	fusd_set_log(log_slowly, &messages);
	stays = fusd_register("stays", 0600, NULL, &none);
	CHECK(stays >= 0);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, run, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		fd = register_device("old");
		fusd_device_path(fd, path, sizeof(path));
		CHECK(umount2(path, MNT_DETACH) == 0);
		while (is_there(fd))
			sched_yield();
		/* It gets the old one's number, as nothing else is opened. */
		fd = register_device("device");
		wait_for_client(start_reader(20));
		CHECK(is_there(fd));
		CHECK(fusd_unregister(fd) == 0);
	}
	CHECK(fusd_unregister(stays) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	static const struct test tests[] = {
#define TEST(name) { #name, name }
		TEST(a_signal_s_handler_may_stop_it),
		TEST(a_stop_that_comes_early_is_not_lost),
		TEST(all_threads_stop),
		TEST(a_forked_process_stops_its_own),
		TEST(unregister_gives_epipe_to_each_of_many_clients),
		TEST(only_the_device_that_was_taken_away_is_unregistered),
		{ NULL, NULL },
	};

	return run_tests(tests);
}

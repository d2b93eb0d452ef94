// SPDX-License-Identifier: BSD-3-Clause
/* Threads that wait for a device's requests, and what ends that. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

enum { THREADS = 4, ROUNDS = 20, COUNTED = 100, UNCOUNTED = 10 };

static atomic_int reads, polls, answers, device_fd = -1;

static _Thread_local bool is_counted; /* one that serves */

/* In the place of the C library's, to count what a request takes. */
ssize_t read(int fd, void *data, size_t size)
{
	reads += is_counted && fd == device_fd;
	return syscall(SYS_read, fd, data, size);
}

int poll(struct pollfd *polled, nfds_t count, int timeout)
{
	polls += is_counted;
	return (int)syscall(SYS_poll, polled, count, timeout);
}

ssize_t write(int fd, const void *data, size_t size)
{
	answers += is_counted && fd == device_fd;
	return syscall(SYS_write, fd, data, size);
}

static bool is_fuse(void)
{
	return !strcmp(getenv("FUSD_TRANSPORT"), "fuse");
}

static pthread_t threads[THREADS];
static _Atomic pid_t ids[THREADS];

static void *run(void *id)
{
	is_counted = true;
	*(_Atomic pid_t *)id = (pid_t)syscall(SYS_gettid);
	fusd_run();
	return NULL;
}

/* Whether the thread waits for requests, or for its turn to do that. */
static bool is_waiting(pid_t id)
{
	char path[64];
	int number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)id);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%d ", &number) != 1)
		number = -1;
	if (file)
		fclose(file);
	return number == SYS_read || number == SYS_poll ||
	       number == SYS_epoll_wait || number == SYS_ioctl ||
	       number == SYS_futex;
}

static void start_threads(int count)
{
	for (int i = 0; i < count; i++) {
		ids[i] = 0;
		CHECK(pthread_create(&threads[i], NULL, run, &ids[i]) == 0);
	}
	for (int i = 0; i < count; i++)
		while (!ids[i] || !is_waiting(ids[i]))
			sched_yield();
}

static void join_threads(int count)
{
	for (int i = 0; i < count; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static ssize_t read_nothing(struct fusd_file_info *file, char *buffer,
			    size_t length, loff_t *offset)
{
	(void)file;
	(void)buffer;
	(void)length;
	(void)offset;
	return 0;
}

static struct fusd_file_operations operations = { .read = read_nothing };

static int register_device(const char *name)
{
	int fd = fusd_register(name, 0600, NULL, &operations);

	CHECK(fd >= 0);
	return fd;
}

static pid_t start_reader(const char *name, int times)
{
	char path[4096], byte;
	pid_t pid = fork_client();

	if (pid == 0) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", getenv("FUSD_DEV_ROOT"),
			 name);
		fd = open(path, O_RDONLY);
		for (int i = 0; i < times; i++)
			if (read(fd, &byte, 1) != 0)
				_exit(1);
		_exit(0);
	}
	return pid;
}

static void end_well(pid_t client)
{
	int status;

	CHECK(waitpid(client, &status, 0) == client && status == 0);
}

/* A client that reads a byte for each byte of a pipe, and says so. */
static pid_t start_paced_reader(const int begin[2], const int end[2])
{
	pid_t pid = fork();
	char byte;

	if (pid == 0) {
		int fd = open_device();

		close(begin[1]);
		while (read(begin[0], &byte, 1) == 1)
			if (read(fd, &byte, 1) != 0 ||
			    write(end[1], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	close(begin[0]);
	return pid;
}

/* Counts what some requests take, each while the driver waits for it. */
static void count_calls(void)
{
	int begin[2], end[2];
	pid_t client;
	char byte = 0;

	CHECK(pipe(begin) == 0 && pipe(end) == 0);
	start_threads(1);
	client = start_paced_reader(begin, end);
	for (int i = 0; i < UNCOUNTED + COUNTED; i++) {
		while (!is_waiting(ids[0]))
			sched_yield();
		if (i == UNCOUNTED)
			reads = polls = answers = 0;
		CHECK(write(begin[1], &byte, 1) == 1);
		CHECK(read(end[0], &byte, 1) == 1);
	}
	/* More if a callback took long, and the attendant received beside it.
	 */
	CHECK(reads < COUNTED * 3 / 2);
	CHECK(answers == COUNTED);
	close(begin[1]);
	end_well(client);
}

static void a_request_takes_two_system_calls(void)
{
	if (!is_fuse())
		return;
	device_fd = register_device("device");
	count_calls();
	CHECK(polls < COUNTED / 2);
	CHECK(fusd_unregister(device_fd) == 0);
	join_threads(1);
}

static void a_look_before_a_wait_is_no_read(void)
{
	struct fusd_options options = { .size = sizeof(options),
					.spin_us = 100 };

	if (!is_fuse())
		return;
	device_fd =
		fusd_register_with("device", 0600, NULL, &operations, &options);
	CHECK(device_fd >= 0);
	count_calls();
	CHECK(fusd_unregister(device_fd) == 0);
	join_threads(1);
}

static void a_stop_ends_all_that_wait(void)
{
	int fd = register_device("device");

	for (int round = 0; round < ROUNDS; round++) {
		start_threads(1 + round % THREADS);
		fusd_stop();
		join_threads(1 + round % THREADS);
		start_threads(1);
		end_well(start_reader("device", 3));
		fusd_stop();
		join_threads(1);
	}
	CHECK(fusd_unregister(fd) == 0);
}

static void stop_by_signal(int number)
{
	(void)number;
	errno = ERANGE;
	fusd_stop();
	if (errno != ERANGE)
		_exit(3);
}

static void a_signal_s_handler_ends_all_that_wait(void)
{
	const struct sigaction actions[] = {
		{ .sa_handler = stop_by_signal },
		{ .sa_handler = stop_by_signal, .sa_flags = SA_RESTART },
	};
	int fd = register_device("device");

	for (int round = 0; round < ROUNDS; round++) {
		sigaction(SIGUSR1, &actions[round % 2], NULL);
		start_threads(THREADS);
		if (round % 4 < 2)
			pthread_kill(threads[round % THREADS], SIGUSR1);
		else
			kill(getpid(), SIGUSR1);
		join_threads(THREADS);
	}
	CHECK(fusd_unregister(fd) == 0);
}

static void unregister_ends_all_that_wait(void)
{
	for (int round = 0; round < ROUNDS; round++) {
		int fd = register_device("device");

		start_threads(THREADS);
		end_well(start_reader("device", 3));
		CHECK(fusd_unregister(fd) == 0);
		join_threads(THREADS);
	}
}

static void a_second_device_is_served_by_all_that_wait(void)
{
	int fd = register_device("device"), second;

	start_threads(THREADS);
	second = register_device("second");
	end_well(start_reader("device", 3));
	end_well(start_reader("second", 3));
	CHECK(fusd_unregister(fd) == 0);
	end_well(start_reader("second", 3));
	CHECK(fusd_unregister(second) == 0);
	join_threads(THREADS);
}

static void dispatch_does_not_wait_beside_those_who_do(void)
{
	int fd = register_device("device");
	pid_t client;
	int status;

	for (int round = 0; round < ROUNDS; round++) {
		start_threads(round % 2 ? THREADS : 1);
		client = start_reader("device", 200);
		while (waitpid(client, &status, WNOHANG) == 0)
			CHECK(fusd_dispatch(fd) == 0 || errno == EAGAIN);
		CHECK(status == 0);
		fusd_stop();
		CHECK(fusd_dispatch(fd) == 0 || errno == EAGAIN);
		join_threads(round % 2 ? THREADS : 1);
	}
	CHECK(fusd_unregister(fd) == 0);
}

/* How the mount ends: 0 is umount(8), 1 its lazy form, 2 the kernel's abort. */
static void take_away(int how)
{
	char path[4096];
	struct statx status;
	FILE *file;

	snprintf(path, sizeof(path), "%s/device", getenv("FUSD_DEV_ROOT"));
	if (how < 2) {
		CHECK(umount2(path, how ? MNT_DETACH : 0) == 0);
		return;
	}
	CHECK(statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &status) ==
	      0);
	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort",
		 status.stx_dev_minor);
	file = fopen(path, "we");
	/* Not every machine has it mounted. */
	if (!file) {
		take_away(1);
		return;
	}
	fputs("1\n", file);
	CHECK(fclose(file) == 0);
}

static void a_device_that_is_taken_away_ends_all_that_wait(void)
{
	/* Only a mount can be taken away, and only by root. */
	if (!is_fuse() || geteuid() != 0)
		return;
	for (int round = 0; round < ROUNDS; round++) {
		register_device("device");
		start_threads(THREADS);
		take_away(round % 3);
		join_threads(THREADS);
		/* It was unregistered. */
		CHECK(fusd_unregister(register_device("device")) == 0);
	}
}

static void child_goes_on(int inherited)
{
	int fd;

	alarm(60);
	/* What it shares with its parent, whose threads wait, does not block.
	 */
	CHECK_FAILS(fusd_dispatch(inherited), EAGAIN);
	fusd_forget_devices();
	fd = register_device("child");
	for (int round = 0; round < 3; round++) {
		start_threads(THREADS);
		fusd_stop();
		join_threads(THREADS);
	}
	CHECK(fusd_unregister(fd) == 0);
	_exit(0);
}

static void a_forked_process_waits_on_its_own(void)
{
	int fd = register_device("device");
	pid_t child;

	start_threads(THREADS);
	child = fork();
	if (child == 0)
		child_goes_on(fd);
	end_well(child);
	end_well(start_reader("device", 3));
	fusd_stop();
	join_threads(THREADS);
	CHECK(fusd_unregister(fd) == 0);
}

int main(void)
{
	static const struct test tests[] = {
#define TEST(name) { #name, name }
		TEST(a_request_takes_two_system_calls),
		TEST(a_look_before_a_wait_is_no_read),
		TEST(a_stop_ends_all_that_wait),
		TEST(a_signal_s_handler_ends_all_that_wait),
		TEST(unregister_ends_all_that_wait),
		TEST(a_second_device_is_served_by_all_that_wait),
		TEST(dispatch_does_not_wait_beside_those_who_do),
		TEST(a_device_that_is_taken_away_ends_all_that_wait),
		TEST(a_forked_process_waits_on_its_own),
		{ NULL, NULL },
	};

	return run_tests(tests);
}

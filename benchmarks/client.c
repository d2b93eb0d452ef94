// SPDX-License-Identifier: BSD-3-Clause
/*
 * The benchmark's client: transfers SIZE bytes at the start of a device COUNT
 * times, and prints the microseconds of one. With "pipe" for the path it is
 * a floor: the same bytes through a pair of pipes to a child process; with
 * "eventfd" it is the lowest: two processes that wake each other, no bytes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_SIZE (128 << 10)

static char data[MAX_SIZE] __attribute__((aligned(4096)));
static double start, end; /* of the transfers alone, without open and fork */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void transfer_all(int fd, int is_write, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t count = is_write ? write(fd, data, size - done) :
					   read(fd, data, size - done);

		if (count <= 0)
			exit(1);
		done += (size_t)count;
	}
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void on_device(const char *path, int is_write, size_t size, long count)
{
	int fd = open(path, is_write ? O_WRONLY : O_RDONLY);

	if (fd < 0)
		fail(path);
	start = now();
	while (count-- > 0) {
		ssize_t result = is_write ? pwrite(fd, data, size, 0) :
					    pread(fd, data, size, 0);

		if (result != (ssize_t)size)
			fail("transfer");
	}
	end = now();
	close(fd);
}

/* A ping-pong: the payload one way, one byte the other. */
static void on_pipe(int is_write, size_t size, long count)
{
	int there[2], back[2];
	pid_t child;

	if (pipe(there) < 0 || pipe(back) < 0)
		fail("pipe");
	if (size > 65536) {
		fcntl(there[1], F_SETPIPE_SZ, MAX_SIZE);
		fcntl(back[1], F_SETPIPE_SZ, MAX_SIZE);
	}
	child = fork();
	if (child == 0) {
		for (; count > 0; count--) {
			transfer_all(there[0], 0, is_write ? size : 1);
			transfer_all(back[1], 1, is_write ? 1 : size);
		}
		_exit(0);
	}
	start = now();
	for (; count > 0; count--) {
		transfer_all(there[1], 1, is_write ? size : 1);
		transfer_all(back[0], 0, is_write ? 1 : size);
	}
	end = now();
	waitpid(child, NULL, 0);
}

static void ping(int there, int back, long count)
{
	eventfd_t value;

	for (; count > 0; count--) {
		eventfd_write(there, 1);
		eventfd_read(back, &value);
	}
}

static void on_eventfd(long count)
{
	int there = eventfd(0, 0), back = eventfd(0, 0);
	long warm = count / 4 + 500;
	eventfd_t value;
	pid_t child;

	if (there < 0 || back < 0)
		fail("eventfd");
	child = fork();
	if (child == 0) {
		for (count += warm; count > 0; count--) {
			eventfd_read(there, &value);
			eventfd_write(back, 1);
		}
		_exit(0);
	}
	ping(there, back, warm);
	start = now();
	ping(there, back, count);
	end = now();
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	int is_write, is_pipe, is_eventfd;
	size_t size;
	long count;

	if (argc != 5) {
		fprintf(stderr, "usage: client PATH|pipe|eventfd "
				"read|write SIZE COUNT\n");
		return 2;
	}
	is_pipe = !strcmp(argv[1], "pipe");
	is_eventfd = !strcmp(argv[1], "eventfd");
	is_write = !strcmp(argv[2], "write");
	size = strtoul(argv[3], NULL, 0);
	count = strtol(argv[4], NULL, 0);
	if (size > MAX_SIZE)
		return 2;
	memset(data, 'c', sizeof(data));
	/*
	 * Warm caches, connections that answer more slowly at first, and the
	 * scheduler: it takes a while to settle which of two processes that
	 * wake each other goes first.
	 */
	if (!is_pipe && !is_eventfd)
		on_device(argv[1], is_write, size, count / 4 + 500);
	if (is_pipe)
		on_pipe(is_write, size, count);
	else if (is_eventfd)
		on_eventfd(count);
	else
		on_device(argv[1], is_write, size, count);
	printf("%.4f\n", (end - start) / (double)count);
	return 0;
}

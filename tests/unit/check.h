/* SPDX-License-Identifier: BSD-3-Clause */
/* Assertions for the unit tests, and a client in a process of its own. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fusd.h>

#define DEADLINE_MS 20000

#define CHECK(condition)                                                  \
	do {                                                              \
		if (!(condition)) {                                       \
			fprintf(stderr, "%s:%d: %s: failed: %s (%s)\n",   \
				__FILE__, __LINE__, __func__, #condition, \
				strerror(errno));                         \
			exit(1);                                          \
		}                                                         \
	} while (0)

#define CHECK_FAILS(call, number)         \
	do {                              \
		errno = 0;                \
		CHECK((call) < 0);        \
		CHECK(errno == (number)); \
	} while (0)

/* Opens the tests' one device. */
static inline int open_device(void)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/device", getenv("FUSD_DEV_ROOT"));
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	return fd;
}

struct test {
	const char *name;
	void (*run)(void);
};

/*
 * Each test runs in a process of its own, on fuse or on the transport that
 * FUSD_TRANSPORT names, with devices in the directory that FUSD_DEV_ROOT names.
 */
static inline int run_tests(const struct test *tests)
{
	char root[] = "/tmp/fusd-unit-XXXXXX";
	const char *transport = getenv("FUSD_TRANSPORT");
	char reason[512];
	int failures = 0;
	bool is_fuse;

	if (!transport)
		transport = "fuse";
	is_fuse = !strcmp(transport, "fuse");
	if (fusd_transport_check(transport, reason, sizeof(reason)) < 0) {
		printf("skipped: %s\n", reason);
		return 0;
	}
	if (is_fuse && !mkdtemp(root))
		return 2;
	if (setenv("FUSD_DEV_ROOT", is_fuse ? root : "/dev", 1) ||
	    setenv("FUSD_TRANSPORT", transport, 1))
		return 2;
	for (; tests->name; tests++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			alarm(300);
			tests->run();
			exit(0);
		}
		waitpid(pid, &status, 0);
		printf("%s %s\n", status ? "FAILED" : "ok", tests->name);
		fflush(stdout);
		failures += status != 0;
	}
	if (is_fuse && rmdir(root) < 0) {
		printf("FAILED nothing is left in %s\n", root);
		failures++;
	}
	return failures ? 1 : 0;
}

/*
 * Forks a client, which must not hold the driver's end of the devices: it would
 * wait for itself if the driver failed.
 */
static inline pid_t fork_client(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(300);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
	}
	return pid;
}

/* Handles requests until one callback ran. */
static inline void dispatch_one(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	do {
		CHECK(poll(&polled, 1, DEADLINE_MS) == 1);
	} while (fusd_dispatch(fd) < 0 && errno == EAGAIN);
}

/* Handles requests until the client process has ended well. */
static inline void dispatch_until_end(int fd, pid_t client)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	int status;
	pid_t ended;

	while ((ended = waitpid(client, &status, WNOHANG)) == 0) {
		poll(&polled, 1, 10);
		fusd_dispatch(fd);
	}
	CHECK(ended == client);
	CHECK(status == 0);
}

#endif /* CHECK_H */

// SPDX-License-Identifier: BSD-3-Clause
/* Clients of a device, or of several, one or many that all ask at once. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define BENCH_IOCTL _IOWR('b', 1, char[IOCTL_SIZE])
/* Of the operation "mix": an open file serves this many requests. */
#define MIX_PERIOD 1024

/* One client, and what it asks next. */
struct client {
	const struct plan *plan;
	int *fds; /* devices * files of them */
	int next;
	long number;
	void (*request)(struct client *client, int *fd);
};

static int open_device(const struct plan *plan, int number)
{
	char path[PATH_MAX];
	int fd;

	if (number == 0)
		snprintf(path, sizeof(path), "%s", plan->path);
	else
		snprintf(path, sizeof(path), "%s%d", plan->path, number);
	fd = open(path, O_RDWR);
	if (fd < 0)
		fail(path);
	return fd;
}

/* A driver may take fewer bytes at a time: then it takes more calls. */
static void transfer_at_start(int fd, int is_write, size_t size)
{
	off_t done = 0, end = (off_t)size;

	while (done < end) {
		char *rest = client_data + done;
		size_t left = (size_t)(end - done);
		ssize_t count = is_write ? pwrite(fd, rest, left, done) :
					   pread(fd, rest, left, done);

		if (count <= 0)
			fail(is_write ? "write" : "read");
		done += count;
	}
}

static void request_read(struct client *client, int *fd)
{
	transfer_at_start(*fd, 0, client->plan->size);
}

static void request_write(struct client *client, int *fd)
{
	transfer_at_start(*fd, 1, client->plan->size);
}

static void request_ioctl(struct client *client, int *fd)
{
	(void)client;
	if (ioctl(*fd, BENCH_IOCTL, client_data) < 0)
		fail("ioctl");
}

static void request_open(struct client *client, int *fd)
{
	(void)fd;
	close(open_device(client->plan, 0));
}

/* The shortest answer that there is. */
static void request_refused(struct client *client, int *fd)
{
	(void)client;
	if (pread(*fd, client_data, 1, 0) != -1 || errno != EAGAIN)
		fail("a read that is to be refused");
}

/* Requests of many kinds. */
static void request_mix(struct client *client, int *fd)
{
	long number = client->number++;

	switch (number % 8) {
	case 0:
		request_ioctl(client, fd);
		break;
	case 1:
		transfer_at_start(*fd, 1, 4096);
		break;
	case 2:
		transfer_at_start(*fd, 0, 4096);
		break;
	case 3:
		transfer_at_start(*fd, 1, 1);
		break;
	default:
		transfer_at_start(*fd, 0, 1);
	}
	if (number % (MIX_PERIOD / 8) == 0)
		transfer_at_start(*fd, 0, 128 << 10);
	if (number % MIX_PERIOD == 0) {
		close(*fd);
		*fd = open_device(client->plan, 0);
	}
}

static void choose_request(struct client *client)
{
	static const struct {
		const char *operation;
		void (*request)(struct client *client, int *fd);
	} known[] = {
		{ "read", request_read },	{ "write", request_write },
		{ "ioctl", request_ioctl },	{ "open", request_open },
		{ "refused", request_refused }, { "mix", request_mix },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(client->plan->operation, known[i].operation))
			client->request = known[i].request;
	if (!client->request) {
		errno = EINVAL;
		fail(client->plan->operation);
	}
}

static void open_files(struct client *client)
{
	const struct plan *plan = client->plan;
	int total = plan->devices * plan->files;

	client->fds = calloc((size_t)total, sizeof(int));
	if (!client->fds)
		fail("memory");
	for (int i = 0; i < total; i++)
		client->fds[i] = open_device(plan, i % plan->devices);
}

static void request_all(void *state, long count)
{
	struct client *client = state;
	const struct plan *plan = client->plan;
	int total = plan->devices * plan->files;
	struct timespec pause = { 0, plan->pause_us * 1000 };

	for (; count > 0; count--) {
		if (plan->pause_us)
			nanosleep(&pause, NULL);
		client->request(client, &client->fds[client->next]);
		if (++client->next == total)
			client->next = 0;
	}
}

static void run_client(struct client *client, struct windows *windows)
{
	const struct plan *plan = client->plan;

	/* Each open file was asked once before. */
	warm_up(plan, request_all, client, plan->devices * plan->files);
	measure_windows(plan, request_all, client, windows);
}

/* Until all have measured, each of them goes on asking. */
static void run_one_of_many(struct client *client, struct windows *windows,
			    atomic_int *measuring, int ready, int go)
{
	char byte = 0;

	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 0)
		fail("barrier");
	run_client(client, windows);
	atomic_fetch_sub(measuring, 1);
	while (atomic_load(measuring) > 0)
		request_all(client, 1);
}

static void start_clients(struct client *client, struct windows *windows,
			  atomic_int *measuring)
{
	int ready[2], go[2], clients = client->plan->clients;
	char byte;

	if (pipe(ready) < 0 || pipe(go) < 0)
		fail("pipe");
	for (int i = 0; i < clients; i++) {
		if (fork_process() != 0)
			continue;
		close(go[1]);
		close(ready[0]);
		open_files(client);
		run_one_of_many(client, &windows[i], measuring, ready[1],
				go[0]);
		_exit(0);
	}
	close(ready[1]);
	for (int i = 0; i < clients; i++) {
		errno = 0;
		if (read(ready[0], &byte, 1) != 1)
			fail("a client");
	}
	close(go[1]);
}

static void wait_for_clients(int clients)
{
	for (int i = 0; i < clients; i++) {
		int status;

		if (wait(&status) < 0)
			fail("wait");
		if (status != 0)
			exit(1);
	}
}

void measure_device(const struct plan *plan, struct windows *windows)
{
	struct client client = { .plan = plan };
	atomic_int *measuring;

	choose_request(&client);
	if (plan->clients == 1) {
		open_files(&client);
		run_client(&client, windows);
		return;
	}
	measuring = mmap(NULL, sizeof(*measuring), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (measuring == MAP_FAILED)
		fail("mmap");
	atomic_init(measuring, plan->clients);
	start_clients(&client, windows, measuring);
	wait_for_clients(plan->clients);
}

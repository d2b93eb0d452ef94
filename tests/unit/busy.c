// SPDX-License-Identifier: BSD-3-Clause
/* What is received on fuse while the driver's only thread is in a callback. */
#include <pthread.h>
#include <semaphore.h>
#include <linux/fuse.h>
#include <sys/syscall.h>

#include "check.h"
#include "internal.h"

static _Thread_local bool is_known; /* one of the test's own threads */
static atomic_int device_fd = -1;
static sem_t callback_runs, callback_may_end, open_is_read, open_may_go_on,
	is_unregistered;

/* In the place of the C library's: stops a thread of libfusd's with an open. */
ssize_t read(int fd, void *data, size_t size)
{
	const struct fuse_in_header *header = data;
	ssize_t result = syscall(SYS_read, fd, data, size);

	if (result > 0 && fd == device_fd && !is_known &&
	    header->opcode == FUSE_OPEN) {
		sem_post(&open_is_read);
		sem_wait(&open_may_go_on);
	}
	return result;
}

static int active_open(struct fusd_file_info *file)
{
	(void)file;
	return 0;
}

/* Were it called, its answer would be too late. */
static int passive_open(struct fusd_file_info *file)
{
	sem_wait(&is_unregistered);
	return active_open(file);
}

static int busy_ioctl(struct fusd_file_info *file, int number, void *argument)
{
	(void)file;
	(void)number;
	(void)argument;
	sem_post(&callback_runs);
	sem_wait(&callback_may_end);
	return 0;
}

static void *serve(void *unused)
{
	is_known = true;
	fusd_run();
	return unused;
}

static void *unregister(void *unused)
{
	is_known = true;
	CHECK(fusd_unregister(device_fd) == 0);
	sem_post(&is_unregistered);
	return unused;
}

static void open_with(int error)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/device", getenv("FUSD_DEV_ROOT"));
	CHECK_FAILS(open(path, O_RDWR), error);
}

static void end_well(pid_t client)
{
	int status;

	CHECK(waitpid(client, &status, 0) == client && status == 0);
}

static void unregister_refuses_what_another_thread_receives(void)
{
	pthread_t server, unregisters;
	pid_t caller, opener;

	if (strcmp(getenv("FUSD_TRANSPORT"), "fuse") != 0)
		return;
	is_known = true;
	fusd_set_passive_open(active_open, passive_open);
	device_fd = fusd_simple_register(
		"device", 0600, NULL, .open = active_open, .ioctl = busy_ioctl);
	CHECK(device_fd >= 0);
	pthread_create(&server, NULL, serve, NULL);
	caller = fork_client();
	if (caller == 0) {
		CHECK_FAILS(ioctl(open_device(), 0), EPIPE);
		_exit(0);
	}
	sem_wait(&callback_runs);
	opener = fork_client();
	if (opener == 0) {
		open_with(EPIPE);
		_exit(0);
	}
	sem_wait(&open_is_read);
	pthread_create(&unregisters, NULL, unregister, NULL);
	/* By then all that were received are answered. */
	end_well(caller);
	sem_post(&open_may_go_on);
	end_well(opener);
	pthread_join(unregisters, NULL);
	sem_post(&callback_may_end);
	pthread_join(server, NULL);
}

int main(void)
{
	static const struct test tests[] = {
#define TEST(name) { #name, name }
		TEST(unregister_refuses_what_another_thread_receives),
		{ NULL, NULL },
	};

	return run_tests(tests);
}

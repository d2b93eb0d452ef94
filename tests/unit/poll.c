// SPDX-License-Identifier: BSD-3-Clause
/* The poll_diff exchange, where a contract test cannot see its order. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "check.h"

static struct fusd_file_info *held;
static sem_t first_asked, may_answer;
static atomic_int asked;
static unsigned int state = FUSD_NOTIFY_OUTPUT;

static short poll_device(int device, short events)
{
	struct pollfd polled = { .fd = device, .events = events };

	CHECK(poll(&polled, 1, DEADLINE_MS) == 1);
	return polled.revents;
}

static int state_poll_diff(struct fusd_file_info *file, unsigned int cached)
{
	if (cached != state)
		return (int)state;
	held = file;
	return -FUSD_NOREPLY;
}

static void who_waits_for_something_else_hears_of_it(void)
{
	int fd = fusd_simple_register("device", 0600, NULL,
				      .poll_diff = state_poll_diff);
	pid_t client = fork_client();

	CHECK(fd >= 0);
	if (client == 0) {
		CHECK(poll_device(open_device(), POLLIN) == POLLIN);
		_exit(0);
	}
	while (!held)
		dispatch_one(fd);
	state = FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT;
	CHECK(fusd_return(held, state) == 0);
	dispatch_until_end(fd, client);
	CHECK(fusd_unregister(fd) == 0);
}

static int same_poll_diff(struct fusd_file_info *file, unsigned int cached)
{
	(void)file;
	asked++;
	return (int)cached;
}

static void the_state_asked_about_wakes_nobody(void)
{
	int fd = fusd_simple_register("device", 0600, NULL,
				      .poll_diff = same_poll_diff);
	pid_t client = fork_client();

	CHECK(fd >= 0);
	if (client == 0) {
		struct pollfd polled = { .fd = open_device(),
					 .events = POLLIN };

		CHECK(poll(&polled, 1, 200) == 0);
		_exit(0);
	}
	dispatch_until_end(fd, client);
	/* When it begins to wait, and once more at its end. */
	CHECK(asked == 2);
	CHECK(fusd_unregister(fd) == 0);
}

static int ready_poll_diff(struct fusd_file_info *file, unsigned int cached)
{
	const unsigned int ready = FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT;

	asked++;
	if (cached != ready)
		return (int)ready;
	fusd_destroy(held);
	held = file;
	return -FUSD_NOREPLY;
}

static ssize_t one_byte(struct fusd_file_info *file, char *buffer,
			size_t length, loff_t *offset)
{
	(void)file;
	(void)length;
	(void)offset;
	*buffer = 'x';
	return 1;
}

static void transfers_ask_only_for_those_who_wait(void)
{
	int fd = fusd_simple_register("device", 0600, NULL, .read = one_byte,
				      .poll_diff = ready_poll_diff);
	pid_t client = fork_client();

	CHECK(fd >= 0);
	if (client == 0) {
		int device = open_device();
		struct pollfd polled = { .fd = device, .events = POLLIN };
		char byte;

		for (int i = 0; i < 10; i++)
			CHECK(read(device, &byte, 1) == 1);
		CHECK(poll(&polled, 1, 0) == 1);
		for (int i = 0; i < 10; i++)
			CHECK(read(device, &byte, 1) == 1);
		_exit(0);
	}
	dispatch_until_end(fd, client);
	CHECK(asked == 1);
	CHECK(fusd_unregister(fd) == 0);
}

/* The second is asked while the first, with another state, is not answered. */
static int crossing_poll_diff(struct fusd_file_info *file, unsigned int cached)
{
	switch (++asked) {
	case 1:
		return FUSD_NOTIFY_INPUT;
	case 2:
		CHECK(cached == FUSD_NOTIFY_INPUT);
		sem_post(&first_asked);
		sem_wait(&may_answer);
		return FUSD_NOTIFY_INPUT;
	default:
		CHECK(cached == (asked == 3 ? 0 : FUSD_NOTIFY_INPUT));
		held = file;
		return -FUSD_NOREPLY;
	}
}

static ssize_t crossing_read(struct fusd_file_info *file, char *buffer,
			     size_t length, loff_t *offset)
{
	(void)file;
	(void)buffer;
	(void)length;
	(void)offset;
	return 0;
}

static int crossing_close(struct fusd_file_info *file)
{
	(void)file;
	asked = 100;
	return 0;
}

static void *serve(void *data)
{
	(void)data;
	fusd_run();
	return NULL;
}

static void *poll_input(void *data)
{
	CHECK(poll_device(*(int *)data, POLLIN) == POLLIN);
	return NULL;
}

static void crossing_client(int device, int asked_pipe, int held_pipe)
{
	struct pollfd polled = { .fd = device, .events = POLLIN };
	pthread_t thread;
	char byte;

	CHECK(poll(&polled, 1, 0) == 1);
	pthread_create(&thread, NULL, poll_input, &device);
	CHECK(read(asked_pipe, &byte, 1) == 1);
	/* Clears INPUT, so that the next poll asks anew. */
	CHECK(read(device, &byte, 1) == 0);
	CHECK(poll(&polled, 1, 0) == 0);
	CHECK(write(held_pipe, "x", 1) == 1);
	pthread_join(thread, NULL);
	close(device);
}

static void an_older_answer_leaves_the_newer_question(void)
{
	pthread_t servers[2];
	int asked_pipe[2], held_pipe[2];
	pid_t client;
	char byte;
	int fd, status;

	CHECK(pipe(asked_pipe) == 0 && pipe(held_pipe) == 0);
	sem_init(&first_asked, 0, 0);
	sem_init(&may_answer, 0, 0);
	client = fork();
	if (client == 0) {
		alarm(300);
		/* Until the device is there. */
		CHECK(read(asked_pipe[0], &byte, 1) == 1);
		crossing_client(open_device(), asked_pipe[0], held_pipe[1]);
		_exit(0);
	}
	fd = fusd_simple_register("device", 0600, NULL, .read = crossing_read,
				  .close = crossing_close,
				  .poll_diff = crossing_poll_diff);
	CHECK(fd >= 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&servers[i], NULL, serve, NULL);
	CHECK(write(asked_pipe[1], "x", 1) == 1);
	sem_wait(&first_asked);
	CHECK(write(asked_pipe[1], "x", 1) == 1);
	CHECK(read(held_pipe[0], &byte, 1) == 1);
	sem_post(&may_answer);
	CHECK(fusd_return(held, FUSD_NOTIFY_INPUT) == 0);
	CHECK(waitpid(client, &status, 0) == client && status == 0);
	while (asked != 100)
		poll(NULL, 0, 1);
	/* Its open file is gone by now. */
	fusd_return(held, FUSD_NOTIFY_OUTPUT);
	CHECK(fusd_unregister(fd) == 0);
	for (int i = 0; i < 2; i++)
		pthread_join(servers[i], NULL);
}

int main(void)
{
	static const struct test tests[] = {
#define TEST(name) { #name, name }
		TEST(who_waits_for_something_else_hears_of_it),
		TEST(the_state_asked_about_wakes_nobody),
		TEST(transfers_ask_only_for_those_who_wait),
		TEST(an_older_answer_leaves_the_newer_question),
		{ NULL, NULL },
	};

	return run_tests(tests);
}

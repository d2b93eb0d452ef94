// SPDX-License-Identifier: BSD-3-Clause
/* Held requests, their memory, threads, and unregistering at any moment. */
#include <pthread.h>

#include "check.h"

static struct fusd_file_info *held;
static struct fusd_buffer *kept;
static char *kept_data;
static int closes;

static int count_close(struct fusd_file_info *file)
{
	(void)file;
	closes++;
	return 0;
}

static ssize_t hold_read(struct fusd_file_info *file, char *buffer,
			 size_t length, loff_t *offset)
{
	(void)buffer;
	(void)length;
	(void)offset;
	held = file;
	return -FUSD_NOREPLY;
}

static int register_device(struct fusd_file_operations *operations)
{
	int fd = fusd_register("device", 0600, NULL, operations);

	CHECK(fd >= 0);
	return fd;
}

/* A client process that reads size bytes and expects them, or an errno. */
static pid_t start_reader(const char *expected, size_t size, int error)
{
	pid_t pid = fork_client();

	if (pid == 0) {
		char data[256];
		int fd = open_device();
		ssize_t result = read(fd, data, size);

		if (error)
			_exit(result < 0 && errno == error ? 0 : 1);
		_exit(result == (ssize_t)strlen(expected) &&
				      !memcmp(data, expected, (size_t)result) ?
			      0 :
			      2);
	}
	return pid;
}

static void wait_for_hold(int fd)
{
	for (held = NULL; !held;)
		dispatch_one(fd);
}

static void *return_from_thread(void *data)
{
	memcpy(fusd_get_read_buffer(held), "thread", 6);
	CHECK(fusd_return(held, 6) == 0);
	return data;
}

static void another_thread_may_answer(void)
{
	int fd = register_device(
		&(struct fusd_file_operations){ .read = hold_read });
	pid_t client = start_reader("thread", 100, 0);
	pthread_t thread;

	wait_for_hold(fd);
	pthread_create(&thread, NULL, return_from_thread, NULL);
	dispatch_until_end(fd, client);
	pthread_join(thread, NULL);
	CHECK(fusd_unregister(fd) == 0);
}

static void data_from_elsewhere_is_an_answer(void)
{
	int fd = register_device(
		&(struct fusd_file_operations){ .read = hold_read });
	pid_t client = start_reader("else", 4, 0);

	wait_for_hold(fd);
	CHECK(fusd_return_data(held, "elsewhere", 9) == 0);
	dispatch_until_end(fd, client);
	CHECK_FAILS(fusd_return_data(NULL, "", 0), EINVAL);
	CHECK_FAILS(fusd_return(NULL, 0), EINVAL);
	CHECK(fusd_unregister(fd) == 0);
}

static ssize_t early_read(struct fusd_file_info *file, char *buffer,
			  size_t length, loff_t *offset)
{
	(void)length;
	(void)offset;
	memcpy(buffer, "early", 5);
	CHECK(fusd_return(file, 5) == 0);
	return -FUSD_NOREPLY;
}

static void a_callback_may_answer_itself(void)
{
	int fd = register_device(
		&(struct fusd_file_operations){ .read = early_read });

	dispatch_until_end(fd, start_reader("early", 100, 0));
	CHECK(fusd_unregister(fd) == 0);
}

static void unregister_ends_held_requests(void)
{
	int fd = register_device(
		&(struct fusd_file_operations){ .read = hold_read });
	pid_t client = start_reader("", 100, EPIPE);
	int status;

	wait_for_hold(fd);
	CHECK(fusd_unregister(fd) == 0);
	CHECK(waitpid(client, &status, 0) == client && status == 0);
	/* Still the request's own memory, and still to be given back. */
	memset(fusd_get_read_buffer(held), 'x', fusd_get_length(held));
	CHECK_FAILS(fusd_return(held, 3), EPIPE);
}

static void unregister_ends_destroyed_requests(void)
{
	int fd = register_device(
		&(struct fusd_file_operations){ .read = hold_read });
	pid_t client = start_reader("", 100, EPIPE);
	int status;

	wait_for_hold(fd);
	fusd_destroy(held);
	fusd_destroy(NULL);
	CHECK(fusd_unregister(fd) == 0);
	CHECK(waitpid(client, &status, 0) == client && status == 0);
}

static void a_killed_client_is_closed(void)
{
	int fd = register_device(&(struct fusd_file_operations){
		.read = hold_read, .close = count_close });
	pid_t client = start_reader("", 100, 0);

	wait_for_hold(fd);
	kill(client, SIGKILL);
	while (!closes)
		dispatch_one(fd);
	waitpid(client, NULL, 0);
	CHECK_FAILS(fusd_return(held, 1), EPIPE);
	CHECK(fusd_unregister(fd) == 0);
	CHECK(closes == 1);
}

static pid_t early_reader;
static bool unregisters;

/* Its client ends, and the close waits, before it does. */
static ssize_t outlive_read(struct fusd_file_info *file, char *buffer,
			    size_t length, loff_t *offset)
{
	struct pollfd polled = { .fd = file->fd, .events = POLLIN };
	int status;

	early_read(file, buffer, length, offset);
	CHECK(waitpid(early_reader, &status, 0) == early_reader && !status);
	CHECK(poll(&polled, 1, DEADLINE_MS) == 1);
	CHECK_FAILS(fusd_dispatch(polled.fd), EAGAIN);
	CHECK(poll(&polled, 1, 0) == 0);
	if (unregisters)
		CHECK(fusd_unregister(polled.fd) == 0);
	CHECK(closes == 0);
	return -FUSD_NOREPLY;
}

static void serve_early_reader(int fd)
{
	early_reader = start_reader("early", 100, 0);
	while (kill(early_reader, 0) == 0)
		dispatch_one(fd);
}

static void close_waits_for_a_callback_that_dispatches(void)
{
	int fd = register_device(&(struct fusd_file_operations){
		.read = outlive_read, .close = count_close });

	serve_early_reader(fd);
	CHECK(closes == 1);
	CHECK(fusd_unregister(fd) == 0);
}

static void unregister_ends_a_close_that_waits(void)
{
	int fd = register_device(&(struct fusd_file_operations){
		.read = outlive_read, .close = count_close });

	unregisters = true;
	serve_early_reader(fd);
	CHECK(closes == 0);
	CHECK_FAILS(fusd_unregister(fd), EBADF);
}

static ssize_t keep_write(struct fusd_file_info *file, const char *buffer,
			  size_t length, loff_t *offset)
{
	(void)offset;
	CHECK(buffer[length] == 0);
	if (!kept) {
		kept = fusd_buffer_acquire(file);
		kept_data = (char *)buffer;
	}
	return (ssize_t)length;
}

static void a_kept_buffer_outlives_everything(void)
{
	int fd = register_device(
		&(struct fusd_file_operations){ .write = keep_write });
	pid_t client = fork_client();

	if (client == 0) {
		int device = open_device();

		CHECK(write(device, "first", 5) == 5);
		for (int i = 0; i < 100; i++)
			CHECK(write(device, "other", 5) == 5);
		_exit(0);
	}
	dispatch_until_end(fd, client);
	CHECK(fusd_unregister(fd) == 0);
	CHECK(!strcmp(kept_data, "first"));
	memset(kept_data, 'y', 5);
	fusd_buffer_release(kept);
	fusd_buffer_release(NULL);
}

static ssize_t leave_read(struct fusd_file_info *file, char *buffer,
			  size_t length, loff_t *offset)
{
	(void)buffer;
	(void)length;
	(void)offset;
	CHECK(fusd_unregister(file->fd) == 0);
	return 5;
}

static void a_callback_may_unregister_its_device(void)
{
	int fd = register_device(
		&(struct fusd_file_operations){ .read = leave_read });
	pid_t client = start_reader("", 100, EPIPE);
	int status;

	while (fusd_dispatch(fd) == 0 || errno == EAGAIN)
		;
	CHECK(errno == EBADF);
	CHECK(waitpid(client, &status, 0) == client && status == 0);
}

static ssize_t name_read(struct fusd_file_info *file, char *buffer,
			 size_t length, loff_t *offset)
{
	(void)length;
	(void)offset;
	memcpy(buffer, file->device_info, 4);
	return 4;
}

static void a_forked_child_does_no_harm(void)
{
	int fd =
		fusd_simple_register("device", 0600, "same", .read = name_read);
	int status;
	pid_t child;

	CHECK(fd >= 0);
	child = fork();
	if (child == 0)
		_exit(0);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	dispatch_until_end(fd, start_reader("same", 100, 0));
	CHECK(fusd_unregister(fd) == 0);
}

#define THREADS 4
#define ROUNDS 60

static void *serve(void *data)
{
	(void)data;
	fusd_run();
	return NULL;
}

static void *register_often(void *data)
{
	char name[32], path[4096], read_back[16];

	for (int i = 0; i < ROUNDS; i++) {
		int device, fd;

		snprintf(name, sizeof(name), "thread%d/%d", *(int *)data, i);
		fd = fusd_simple_register(name, 0600, "name",
					  .read = name_read);
		CHECK(fd >= 0);
		CHECK(fusd_device_path(fd, path, sizeof(path)) > 0);
		device = open(path, O_RDONLY);
		CHECK(device >= 0);
		CHECK(read(device, read_back, 16) == 4);
		CHECK(fusd_unregister(fd) == 0);
		CHECK(read(device, read_back, 16) < 0);
		close(device);
	}
	return NULL;
}

static void threads_register_serve_and_unregister(void)
{
	int keeper =
		fusd_simple_register("keeper", 0600, NULL, .read = name_read);
	pthread_t servers[2], threads[THREADS];
	int numbers[THREADS];

	CHECK(keeper >= 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&servers[i], NULL, serve, NULL);
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], NULL, register_often, &numbers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* The last device goes, so the servers return. */
	CHECK(fusd_unregister(keeper) == 0);
	for (int i = 0; i < 2; i++)
		pthread_join(servers[i], NULL);
}

static unsigned int seed = 20031;

static ssize_t random_answer(loff_t *offset)
{
	static const ssize_t answers[] = {
		0,    1,    100,   1 << 20, -1,	      -5,
		-511, -512, -4095, -4097,   1L << 40, -(1L << 40)
	};

	if (offset)
		*offset = (loff_t)rand_r(&seed) - (1 << 30);
	return answers[(size_t)rand_r(&seed) %
		       (sizeof(answers) / sizeof(answers[0]))];
}

static int random_open(struct fusd_file_info *file)
{
	file->flags = (unsigned int)rand_r(&seed);
	return rand_r(&seed) % 4 ? 0 : (int)random_answer(NULL);
}

static ssize_t random_read(struct fusd_file_info *file, char *buffer,
			   size_t length, loff_t *offset)
{
	memset(buffer, 'z', length);
	file->flags = (unsigned int)rand_r(&seed);
	file->private_data = file;
	return random_answer(offset);
}

static ssize_t random_write(struct fusd_file_info *file, const char *buffer,
			    size_t length, loff_t *offset)
{
	(void)file;
	CHECK(buffer[length] == 0);
	return random_answer(offset);
}

static int random_ioctl(struct fusd_file_info *file, int request, void *data)
{
	(void)file;
	(void)request;
	(void)data;
	return (int)random_answer(NULL);
}

static int random_poll_diff(struct fusd_file_info *file, unsigned int cached)
{
	(void)file;
	(void)cached;
	return (int)random_answer(NULL);
}

static void random_client(void)
{
	char path[4096], data[64];

	snprintf(path, sizeof(path), "%s/device", getenv("FUSD_DEV_ROOT"));
	for (int i = 0; i < 5000; i++) {
		int fd = open(path, O_RDWR);
		struct pollfd polled = { .fd = fd, .events = POLLIN };
		ssize_t count;

		if (fd < 0) {
			CHECK(errno > 0 && errno < 512);
			continue;
		}
		memset(data, '?', sizeof(data));
		count = read(fd, data, 32);
		CHECK(count <= 32);
		if (count < 0)
			CHECK(errno > 0 && errno < 512);
		for (size_t n = count > 0 ? (size_t)count : 0; n < 64; n++)
			CHECK(data[n] == '?');
		CHECK(write(fd, "hello", 5) <= 5);
		CHECK(ioctl(fd, _IOR('T', 1, char[16]), data) >= -4095);
		CHECK(poll(&polled, 1, 0) >= 0);
		close(fd);
	}
	_exit(0);
}

static void random_answers_hurt_nobody(void)
{
	int fd = register_device(&(struct fusd_file_operations){
		.open = random_open,
		.read = random_read,
		.write = random_write,
		.ioctl = random_ioctl,
		.poll_diff = random_poll_diff,
	});
	pid_t client = fork_client();

	if (client == 0)
		random_client();
	dispatch_until_end(fd, client);
	CHECK(fusd_unregister(fd) == 0);
}

int main(void)
{
	static const struct test tests[] = {
#define TEST(name) { #name, name }
		TEST(another_thread_may_answer),
		TEST(data_from_elsewhere_is_an_answer),
		TEST(a_callback_may_answer_itself),
		TEST(unregister_ends_held_requests),
		TEST(unregister_ends_destroyed_requests),
		TEST(a_killed_client_is_closed),
		TEST(close_waits_for_a_callback_that_dispatches),
		TEST(unregister_ends_a_close_that_waits),
		TEST(a_kept_buffer_outlives_everything),
		TEST(a_callback_may_unregister_its_device),
		TEST(a_forked_child_does_no_harm),
		TEST(threads_register_serve_and_unregister),
		TEST(random_answers_hurt_nobody),
		{ NULL, NULL },
	};

	return run_tests(tests);
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * descriptors:NAME makes a device whose ioctls give their clients descriptors:
 * new open files, each with a number of its own, and pipes of the driver's. It
 * says on standard output which open file is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fusd.h>

#define AS_RESULT _IO('c', 1)
#define IN_DATA _IOWR('c', 2, char[8])
#define PIPE _IO('c', 3)
#define FAILING _IO('c', 4)
#define HELD _IO('c', 5)
#define REFUSED _IO('c', 6)

static _Atomic uintptr_t last_child;

static void *next_child(void)
{
	return (void *)++last_child;
}

static int open_child(struct fusd_file_info *file, ssize_t offset)
{
	if (fusd_open_child(file, next_child(), O_RDWR | O_CLOEXEC, offset) < 0)
		return -errno;
	return 0;
}

static int give_pipe(struct fusd_file_info *file)
{
	int ends[2], error = 0;

	if (pipe(ends) < 0 || write(ends[1], "piped", 5) < 0)
		return -errno;
	if (fusd_give_descriptor(file, ends[0], O_CLOEXEC, FUSD_AS_RESULT) < 0)
		error = -errno;
	close(ends[0]);
	close(ends[1]);
	return error;
}

static void *answer_later(void *file)
{
	fusd_return(file, open_child(file, FUSD_AS_RESULT));
	return NULL;
}

/* The errors that a driver makes, one after another. */
static int make_errors(struct fusd_file_info *file)
{
	const struct {
		int fd;
		ssize_t offset;
		int flags, error;
	} errors[] = {
		{ 1000, FUSD_AS_RESULT, 0, EBADF },
		{ -5, FUSD_AS_RESULT, 0, EBADF },
		{ 0, FUSD_AS_RESULT, O_APPEND, EINVAL },
		{ 0, 0, 0, EINVAL },
		{ 0, -2, 0, EINVAL },
		{ file->fd, FUSD_AS_RESULT, 0, EINVAL },
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int result = fusd_give_descriptor(
			file, errors[i].fd, errors[i].flags, errors[i].offset);

		if (result != -1 || errno != errors[i].error)
			return (int)i + 1;
	}
	return 0;
}

static int on_ioctl(struct fusd_file_info *file, int request, void *data)
{
	pthread_t thread;
	int error;

	(void)data;
	switch ((unsigned int)request) {
	case AS_RESULT:
		error = open_child(file, FUSD_AS_RESULT);
		if (error == -ENOTTY)
			printf("error %s\n", fusd_error());
		fflush(stdout);
		return error;
	case IN_DATA:
		return open_child(file, 4);
	case PIPE:
		return give_pipe(file);
	case FAILING:
		error = open_child(file, FUSD_AS_RESULT);
		return error ? error : -EBUSY;
	case HELD:
		if (pthread_create(&thread, NULL, answer_later, file))
			return -EAGAIN;
		pthread_detach(thread);
		return -FUSD_NOREPLY;
	case REFUSED:
		return make_errors(file);
	default:
		return -ENOTTY;
	}
}

static ssize_t on_read(struct fusd_file_info *file, char *buffer, size_t length,
		       loff_t *offset)
{
	(void)offset;
	if (fusd_open_child(file, NULL, O_RDWR, FUSD_AS_RESULT) != -1 ||
	    errno != EINVAL)
		return -EBADE;
	return snprintf(buffer, length, "child %d",
			(int)(uintptr_t)file->private_data);
}

static int on_close(struct fusd_file_info *file)
{
	printf("closed %d\n", (int)(uintptr_t)file->private_data);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? strchr(argv[1], ':') : NULL;
	char path[4096];
	int fd = fusd_simple_register(name ? name + 1 : "descriptors", 0666,
				      NULL, .ioctl = on_ioctl, .read = on_read,
				      .close = on_close);

	if (fd < 0) {
		printf("error %d %.200s\n", errno, fusd_error());
		return 2;
	}
	fusd_device_path(fd, path, sizeof(path));
	printf("ready %s\n", path);
	fflush(stdout);
	fusd_run();
	return 0;
}

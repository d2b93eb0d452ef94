// SPDX-License-Identifier: BSD-3-Clause
/*
 * The benchmark's C driver: reads come from memory that was written once. With
 * -p its device is readable after a write and not after a read, for the wake-up
 * of clients that poll. It prints the path of its first device.
 *
 * A library that does not know an option, of -t and -s, gives exit status 3.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fusd.h>

#define MAX_SIZE (1 << 20)
#define NOT_OFFERED 3
#define MANY_FILES 20000

static char data[MAX_SIZE];
static int is_shared; /* the memory of requests, on kfusd */
static int is_readable;
static struct fusd_file_info *waiting; /* the poll_diff of who waits */

static ssize_t bench_read(struct fusd_file_info *file, char *buffer,
			  size_t length, loff_t *offset)
{
	(void)offset;
	/* There the buffer is what the client's bytes are taken from. */
	if (is_shared) {
		memcpy(buffer, data, length);
		return (ssize_t)length;
	}
	fusd_return_data(file, data, length);
	return -FUSD_NOREPLY;
}

static ssize_t bench_write(struct fusd_file_info *file, const char *buffer,
			   size_t length, loff_t *offset)
{
	(void)file;
	(void)buffer;
	(void)offset;
	return (ssize_t)length;
}

static int bench_ioctl(struct fusd_file_info *file, int request, void *argument)
{
	(void)file;
	(void)request;
	(void)argument;
	return 0;
}

static int bench_open(struct fusd_file_info *file)
{
	(void)file;
	return 0;
}

/* The callbacks of a device that is polled. */

static ssize_t polled_read(struct fusd_file_info *file, char *buffer,
			   size_t length, loff_t *offset)
{
	is_readable = 0;
	return bench_read(file, buffer, length, offset);
}

static ssize_t polled_write(struct fusd_file_info *file, const char *buffer,
			    size_t length, loff_t *offset)
{
	is_readable = 1;
	if (waiting)
		fusd_return(waiting, FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT);
	waiting = NULL;
	return bench_write(file, buffer, length, offset);
}

/* Of the two clients only one polls. */
static int polled_poll_diff(struct fusd_file_info *file, unsigned int cached)
{
	unsigned int state = FUSD_NOTIFY_OUTPUT;

	if (is_readable)
		state |= FUSD_NOTIFY_INPUT;
	if (state != cached)
		return (int)state;
	fusd_destroy(waiting);
	waiting = file;
	return -FUSD_NOREPLY;
}

static int polled_close(struct fusd_file_info *file)
{
	(void)file;
	fusd_destroy(waiting);
	waiting = NULL;
	return 0;
}

static int parse(int argc, char **argv, struct fusd_options *options,
		 int *devices, int *is_polled)
{
	int option;

	while ((option = getopt(argc, argv, "n:pt:s:")) != -1) {
		switch (option) {
		case 'n':
			*devices = atoi(optarg);
			break;
		case 'p':
			*is_polled = 1;
			break;
		case 't':
#ifdef HAS_MAX_TRANSFER
			options->max_transfer = strtoul(optarg, NULL, 10);
			break;
#else
			return NOT_OFFERED;
#endif
		case 's':
#ifdef HAS_SPIN_US
			options->spin_us = (unsigned int)atoi(optarg);
			break;
#else
			return NOT_OFFERED;
#endif
		default:
			return 2;
		}
	}
	(void)options;
	return optind == argc - 1 ? 0 : 2;
}

static int register_device(const char *name, int number, int is_polled,
			   const struct fusd_options *options)
{
	static const struct fusd_file_operations plain = {
		.open = bench_open,
		.close = bench_open,
		.read = bench_read,
		.write = bench_write,
		.ioctl = bench_ioctl,
	};
	static const struct fusd_file_operations polled = {
		.close = polled_close,
		.read = polled_read,
		.write = polled_write,
		.poll_diff = polled_poll_diff,
	};
	char full[FUSD_MAX_NAME_LENGTH + 1];

	if (number == 0)
		snprintf(full, sizeof(full), "%s", name);
	else
		snprintf(full, sizeof(full), "%s%d", name, number);
	return fusd_register_with(full, 0600, NULL,
				  is_polled ? &polled : &plain, options);
}

int main(int argc, char **argv)
{
	struct fusd_options options = { .size = sizeof(options) };
	int devices = 1, is_polled = 0, first = -1, status;
	struct rlimit limit;
	char path[4096];

	status = parse(argc, argv, &options, &devices, &is_polled);
	if (status == 2)
		fprintf(stderr, "usage: driver [-n DEVICES] [-p] [-t "
				"MAX_TRANSFER] [-s SPIN_US] NAME\n");
	if (status)
		return status;
	memset(data, 'd', sizeof(data));
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < MANY_FILES) { /* Only root may have more. */
		limit = (struct rlimit){ MANY_FILES, MANY_FILES };
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (int i = 0; i < devices; i++) {
		int fd = register_device(argv[optind], i, is_polled, &options);

		if (fd < 0) {
			fprintf(stderr, "driver: %s\n", fusd_error());
			return 1;
		}
		if (i == 0)
			first = fd;
	}
	is_shared = !strcmp(fusd_device_transport(first), "kfusd");
	fusd_device_path(first, path, sizeof(path));
	puts(path);
	fflush(stdout);
	fusd_run();
	return 0;
}

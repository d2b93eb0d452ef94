// SPDX-License-Identifier: BSD-3-Clause
/*
 * declared:NAME makes a device whose ioctls are not what their numbers code. It
 * says on standard output what a callback got, and upcases the data.
 */
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fusd.h>

#define SIZE 8
#define VALUE_OF_IOW _IOW('d', 1, int)
#define VALUE_OF_IOR _IOR('d', 2, int)
#define IN_OF_IOR _IOR('d', 3, char[SIZE])
#define OUT_OF_IO _IO('d', 4)
#define INOUT_OF_IO _IO('d', 5)
#define INOUT_OF_IOW _IOW('d', 6, char[SIZE])
#define IN_OF_IOWR _IOWR('d', 7, char[SIZE])
#define FAMILY _IOC(_IOC_READ, 'd', 8, 0)
#define LARGE _IO('d', 9)
#define DISCARDED _IOWR('d', 10, char[SIZE])
#define DISCARDED_OF_IO _IO('d', 11)
#define OWN_BUFFER _IO('d', 12)
#define HELD _IO('d', 13)
#define FAILING _IO('d', 14)

#define IS_32BIT _IO('d', 15)

#define LARGE_SIZE (100 * 1024)

static const struct fusd_ioctl table[] = {
	{ .number = VALUE_OF_IOW, .direction = FUSD_IOCTL_VALUE },
	{ .number = VALUE_OF_IOR, .direction = FUSD_IOCTL_VALUE },
	{ .number = IN_OF_IOR, .direction = FUSD_IOCTL_IN },
	{ .number = OUT_OF_IO, .direction = FUSD_IOCTL_OUT, .size = SIZE },
	{ .number = INOUT_OF_IO, .direction = FUSD_IOCTL_INOUT, .size = SIZE },
	{ .number = INOUT_OF_IOW, .direction = FUSD_IOCTL_INOUT },
	{ .number = IN_OF_IOWR, .direction = FUSD_IOCTL_IN },
	{ .number = FAMILY,
	  .mask = FUSD_IOCTL_ANY_SIZE,
	  .direction = FUSD_IOCTL_INOUT },
	{ .number = LARGE, .direction = FUSD_IOCTL_INOUT, .size = LARGE_SIZE },
	{ .number = DISCARDED_OF_IO,
	  .direction = FUSD_IOCTL_INOUT,
	  .size = SIZE },
	{ .number = OWN_BUFFER, .direction = FUSD_IOCTL_OUT, .size = SIZE },
	{ .number = HELD, .direction = FUSD_IOCTL_INOUT, .size = SIZE },
	{ .number = FAILING, .direction = FUSD_IOCTL_INOUT, .size = SIZE },
};

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(3);
}

static void upcase(char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (char)toupper((unsigned char)data[i]);
}

static void *answer_later(void *file)
{
	upcase(fusd_get_ioctl_buffer(file), fusd_get_length(file));
	fusd_return(file, 9);
	return NULL;
}

static int on_ioctl(struct fusd_file_info *file, int request, void *data)
{
	static char own[] = "of mine!";
	unsigned long argument = fusd_get_ioctl_argument(file);
	size_t length = fusd_get_length(file);
	char line[64];
	pthread_t thread;

	switch ((unsigned int)request) {
	case VALUE_OF_IOW:
	case VALUE_OF_IOR:
		if ((unsigned long)data != argument || length != 0)
			return -EBADE;
		snprintf(line, sizeof(line), "value %lx\n", argument);
		say(line);
		return (int)(argument & 0x7f);
	case IS_32BIT:
		return fusd_is_32bit(file);
	case OWN_BUFFER:
		file->fusd_msg->data = own;
		return 0;
	case HELD:
		if (pthread_create(&thread, NULL, answer_later, file))
			return -EAGAIN;
		pthread_detach(thread);
		return -FUSD_NOREPLY;
	case DISCARDED:
	case DISCARDED_OF_IO:
		upcase(data, length);
		return fusd_discard_data(file) == 0 ? 5 : -errno;
	}
	/* The 0 behind the data is part of the contract. */
	snprintf(line, sizeof(line), "data %zu %.8s %d\n", length, (char *)data,
		 ((char *)data)[length]);
	say(line);
	upcase(data, length);
	if ((unsigned int)request == OUT_OF_IO)
		memcpy(data, "from it!", SIZE);
	return (unsigned int)request == FAILING ? -ENODATA : 0;
}

int main(int argc, char **argv)
{
	const struct fusd_options options = {
		.size = sizeof(options),
		.ioctls = table,
		.ioctl_count = sizeof(table) / sizeof(table[0]),
	};
	const char *name = argc > 1 ? strchr(argv[1], ':') : NULL;
	char path[4096];
	int fd = fusd_register_with(name ? name + 1 : "declared", 0666, NULL,
				    FUSD_OPS(.ioctl = on_ioctl), &options);

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

// SPDX-License-Identifier: BSD-3-Clause
/*
 * What kfusd and our cuse transport are measured against: the least that a
 * program can do with libfuse's cuse_lowlevel interface to be one character
 * device with the same bytes.
 *
 * usage: libfuse_cuse_driver [-p] NAME   (the device is /dev/NAME)
 *
 * With -p the device is readable after a write and not after a read.
 */
#define FUSE_USE_VERSION 35

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cuse_lowlevel.h>
#include <fuse_opt.h>

/* Written once: a page that never was is the kernel's zero page, slow to pin.
 */
static char data[1 << 20];
static char path[4096];
static int is_readable;
static struct fuse_pollhandle *waiting; /* of who polls */

static void bench_init_done(void *unused)
{
	(void)unused;
	puts(path);
	fflush(stdout);
}

static void bench_open(fuse_req_t request, struct fuse_file_info *info)
{
	fuse_reply_open(request, info);
}

static void bench_read(fuse_req_t request, size_t size, off_t offset,
		       struct fuse_file_info *info)
{
	(void)offset;
	(void)info;
	is_readable = 0;
	fuse_reply_buf(request, data, size);
}

static void bench_write(fuse_req_t request, const char *bytes, size_t size,
			off_t offset, struct fuse_file_info *info)
{
	(void)bytes;
	(void)offset;
	(void)info;
	fuse_reply_write(request, size);
}

/* The kernel asks for the bytes first, and then comes again with them. */
static void bench_ioctl(fuse_req_t request, int command, void *argument,
			struct fuse_file_info *info, unsigned int flags,
			const void *in, size_t in_size, size_t out_size)
{
	const struct iovec bytes = { argument,
				     _IOC_SIZE((unsigned int)command) };

	(void)info;
	(void)flags;
	if (in_size < bytes.iov_len || out_size < bytes.iov_len)
		fuse_reply_ioctl_retry(request, &bytes, 1, &bytes, 1);
	else
		fuse_reply_ioctl(request, 0, in, out_size);
}

static void polled_write(fuse_req_t request, const char *bytes, size_t size,
			 off_t offset, struct fuse_file_info *info)
{
	is_readable = 1;
	if (waiting) {
		fuse_lowlevel_notify_poll(waiting);
		fuse_pollhandle_destroy(waiting);
		waiting = NULL;
	}
	bench_write(request, bytes, size, offset, info);
}

static void polled_poll(fuse_req_t request, struct fuse_file_info *info,
			struct fuse_pollhandle *handle)
{
	(void)info;
	if (handle) {
		if (waiting)
			fuse_pollhandle_destroy(waiting);
		waiting = handle;
	}
	fuse_reply_poll(request, POLLOUT | (is_readable ? POLLIN : 0));
}

int main(int argc, char **argv)
{
	int is_polled = argc == 3 && !strcmp(argv[1], "-p");
	const char *name = argv[argc - 1];
	char line[128];
	const char *lines[] = { line };
	const struct cuse_info device = {
		.dev_info_argc = 1,
		.dev_info_argv = lines,
		.flags = CUSE_UNRESTRICTED_IOCTL,
	};
	const struct cuse_lowlevel_ops operations = {
		.init_done = bench_init_done,
		.open = bench_open,
		.read = bench_read,
		.write = is_polled ? polled_write : bench_write,
		.ioctl = bench_ioctl,
		.poll = is_polled ? polled_poll : NULL,
	};
	/* In the foreground, one thread. */
	char *arguments[] = { argv[0], "-f", "-s" };

	if (argc != 2 + is_polled)
		return 2;
	memset(data, 'd', sizeof(data));
	snprintf(line, sizeof(line), "DEVNAME=%s", name);
	snprintf(path, sizeof(path), "/dev/%s", name);
	return cuse_lowlevel_main(3, arguments, &device, &operations, NULL);
}

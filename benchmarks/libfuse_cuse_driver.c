// SPDX-License-Identifier: BSD-3-Clause
/*
 * What kfusd and our cuse transport are measured against: the least that a
 * program can do with libfuse's cuse_lowlevel interface to be one character
 * device with the same bytes.
 *
 * usage: libfuse_cuse_driver NAME   (the device is /dev/NAME)
 */
#define FUSE_USE_VERSION 35

#include <stdio.h>
#include <string.h>

#include <cuse_lowlevel.h>
#include <fuse_opt.h>

/* Written once: a page that never was is the kernel's zero page, slow to pin.
 */
static char data[128 << 10];
static char path[4096];

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

static const struct cuse_lowlevel_ops operations = {
	.init_done = bench_init_done,
	.open = bench_open,
	.read = bench_read,
	.write = bench_write,
};

int main(int argc, char **argv)
{
	char name[128];
	const char *const lines[] = { name };
	const struct cuse_info device = {
		.dev_info_argc = 1,
		.dev_info_argv = (const char **)lines,
	};
	/* In the foreground, one thread. */
	char *arguments[] = { argv[0], "-f", "-s" };

	if (argc != 2)
		return 2;
	memset(data, 'd', sizeof(data));
	snprintf(name, sizeof(name), "DEVNAME=%s", argv[1]);
	snprintf(path, sizeof(path), "/dev/%s", argv[1]);
	return cuse_lowlevel_main(3, arguments, &device, &operations, NULL);
}

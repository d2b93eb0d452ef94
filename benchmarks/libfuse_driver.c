// SPDX-License-Identifier: BSD-3-Clause
/*
 * What libfusd is measured against: the least that a program can do with
 * libfuse's low-level interface to be one file with the same bytes.
 *
 * usage: libfuse_driver [-p] PATH   (PATH is made, and removed at the end)
 *
 * With -p the file is readable after a write and not after a read.
 */
#define FUSE_USE_VERSION 35

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fuse_lowlevel.h>

/* Written once: a page that never was is the kernel's zero page, slow to pin.
 */
static char data[1 << 20];
static int is_readable;
static struct fuse_pollhandle *waiting; /* of who polls */

static void bench_getattr(fuse_req_t request, fuse_ino_t inode,
			  struct fuse_file_info *info)
{
	struct stat attributes = {
		.st_mode = S_IFREG | 0600,
		.st_nlink = 1,
		.st_ino = FUSE_ROOT_ID,
	};

	(void)inode;
	(void)info;
	fuse_reply_attr(request, &attributes, 86400);
}

static void bench_open(fuse_req_t request, fuse_ino_t inode,
		       struct fuse_file_info *info)
{
	(void)inode;
	info->direct_io = 1;
	fuse_reply_open(request, info);
}

static void bench_read(fuse_req_t request, fuse_ino_t inode, size_t size,
		       off_t offset, struct fuse_file_info *info)
{
	(void)inode;
	(void)offset;
	(void)info;
	is_readable = 0;
	fuse_reply_buf(request, data, size);
}

static void bench_write(fuse_req_t request, fuse_ino_t inode, const char *bytes,
			size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)inode;
	(void)bytes;
	(void)offset;
	(void)info;
	fuse_reply_write(request, size);
}

static void bench_ioctl(fuse_req_t request, fuse_ino_t inode,
			unsigned int command, void *argument,
			struct fuse_file_info *info, unsigned int flags,
			const void *in, size_t in_size, size_t out_size)
{
	(void)inode;
	(void)command;
	(void)argument;
	(void)info;
	(void)flags;
	(void)in_size;
	fuse_reply_ioctl(request, 0, in, out_size);
}

static void polled_write(fuse_req_t request, fuse_ino_t inode,
			 const char *bytes, size_t size, off_t offset,
			 struct fuse_file_info *info)
{
	is_readable = 1;
	if (waiting) {
		fuse_lowlevel_notify_poll(waiting);
		fuse_pollhandle_destroy(waiting);
		waiting = NULL;
	}
	bench_write(request, inode, bytes, size, offset, info);
}

static void polled_poll(fuse_req_t request, fuse_ino_t inode,
			struct fuse_file_info *info,
			struct fuse_pollhandle *handle)
{
	(void)inode;
	(void)info;
	if (handle) {
		if (waiting)
			fuse_pollhandle_destroy(waiting);
		waiting = handle;
	}
	fuse_reply_poll(request, POLLOUT | (is_readable ? POLLIN : 0));
}

/* Returns the exit status. */
static int serve(char *program, const char *path, int is_polled)
{
	char *names[] = { program, NULL };
	struct fuse_args arguments = FUSE_ARGS_INIT(1, names);
	const struct fuse_lowlevel_ops operations = {
		.getattr = bench_getattr,
		.open = bench_open,
		.read = bench_read,
		.write = is_polled ? polled_write : bench_write,
		.ioctl = bench_ioctl,
		.poll = is_polled ? polled_poll : NULL,
	};
	struct fuse_session *session;

	session = fuse_session_new(&arguments, &operations, sizeof(operations),
				   NULL);
	if (!session || fuse_set_signal_handlers(session) ||
	    fuse_session_mount(session, path))
		return 1;
	puts(path);
	fflush(stdout);
	fuse_session_loop(session);
	fuse_session_unmount(session);
	return 0;
}

int main(int argc, char **argv)
{
	int is_polled = argc == 3 && !strcmp(argv[1], "-p");
	const char *path = argv[argc - 1];
	int fd, status;

	if (argc != 2 + is_polled)
		return 2;
	memset(data, 'd', sizeof(data));
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0) {
		perror(path);
		return 1;
	}
	close(fd);
	status = serve(argv[0], path, is_polled);
	unlink(path);
	return status;
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * What libfusd is measured against: the least that a program can do with
 * libfuse's low-level interface to be one file with the same bytes.
 *
 * usage: libfuse_driver PATH   (PATH is made, and removed at the end)
 */
#define FUSE_USE_VERSION 35

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fuse_lowlevel.h>

static char data[128 << 10];

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

static const struct fuse_lowlevel_ops operations = {
	.getattr = bench_getattr,
	.open = bench_open,
	.read = bench_read,
	.write = bench_write,
};

int main(int argc, char **argv)
{
	struct fuse_args arguments = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *session;
	int fd, failed = 1;

	if (argc != 2)
		return 2;
	memset(data, 'd', sizeof(data));
	fd = open(argv[1], O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	close(fd);
	session = fuse_session_new(&arguments, &operations, sizeof(operations),
				   NULL);
	if (session && !fuse_set_signal_handlers(session) &&
	    !fuse_session_mount(session, argv[1])) {
		puts(argv[1]);
		fflush(stdout);
		fuse_session_loop(session);
		fuse_session_unmount(session);
		failed = 0;
	}
	unlink(argv[1]);
	return failed;
}

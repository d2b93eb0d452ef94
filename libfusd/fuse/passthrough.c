// SPDX-License-Identifier: BSD-3-Clause
/*
 * A device's shared memory in its clients.
 *
 * FUSE maps nothing of a driver's, but since Linux 6.9 it hands a file's
 * operations on to a backing file, if the answer to an open says so. With
 * FOPEN_DIRECT_IO as well, reads and writes come to the driver as ever, and
 * only mmap(2) goes to the backing file, which is the device's memfd.
 *
 * All open files of an inode have to have the same backing file, of the same
 * registration: so it is one for the whole device, made at the beginning, and
 * the kernel forgets it with the connection. It is opened anew for each client,
 * for what the client may do, with the rights of who registered it.
 *
 * libfuse knows of this since version 3.17. What it does is to set a flag in
 * the answer to the kernel's first message, and to hand on an ioctl: both is
 * done here, as it is the same for each version then.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "passthrough.h"

/* Those of Linux 6.9, whatever the headers here are. */
#define INIT_HAS_MORE_FLAGS (UINT32_C(1) << 30) /* FUSE_INIT_EXT */
#define INIT_PASSTHROUGH (UINT32_C(1) << 5)	/* of the other flags */
#define STACK_DEPTH 1 /* a memfd's file system is on no other one */

struct init_answer {
	struct fuse_out_header header;
	uint32_t major, minor, max_readahead, flags;
	uint16_t max_background, congestion_threshold;
	uint32_t max_write, time_gran;
	uint16_t max_pages, map_alignment;
	uint32_t more_flags, max_stack_depth, unused[6];
};

_Static_assert(sizeof(struct init_answer) ==
		       sizeof(struct fuse_out_header) +
			       sizeof(struct fuse_init_out),
	       "the kernel's message has one size");

struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};

#define BACKING_OPEN _IOW(229, 1, struct backing_map)

/* Hands libfuse's answer on, with what libfuse did not say. */
static bool hand_on_answer(int from, int to)
{
	struct init_answer answer;
	ssize_t size = recv(from, &answer, sizeof(answer), MSG_DONTWAIT);

	/* A kernel that has not the feature does not look at it. */
	if (size == sizeof(answer) && !answer.header.error) {
		answer.flags |= INIT_HAS_MORE_FLAGS;
		answer.more_flags |= INIT_PASSTHROUGH;
		answer.max_stack_depth = STACK_DEPTH;
	}
	return size > 0 && write(to, &answer, (size_t)size) == size;
}

/*
 * libfuse answers to a descriptor's number, which is a socket's meanwhile,
 * while the message comes from the kernel under another number.
 */
static bool agree_by_socket(struct fusd_device *device, const int ends[2],
			    int kernel,
			    bool (*agree)(struct fusd_device *device))
{
	const int number = device->fd;
	bool is_agreed;

	if (dup3(ends[0], number, O_CLOEXEC) < 0)
		return false;
	device->fd = kernel;
	is_agreed = agree(device) && hand_on_answer(ends[1], kernel);
	device->fd = number;
	return dup3(kernel, number, O_CLOEXEC) >= 0 && is_agreed;
}

static void name_memory(struct fusd_device *device)
{
	const struct backing_map map = { .fd = device->shared_memory };
	int id = ioctl(device->fd, BACKING_OPEN, &map);

	if (id > 0)
		fusd_session_of(device)->backing_id = id;
	else
		fusd_log(LOG_INFO,
			 "%s: clients cannot map its memory, as the driver is "
			 "not root, or the kernel older than Linux 6.9: %s",
			 device->path, strerror(errno));
}

bool fusd_passthrough_agree(struct fusd_device *device,
			    bool (*agree)(struct fusd_device *device))
{
	int kernel = fcntl(device->fd, F_DUPFD_CLOEXEC, 0);
	bool is_agreed = false;
	int ends[2];

	if (kernel < 0)
		return false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
		is_agreed = agree_by_socket(device, ends, kernel, agree);
		close(ends[0]);
		close(ends[1]);
	}
	close(kernel);
	if (is_agreed)
		name_memory(device);
	return is_agreed;
}

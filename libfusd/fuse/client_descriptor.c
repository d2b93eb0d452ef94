// SPDX-License-Identifier: BSD-3-Clause
/*
 * A client's descriptor of an open file, as proc(5) shows it. FUSE tells the
 * open file's flags and position with reads and writes only.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "client_descriptor.h"

/* A client with more open files is not searched to the end. */
#define MAX_SEARCHED 1024

/* The kernel shows no call of a thread that has not gone to sleep in it yet. */
#define MAX_LOOKS 100

/* Reads a small file of a thread; false if there is none to be read. */
static bool read_file(pid_t thread, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)thread, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, text, size - 1);
	close(fd);
	if (length <= 0)
		return false;
	text[length] = 0;
	return true;
}

/* The system call in which a thread waits. */
struct call {
	long number;
	unsigned long arguments[4];
};

static bool find_call(pid_t thread, struct call *call)
{
	unsigned long *arguments = call->arguments;
	char text[256];

	for (int look = 0; look < MAX_LOOKS; look++) {
		if (!read_file(thread, "syscall", text, sizeof(text)))
			return false;
		if (isdigit((unsigned char)text[0]))
			break;
		sched_yield();
	}
	return sscanf(text, "%ld %lx %lx %lx %lx", &call->number, &arguments[0],
		      &arguments[1], &arguments[2], &arguments[3]) == 5;
}

/* The descriptor that is an argument of a thread's call; -1: none. */
static int descriptor_in_call(pid_t thread, bool in_ioctl)
{
	struct call call;

	if (!find_call(thread, &call))
		return -1;
	/* A 32-bit client's ioctl has another number. */
	if (in_ioctl)
		return (int)call.arguments[0];
	return call.number == SYS_epoll_ctl ? (int)call.arguments[2] : -1;
}

/* Whether it is one of the device; no driver is asked for that. */
static bool is_of_device(pid_t thread, int fd,
			 const struct fusd_node_number *node)
{
	struct statx status;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)thread, fd);
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		  STATX_TYPE, &status) < 0)
		return false;
	if (!node->is_character_device)
		return makedev(status.stx_dev_major, status.stx_dev_minor) ==
		       node->number;
	return S_ISCHR(status.stx_mode) &&
	       makedev(status.stx_rdev_major, status.stx_rdev_minor) ==
		       node->number;
}

static int open_information(pid_t thread, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)thread, fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* What a file of proc(5) shows of a descriptor now. */
static bool read_information(int file, struct fusd_descriptor *shown)
{
	long long position;
	char text[512];
	ssize_t length = pread(file, text, sizeof(text) - 1, 0);

	if (length <= 0)
		return false;
	text[length] = 0;
	if (sscanf(text, "pos: %lld flags: %lo mnt_id: %d", &position,
		   &shown->flags, &shown->mount) != 3)
		return false;
	/* Of a descriptor, not of the open file. */
	shown->flags &= ~(unsigned long)O_CLOEXEC;
	shown->position = (uint64_t)position;
	return true;
}

static bool look_at(pid_t thread, int fd, const struct fusd_node_number *node,
		    struct fusd_descriptor *found)
{
	struct fusd_descriptor shown = { .thread = thread, .fd = fd };
	bool is_read;
	int file;

	if (fd < 0 || !is_of_device(thread, fd, node))
		return false;
	file = open_information(thread, fd);
	if (file < 0)
		return false;
	is_read = read_information(file, &shown);
	close(file);
	if (!is_read || ((shown.flags ^ found->flags) & O_ACCMODE))
		return false;
	*found = shown;
	return true;
}

static void keep_file(struct fusd_descriptor_file *kept,
		      const struct fusd_descriptor *found)
{
	if (kept->thread)
		close(kept->file);
	kept->file = open_information(found->thread, found->fd);
	kept->thread = kept->file < 0 ? 0 : found->thread;
	kept->client_fd = found->fd;
}

/* As look_at(), at what was found before, if it is the same still. */
static bool look_again(struct fusd_descriptor_file *kept,
		       struct fusd_descriptor *found)
{
	struct fusd_descriptor shown = *found;
	bool is_same;

	pthread_mutex_lock(&kept->lock);
	if (kept->thread != found->thread || kept->client_fd != found->fd)
		keep_file(kept, found);
	is_same = kept->thread && read_information(kept->file, &shown) &&
		  shown.mount == found->mount &&
		  !((shown.flags ^ found->flags) & O_ACCMODE);
	pthread_mutex_unlock(&kept->lock);
	if (is_same)
		*found = shown;
	return is_same;
}

/* Looks at all of a process; true if all that it may be show the same. */
static bool search(pid_t thread, const struct fusd_node_number *node,
		   struct fusd_descriptor *found)
{
	struct fusd_descriptor first = { .thread = 0 };
	bool is_one = true;
	struct dirent *entry;
	char path[64];
	DIR *directory;
	int count = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)thread);
	directory = opendir(path);
	if (!directory)
		return false;
	while (is_one && (entry = readdir(directory))) {
		struct fusd_descriptor one = *found;

		if (++count > MAX_SEARCHED)
			is_one = false;
		else if (!isdigit((unsigned char)entry->d_name[0]) ||
			 !look_at(thread, atoi(entry->d_name), node, &one))
			continue;
		else if (!first.thread)
			first = one;
		else
			is_one = one.flags == first.flags &&
				 one.position == first.position;
	}
	closedir(directory);
	if (!first.thread || !is_one)
		return false;
	*found = first;
	return true;
}

bool fusd_client_descriptor(pid_t thread, bool in_ioctl,
			    const struct fusd_node_number *node,
			    struct fusd_descriptor_file *kept,
			    struct fusd_descriptor *found)
{
	if (thread <= 0)
		return false;
	if (found->thread == thread && look_again(kept, found))
		return true;
	return look_at(thread, descriptor_in_call(thread, in_ioctl), node,
		       found) ||
	       search(thread, node, found);
}

bool fusd_client_goes_on(pid_t thread, uint64_t offset,
			 const struct fusd_node_number *node,
			 unsigned long flags)
{
	struct fusd_descriptor found = { .flags = flags };
	struct call call;

	if (thread <= 0 || !find_call(thread, &call))
		return false;
	switch (call.number) {
	case SYS_pread64:
	case SYS_preadv:
		return call.arguments[3] != offset;
	case SYS_read:
	case SYS_readv:
		/* The kernel moves the position when the call ends. */
		return look_at(thread, (int)call.arguments[0], node, &found) &&
		       found.position != offset;
	default:
		return false;
	}
}

void fusd_descriptor_file_close(struct fusd_descriptor_file *kept)
{
	if (kept->thread)
		close(kept->file);
	pthread_mutex_destroy(&kept->lock);
}

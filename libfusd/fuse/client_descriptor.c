// SPDX-License-Identifier: BSD-3-Clause
/*
 * A client's descriptor of an open file, as proc(5) shows it. FUSE tells the
 * open file's flags and position with reads and writes only.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "client_descriptor.h"
#include "proc.h"

/* A client with more open files is not searched to the end. */
#define MAX_SEARCHED 1024

/* The descriptor that is an argument of a thread's call; -1: none. */
static int descriptor_in_call(pid_t thread, bool in_ioctl)
{
	struct fusd_proc_call call;

	if (!fusd_proc_find_call(thread, &call))
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
	char path[FUSD_PROC_PATH_SIZE];

	fusd_proc_descriptor_path(thread, fd, path);
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		  STATX_TYPE, &status) < 0)
		return false;
	if (!node->is_character_device)
		return makedev(status.stx_dev_major, status.stx_dev_minor) ==
		       node->device_number;
	return S_ISCHR(status.stx_mode) &&
	       makedev(status.stx_rdev_major, status.stx_rdev_minor) ==
		       node->device_number;
}

/* What a file of proc(5) shows of a descriptor now. */
static bool read_shown(int file, struct fusd_descriptor *shown)
{
	struct fusd_proc_information information;

	if (!fusd_proc_read_information(file, &information))
		return false;
	shown->flags = information.flags;
	shown->mount = information.mount;
	shown->position = information.position;
	return true;
}

static bool look_at_descriptor(pid_t thread, int fd,
			       const struct fusd_node_number *node,
			       struct fusd_descriptor *found)
{
	struct fusd_descriptor shown = { .thread = thread, .fd = fd };
	bool is_read;
	int file;

	if (fd < 0 || !is_of_device(thread, fd, node))
		return false;
	file = fusd_proc_open_information(thread, fd);
	if (file < 0)
		return false;
	is_read = read_shown(file, &shown);
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
	kept->file = fusd_proc_open_information(found->thread, found->fd);
	kept->thread = kept->file < 0 ? 0 : found->thread;
	kept->client_fd = found->fd;
}

/* As look_at_descriptor(), at what was found before, if it is the same still.
 */
static bool look_at_known(struct fusd_descriptor_file *kept,
			  struct fusd_descriptor *found)
{
	struct fusd_descriptor shown = *found;
	bool is_same;

	pthread_mutex_lock(&kept->lock);
	if (kept->thread != found->thread || kept->client_fd != found->fd)
		keep_file(kept, found);
	is_same = kept->thread && read_shown(kept->file, &shown) &&
		  shown.mount == found->mount &&
		  !((shown.flags ^ found->flags) & O_ACCMODE);
	pthread_mutex_unlock(&kept->lock);
	if (is_same)
		*found = shown;
	return is_same;
}

/* Looks at all of a process; true if all that it may be show the same. */
static bool search_process(pid_t thread, const struct fusd_node_number *node,
			   struct fusd_descriptor *found)
{
	struct fusd_descriptor first = { .thread = 0 };
	bool is_one = true;
	struct dirent *entry;
	DIR *directory = fusd_proc_open_descriptors(thread);
	int count = 0;

	if (!directory)
		return false;
	while (is_one && (entry = readdir(directory))) {
		struct fusd_descriptor one = *found;

		if (++count > MAX_SEARCHED)
			is_one = false;
		else if (!isdigit((unsigned char)entry->d_name[0]) ||
			 !look_at_descriptor(thread, atoi(entry->d_name), node,
					     &one))
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
	if (found->thread == thread && look_at_known(kept, found))
		return true;
	return look_at_descriptor(thread, descriptor_in_call(thread, in_ioctl),
				  node, found) ||
	       search_process(thread, node, found);
}

bool fusd_client_goes_on(pid_t thread, uint64_t offset,
			 const struct fusd_node_number *node,
			 unsigned long flags)
{
	struct fusd_descriptor found = { .flags = flags };
	struct fusd_proc_call call;

	if (thread <= 0 || !fusd_proc_find_call(thread, &call))
		return false;
	switch (call.number) {
	case SYS_pread64:
	case SYS_preadv:
		return call.arguments[3] != offset;
	case SYS_read:
	case SYS_readv:
		/* The kernel moves the position when the call ends. */
		return look_at_descriptor(thread, (int)call.arguments[0], node,
					  &found) &&
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

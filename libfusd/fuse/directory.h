/* SPDX-License-Identifier: BSD-3-Clause */
/* The directories that a device's name has, below the root of all devices. */
#ifndef FUSD_DIRECTORY_H
#define FUSD_DIRECTORY_H

#include <stdbool.h>

#define FUSD_ROOT_HINT "; FUSD_DEV_ROOT may name another directory for devices"

/* Makes one directory for all users to enter, unless it is there. 0 or -errno.
 */
int fusd_directory_make(const char *path);

/*
 * Where a node is: a directory that stays the same one, and a name in it. If
 * there are no descriptors left, AT_FDCWD and the whole path.
 */
struct fusd_place {
	int directory;
	const char *name; /* of the path that was given */
};

/*
 * Goes from root to the directory that path is in, following no symbolic link
 * and entering nobody's directory but this user's, root's, and the owner of the
 * first one's. With is_made, makes the directories that are missing: for all
 * users to enter, whatever the umask, and known as made here by the sticky bit.
 * 0, to be given back by fusd_place_close(); or -errno: -EAGAIN if somebody
 * removes what was just made.
 */
int fusd_place_open(struct fusd_place *place, const char *root,
		    const char *path, bool is_made);
void fusd_place_close(struct fusd_place *place);

/* A path for calls that take no directory. */
#define FUSD_PLACE_SIZE 4096
void fusd_place_path(const struct fusd_place *place,
		     char path[FUSD_PLACE_SIZE]);

/* A path of what a descriptor is open on, whatever covers that. */
#define FUSD_DESCRIPTOR_PATH_SIZE 32
void fusd_descriptor_path(int fd, char path[FUSD_DESCRIPTOR_PATH_SIZE]);

/*
 * Removes the directories between root and path that are empty: those that were
 * made by fusd_place_open(), or any.
 */
void fusd_directories_remove(const char *root, const char *path, bool is_any);

#endif /* FUSD_DIRECTORY_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/* Mounting over a node, and what the kernel says about mounts. */
#ifndef FUSD_FUSE_MOUNT_H
#define FUSD_FUSE_MOUNT_H

#include <stdbool.h>

/* What mount(8) shows as the source of this process's devices. */
#define FUSD_MOUNT_ID_SIZE 64
void fusd_mount_id(char id[FUSD_MOUNT_ID_SIZE]);

/* Whether this process itself may mount, as far as capabilities say. */
bool fusd_may_mount(void);

/*
 * Mounts over what node is open on, which may be no regular file: then the
 * device is one all the same. Returns the connection, or -errno.
 */
int fusd_mount(int node, const char id[FUSD_MOUNT_ID_SIZE]);

/*
 * As a user: has fusermount3 mount over the regular file of this path. Returns
 * the connection, or -errno with fusermount3's reason as the last error.
 */
int fusd_mount_as_user(const char *path, const char id[FUSD_MOUNT_ID_SIZE]);

/*
 * Takes the topmost mount of a path away. The real path is for fusermount3,
 * which is asked where this process may not.
 */
void fusd_unmount(const char *path, const char *real);

/*
 * Finds the topmost mount at path, as the kernel writes it. 0: none. 1: one of
 * FUSD, its id is in id. 2: something else. -errno if that cannot be found out.
 */
int fusd_mount_find(const char *path, char id[FUSD_MOUNT_ID_SIZE]);

/* Whether the mount of this id is at path, and none below or above it. */
bool fusd_mount_is_alone(const char *path, const char *id);

#endif /* FUSD_FUSE_MOUNT_H */

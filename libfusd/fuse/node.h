/* SPDX-License-Identifier: BSD-3-Clause */
/* A FUSE device's node: what is mounted over. */
#ifndef FUSD_FUSE_NODE_H
#define FUSD_FUSE_NODE_H

#include <stddef.h>

#include "mount.h"
#include "internal.h"

/* What tells a device's node from what others put into its place. */
struct fusd_node {
	char mount_id[FUSD_MOUNT_ID_SIZE];
	dev_t file_device; /* what is mounted over */
	ino_t file_inode;
};

/*
 * Writes the directory under which nodes are made, as a path without symbolic
 * links and without a slash at its end: FUSD_DEV_ROOT, or /dev where this user
 * may write, or the user's runtime directory. Makes it if it is not there.
 * 0 or -errno.
 */
int fusd_node_root(char *root, size_t size);

/*
 * Makes the node, with the directories it needs, and mounts over it. What a
 * dead driver left behind at the same place is cleared away. Returns the
 * connection; *node says what was mounted over. -EEXIST if the place is taken.
 */
int fusd_node_mount(const char *root, const char *path, struct fusd_node *node);

/*
 * Unmounts, and removes the node and those directories that were made for it if
 * they are empty; leaves alone what is not the node.
 */
void fusd_node_remove(const char *root, const char *path,
		      const struct fusd_node *node);

/* In a forked child: its parent's threads take no path here. */
void fusd_node_forget(void);

#endif /* FUSD_FUSE_NODE_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/* What cleans up after a driver that was killed. */
#ifndef FUSD_FUSE_WATCHER_H
#define FUSD_FUSE_WATCHER_H

/*
 * Makes sure, for one device more, that nodes under root go away when this
 * process dies, however that happens. 0 or -errno.
 */
int fusd_watcher_start(const char *root);

/* One device under root needs it no more. */
void fusd_watcher_stop(const char *root);

/* In a forked child: the watchers wait for its parent's death, not its own. */
void fusd_watcher_forget(void);

#endif /* FUSD_FUSE_WATCHER_H */

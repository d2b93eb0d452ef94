/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes and uevents, on the control descriptor fd. */
#ifndef FUSD_KFUSD_SYSFS_H
#define FUSD_KFUSD_SYSFS_H

#include "internal.h"

/* 0 or -errno, with the sentence. */
int fusd_kfusd_set_attribute(int fd, const struct fusd_attribute *attribute);
/* Variables of all uevents, or those of one that is sent. 0 or -errno. */
int fusd_kfusd_tell_uevent(int fd, const char *const *variables, size_t count,
			   bool is_sent);

#endif /* FUSD_KFUSD_SYSFS_H */

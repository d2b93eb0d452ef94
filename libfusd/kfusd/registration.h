/* SPDX-License-Identifier: BSD-3-Clause */
/* How a device becomes visible: the control file, the name, the node. */
#ifndef FUSD_KFUSD_REGISTRATION_H
#define FUSD_KFUSD_REGISTRATION_H

#include "internal.h"

/* All of these give 0, or the first a descriptor; or -errno and the sentence.
 */
int fusd_kfusd_open_control(void);
/* struct fusd_transport's check. */
int fusd_kfusd_check(void);
/*
 * The module looks up no path: where something is, the kernel would make a
 * device without a node.
 */
int fusd_kfusd_check_vacant(struct fusd_device *device);
/* Registers on the control descriptor fd. */
int fusd_kfusd_register(struct fusd_device *device,
			const struct fusd_options *options, int fd);
/* The kernel made the node before it answered; this process may not see it. */
int fusd_kfusd_find_node(struct fusd_device *device,
			 const struct fusd_options *options);
/* Where sysfs is not at /sys, nobody looks there for a class either. */
void fusd_kfusd_check_class(const struct fusd_device *device,
			    const struct fusd_options *options);

#endif /* FUSD_KFUSD_REGISTRATION_H */

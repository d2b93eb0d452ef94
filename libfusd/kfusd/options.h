/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel module is asked for before a device is registered. */
#ifndef FUSD_KFUSD_OPTIONS_H
#define FUSD_KFUSD_OPTIONS_H

#include <linux/types.h>

#include "internal.h"

/*
 * Asks on the control descriptor fd. 0 or -errno, with the sentence; granted
 * gets the FUSD_OPTION_ bits that the module has.
 */
int fusd_kfusd_ask(const struct fusd_device *device,
		   const struct fusd_options *options, int fd, __u64 *granted);

#endif /* FUSD_KFUSD_OPTIONS_H */

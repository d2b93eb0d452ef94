/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel module is asked for before a device is registered. */
#ifndef FUSD_KFUSD_OPTIONS_H
#define FUSD_KFUSD_OPTIONS_H

#include "internal.h"

/* Asks on the control descriptor fd. 0 or -errno, with the sentence. */
int fusd_kfusd_ask(const struct fusd_device *device,
		   const struct fusd_options *options, int fd);

#endif /* FUSD_KFUSD_OPTIONS_H */

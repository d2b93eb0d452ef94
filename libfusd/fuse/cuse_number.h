/* SPDX-License-Identifier: BSD-3-Clause */
/* Device numbers for CUSE, which by itself takes a major one for each device.
 */
#ifndef FUSD_CUSE_NUMBER_H
#define FUSD_CUSE_NUMBER_H

#include <sys/types.h>

/*
 * A number to ask the kernel for: 0, any, for the process's first device, then
 * one beside that device's. Another program may have it.
 */
dev_t fusd_cuse_number_take(void);

/* Notes the number that a device got, until it is released. */
void fusd_cuse_number_keep(dev_t number);
void fusd_cuse_number_release(dev_t number);

/* In a forked child: its parent's numbers are none of its own. */
void fusd_cuse_number_forget(void);

#endif /* FUSD_CUSE_NUMBER_H */

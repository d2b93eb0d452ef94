/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors that an answer brings its client, by the kernel module. */
#ifndef FUSD_KFUSD_DESCRIPTOR_H
#define FUSD_KFUSD_DESCRIPTOR_H

#include "internal.h"

/* The transport's add_descriptor. */
int fusd_kfusd_add_descriptor(struct fusd_request *request, int fd,
			      void *private_data, int flags, ssize_t offset);

#endif /* FUSD_KFUSD_DESCRIPTOR_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/* ioctl on libfuse. */
#ifndef FUSD_FUSE_IOCTL_H
#define FUSD_FUSE_IOCTL_H

#include "session.h"

/* libfuse's operation: see operation.h. */
void fusd_ioctl_receive(fuse_req_t fuse, unsigned int number, void *argument,
			struct fuse_file_info *info, const void *in_data,
			size_t in_size, size_t out_size);

/* The ioctl's part of struct fusd_transport's reply. */
int fusd_ioctl_reply(struct fusd_request *request, ssize_t retval);

#endif /* FUSD_FUSE_IOCTL_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/* ioctl on libfuse. */
#ifndef FUSD_FUSE_IOCTL_H
#define FUSD_FUSE_IOCTL_H

#include "session.h"

/* libfuse's operation: see operation.h. */
void fusd_ioctl_receive(fuse_req_t fuse, unsigned int number, void *argument,
			struct fuse_file_info *info, unsigned int flags,
			const void *in_data, size_t in_size, size_t out_size);

/* Copy a region between the client that waits in its ioctl and its data. */
int fusd_ioctl_fetch(struct fusd_request *request, struct fusd_region *region);
int fusd_ioctl_store(struct fusd_request *request,
		     const struct fusd_region *region);
/* Whether an unrestricted CUSE carries a region beside those there are. */
bool fusd_ioctl_is_carried(const struct fusd_request *request,
			   const struct fusd_region *region);

/* The ioctl's part of struct fusd_transport's reply. */
int fusd_ioctl_reply(struct fusd_request *request, ssize_t retval);

#endif /* FUSD_FUSE_IOCTL_H */

// SPDX-License-Identifier: BSD-3-Clause
/* Descriptors that an answer brings its client, by the kernel module. */
#include <errno.h>
#include <sys/ioctl.h>

#include <fusd_control.h>

#include "descriptor.h"

int fusd_kfusd_add_descriptor(struct fusd_request *request, int fd,
			      void *private_data, int flags, ssize_t offset)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;
	const struct fusd_control_descriptor descriptor = {
		.fusd_file = (uintptr_t)fops->fusd_file,
		.transid = fops->transid,
		.hint = fops->hint,
		.descriptor = fd < 0 ? -1 : fd,
		.private_info = (uintptr_t)private_data,
		.flags = (__u32)flags,
		.offset = offset == FUSD_AS_RESULT ? FUSD_CONTROL_RESULT :
						     (__u32)offset,
	};

	if (ioctl(request->device->fd, FUSD_CONTROL_DESCRIPTOR, &descriptor) ==
	    0)
		return 0;
	if (errno == ENOTTY)
		return fusd_fail(ENOTTY,
				 "the module kfusd that is loaded is too old "
				 "to give clients descriptors: load that of "
				 "FUSD %s",
				 fusd_version());
	return errno == ENODEV ? -EPIPE : -errno;
}

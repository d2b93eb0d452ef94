// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* fsync(2), and what close(2) of each descriptor tells the driver. */
#include <linux/sched.h>

#include "operations.h"

int kfusd_client_fsync(struct file *filp, loff_t start, loff_t end,
		       int datasync)
{
	struct kfusd_file *file = filp->private_data;
	struct kfusd_request *request;

	/*
	 * A kernel thread makes it for who uses AIO, who could not be killed
	 * while it waits.
	 */
	if (!(file->device->options & FUSD_OPTION_FSYNC) ||
	    current->flags & PF_KTHREAD)
		return -EINVAL;
	request = kfusd_request_new(file, FUSD_FSYNC, 0, filp->f_flags);
	if (IS_ERR(request))
		return PTR_ERR(request);
	request->offset = filp->f_pos;
	request->is_at_position = true;
	request->is_datasync = datasync;
	request = kfusd_call_driver(request);
	if (IS_ERR(request))
		return PTR_ERR(request);
	return kfusd_end_call(filp, request);
}

int kfusd_client_flush(struct file *filp, fl_owner_t owner)
{
	struct kfusd_file *file = filp->private_data;
	struct kfusd_request *request;

	if (!(file->device->options & FUSD_OPTION_FLUSH))
		return 0;
	request = kfusd_request_new(file, FUSD_FLUSH, 0, filp->f_flags);
	if (IS_ERR(request))
		return PTR_ERR(request);
	request->offset = filp->f_pos;
	request = kfusd_call_flush(request, kfusd_may_wait_to_close(file));
	if (IS_ERR_OR_NULL(request))
		return PTR_ERR_OR_ZERO(request);
	return kfusd_end_call(filp, request);
}

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* lseek(2). A stream has none: its open files have no position. */
#include "operations.h"

/* Asks the driver where to. */
static loff_t kfusd_ask_position(struct file *filp, loff_t offset, int whence)
{
	struct kfusd_file *file = filp->private_data;
	struct kfusd_request *request =
		kfusd_request_new(file, FUSD_SEEK, 0, filp->f_flags);

	if (IS_ERR(request))
		return PTR_ERR(request);
	request->offset = filp->f_pos;
	request->is_at_position = true;
	request->argument = offset;
	request->whence = whence;
	request = kfusd_call_driver(request);
	if (IS_ERR(request))
		return PTR_ERR(request);
	return kfusd_end_call(filp, request);
}

/* The position may have moved while the driver was asked. */
static loff_t kfusd_seek_by_driver(struct file *filp, loff_t offset, int whence)
{
	loff_t position = kfusd_ask_position(filp, offset, whence);

	if (position < 0)
		return position;
	if (position != filp->f_pos)
		kfusd_position_set(filp->private_data);
	return vfs_setpos(filp, position, LLONG_MAX);
}

loff_t kfusd_client_llseek(struct file *filp, loff_t offset, int whence)
{
	struct kfusd_file *file = filp->private_data;
	const loff_t before = filp->f_pos;
	loff_t position;

	if (file->device->options & FUSD_OPTION_SEEK)
		return kfusd_seek_by_driver(filp, offset, whence);
	position = default_llseek(filp, offset, whence);
	if (position >= 0 && position != before)
		kfusd_position_set(file);
	return position;
}

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* The file operations of /dev/NAME; open(2) and close(2) are here. */
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/splice.h>

#include "operations.h"

static int kfusd_client_open_file(struct file *filp, struct kfusd_file *file)
{
	struct kfusd_request *request =
		kfusd_request_new(file, FUSD_OPEN, 0, filp->f_flags);
	int error;

	if (IS_ERR(request))
		return PTR_ERR(request);
	request = kfusd_call_driver(request);
	if (IS_ERR(request))
		return PTR_ERR(request);
	/* Another file, if the answer is that of a parked request. */
	file = request->file;
	if (request->retval == 0) {
		kfusd_file_get(file);
		kfusd_file_list(file);
		filp->private_data = file;
	}
	error = kfusd_end_call(filp, request);
	return error;
}

static int kfusd_client_open(struct inode *inode, struct file *filp)
{
	struct kfusd_device *device = kfusd_device_find(inode->i_rdev);
	struct kfusd_file *file;
	int error;

	if (!device)
		return -ENXIO;
	file = kfusd_file_new(device);
	kfusd_device_put(device);
	if (IS_ERR(file))
		return PTR_ERR(file);
	error = kfusd_client_open_file(filp, file);
	if (!error && kfusd_is_stream(file->device))
		stream_open(inode, filp);
	if (!error && kfusd_tells_waits(file->device))
		filp->f_mode |= FMODE_NOWAIT;
	/* The struct file has a reference, or a request that is still there. */
	kfusd_file_put(file);
	return error;
}

static int kfusd_client_release(struct inode *inode, struct file *filp)
{
	struct kfusd_file *file = filp->private_data;
	struct kfusd_device *device = file->device;
	struct kfusd_ids ids = current->flags & PF_KTHREAD ?
				       file->opener :
				       kfusd_ids_of_current(device);

	/* Unlisted first, so that no reply that is on its way asks anew. */
	kfusd_file_unlist(file);
	kfusd_poll_cancel(file);
	kfusd_drop_parked(file);
	kfusd_send_close(file, filp->f_flags, &ids,
			 kfusd_may_wait_to_close(file));
	kfusd_file_put(file);
	return 0;
}

const struct file_operations kfusd_client_operations = {
	.owner = THIS_MODULE,
	.open = kfusd_client_open,
	.release = kfusd_client_release,
	.llseek = kfusd_client_llseek,
	.read_iter = kfusd_client_read,
	.write_iter = kfusd_client_write,
	.splice_read = kfusd_client_splice_read,
	.splice_write = iter_file_splice_write,
	.poll = kfusd_client_poll,
	.fasync = kfusd_client_fasync,
	.fsync = kfusd_client_fsync,
	.flush = kfusd_client_flush,
	.mmap = kfusd_client_mmap,
	.unlocked_ioctl = kfusd_client_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = kfusd_client_compat_ioctl,
#endif
};

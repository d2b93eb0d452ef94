// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* A device as its clients see it: their system calls become requests. */
#include <linux/compat.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "kfusd.h"

static void free_file(struct kref *ref)
{
	struct kfusd_file *file = container_of(ref, struct kfusd_file, ref);
	struct kfusd_device *device = file->device;

	kfree(file);
	kfusd_device_put(device);
}

void kfusd_file_get(struct kfusd_file *file)
{
	kref_get(&file->ref);
}

void kfusd_file_put(struct kfusd_file *file)
{
	kref_put(&file->ref, free_file);
}

/* Counts an open file in. Takes over the reference to the device if it can. */
static int add_file(struct kfusd_device *device, struct kfusd_file *file)
{
	int error = 0;

	spin_lock(&device->lock);
	if (device->state != KFUSD_LIVE)
		error = -ENXIO;
	else if (device->server == task_pid(current))
		/* Nobody would be left to answer. */
		error = -EDEADLK;
	else if (device->open_files >= kfusd_max_open_files)
		error = -ENFILE;
	if (!error) {
		device->open_files++;
		file->id = ++device->last_file_id;
		file->device = device;
		list_add(&file->entry, &device->files);
	}
	spin_unlock(&device->lock);
	return error;
}

static void remove_file(struct kfusd_file *file)
{
	struct kfusd_device *device = file->device;

	spin_lock(&device->lock);
	device->open_files--;
	list_del_init(&file->entry);
	spin_unlock(&device->lock);
}

static struct kfusd_file *new_file(unsigned int minor)
{
	struct kfusd_device *device = kfusd_device_find(minor);
	struct kfusd_file *file;
	int error;

	if (!device)
		return ERR_PTR(-ENXIO);
	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file) {
		kfusd_device_put(device);
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&file->ref);
	INIT_LIST_HEAD(&file->left);
	init_waitqueue_head(&file->poll_wait);
	error = add_file(device, file);
	if (!error)
		return file;
	kfree(file);
	kfusd_device_put(device);
	return ERR_PTR(error);
}

/* What an answer changes in the client's struct file. */
static void apply_flags(struct file *filp, const struct kfusd_request *request)
{
	unsigned int changed = request->changed_flags;

	if (likely(!changed))
		return;
	spin_lock(&filp->f_lock);
	filp->f_flags =
		(filp->f_flags & ~changed) | (request->reply_flags & changed);
	spin_unlock(&filp->f_lock);
}

/* Ends an answered request; returns its result. */
static ssize_t finish(struct file *filp, struct kfusd_request *request)
{
	ssize_t result = request->retval;

	apply_flags(filp, request);
	kfusd_request_put(request);
	return result;
}

static int call_open(struct file *filp, struct kfusd_file *file)
{
	struct kfusd_request *request =
		kfusd_request_new(file, FUSD_OPEN, 0, filp->f_flags);

	if (IS_ERR(request))
		return PTR_ERR(request);
	request = kfusd_call(request);
	return IS_ERR(request) ? PTR_ERR(request) : finish(filp, request);
}

static int client_open(struct inode *inode, struct file *filp)
{
	struct kfusd_file *file = new_file(iminor(inode));
	int error;

	if (IS_ERR(file))
		return PTR_ERR(file);
	error = call_open(filp, file);
	if (error) {
		remove_file(file);
		kfusd_file_put(file);
		return error;
	}
	filp->private_data = file;
	return 0;
}

static int client_release(struct inode *inode, struct file *filp)
{
	struct kfusd_file *file = filp->private_data;

	kfusd_poll_cancel(file);
	kfusd_drop_left(file);
	remove_file(file);
	/*
	 * An exiting process could not be killed while it waits, and a kernel
	 * thread, which puts files for others, would keep those waiting.
	 */
	kfusd_send_close(file, filp->f_flags,
			 !(current->flags & (PF_EXITING | PF_KTHREAD)));
	kfusd_file_put(file);
	return 0;
}

/* A read or write, of what it has room for, at the position of the call. */
static struct kfusd_request *new_transfer(const struct kiocb *iocb,
					  short subcmd,
					  const struct iov_iter *iter)
{
	struct file *filp = iocb->ki_filp;
	size_t length = min_t(size_t, iov_iter_count(iter), MAX_RW_SIZE);
	struct kfusd_request *request;

	request = kfusd_request_new(filp->private_data, subcmd, length,
				    filp->f_flags);
	if (!IS_ERR(request))
		request->offset = iocb->ki_pos;
	return request;
}

static ssize_t client_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct kfusd_request *request = new_transfer(iocb, FUSD_READ, to);
	ssize_t result;

	if (IS_ERR(request))
		return PTR_ERR(request);
	request = kfusd_call(request);
	if (IS_ERR(request))
		return PTR_ERR(request);
	result = request->retval;
	if (result > 0) {
		result = copy_to_iter(request->reply_data, result, to);
		if (!result)
			result = -EFAULT;
	}
	if (result >= 0)
		iocb->ki_pos = request->reply_offset;
	finish(iocb->ki_filp, request);
	return result;
}

/* Fetches what the client writes into the request. */
static int take_written(struct kfusd_request *request, struct iov_iter *from)
{
	int error;

	if (!request->length)
		return 0;
	error = kfusd_request_make_data(request, request->length);
	if (error)
		return error;
	if (!copy_from_iter_full(request->data, request->length, from))
		return -EFAULT;
	request->datalen = request->length;
	return 0;
}

static ssize_t client_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct kfusd_request *request = new_transfer(iocb, FUSD_WRITE, from);
	int error;

	if (IS_ERR(request))
		return PTR_ERR(request);
	error = take_written(request, from);
	if (error) {
		kfusd_request_put(request);
		return error;
	}
	request = kfusd_call(request);
	if (IS_ERR(request))
		return PTR_ERR(request);
	if (request->retval >= 0)
		iocb->ki_pos = request->reply_offset;
	return finish(iocb->ki_filp, request);
}

/* Memory for both directions, filled with what the client sends. */
static int take_argument(struct kfusd_request *request, void __user *argument)
{
	unsigned int direction = _IOC_DIR(request->number);
	size_t size = request->length;
	size_t in = direction & _IOC_WRITE ? size : 0;
	size_t out = direction & _IOC_READ ? size : 0;
	int error;

	error = kfusd_request_make_data(request, in + out);
	if (error)
		return error;
	if (in && copy_from_user(request->data, argument, in))
		return -EFAULT;
	/* Apart, so that a restarted call still knows what it sent. */
	request->reply_data = request->data + in;
	request->reply_size = out;
	request->datalen = in;
	return 0;
}

static long give_argument(const struct kfusd_request *request,
			  void __user *argument)
{
	if (request->retval >= 0 && request->has_reply_data &&
	    copy_to_user(argument, request->reply_data, request->reply_size))
		return -EFAULT;
	return request->retval;
}

static long do_ioctl(struct file *filp, unsigned int number,
		     unsigned long argument, void __user *pointer)
{
	size_t size = _IOC_DIR(number) == _IOC_NONE ? 0 : _IOC_SIZE(number);
	struct kfusd_request *request;
	long result;
	int error;

	request = kfusd_request_new(filp->private_data, FUSD_IOCTL, size,
				    filp->f_flags);
	if (IS_ERR(request))
		return PTR_ERR(request);
	request->number = number;
	request->argument = argument;
	error = take_argument(request, pointer);
	if (error) {
		kfusd_request_put(request);
		return error;
	}
	request = kfusd_call(request);
	if (IS_ERR(request))
		return PTR_ERR(request);
	result = give_argument(request, pointer);
	finish(filp, request);
	return result;
}

static long client_ioctl(struct file *filp, unsigned int number,
			 unsigned long argument)
{
	return do_ioctl(filp, number, argument, (void __user *)argument);
}

#ifdef CONFIG_COMPAT
static long client_compat_ioctl(struct file *filp, unsigned int number,
				unsigned long argument)
{
	return do_ioctl(filp, number, argument, compat_ptr(argument));
}
#endif

const struct file_operations kfusd_client_operations = {
	.owner = THIS_MODULE,
	.open = client_open,
	.release = client_release,
	.llseek = default_llseek,
	.read_iter = client_read,
	.write_iter = client_write,
	.splice_read = kfusd_splice_read,
	.splice_write = iter_file_splice_write,
	.poll = kfusd_client_poll,
	.mmap = kfusd_client_mmap,
	.unlocked_ioctl = client_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = client_compat_ioctl,
#endif
};

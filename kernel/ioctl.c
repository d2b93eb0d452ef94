// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* ioctl(2). */
#include <linux/compat.h>
#include <linux/uaccess.h>

#include "kfusd.h"

/* Memory for both directions, filled with what the client sends. */
static int kfusd_take_argument(struct kfusd_request *request,
			       void __user *argument)
{
	unsigned int direction = _IOC_DIR(request->ioctl_number);
	size_t size = request->length;
	size_t in = direction & _IOC_WRITE ? size : 0;
	size_t out = direction & _IOC_READ ? size : 0;
	int error;

	error = kfusd_request_make_data(request, in + out);
	if (error)
		return error;
	if (in && copy_from_user(request->data, argument, in))
		return -EFAULT;
	/*
	 * The answer does not overwrite what the client sent, by which
	 * interrupt.c knows a restarted call.
	 */
	request->reply_data = request->data + in;
	request->reply_size = out;
	request->datalen = in;
	return 0;
}

static long kfusd_give_argument(const struct kfusd_request *request,
				void __user *argument)
{
	if (request->retval >= 0 && request->has_reply_data &&
	    copy_to_user(argument, request->reply_data, request->reply_size))
		return -EFAULT;
	return request->retval;
}

static long kfusd_call_ioctl(struct file *filp, unsigned int number,
			     unsigned long argument, void __user *pointer)
{
	size_t size = _IOC_DIR(number) == _IOC_NONE ? 0 : _IOC_SIZE(number);
	struct kfusd_request *request;
	long result;

	request = kfusd_request_new(filp->private_data, FUSD_IOCTL, size,
				    filp->f_flags);
	if (IS_ERR(request))
		return PTR_ERR(request);
	request->ioctl_number = number;
	request->argument = argument;
	request->offset = filp->f_pos;
	request->is_at_position = true;
	request = kfusd_call_filled(request,
				    kfusd_take_argument(request, pointer));
	if (IS_ERR(request))
		return PTR_ERR(request);
	result = kfusd_give_argument(request, pointer);
	kfusd_end_call(filp, request);
	return result;
}

long kfusd_client_ioctl(struct file *filp, unsigned int number,
			unsigned long argument)
{
	return kfusd_call_ioctl(filp, number, argument,
				(void __user *)argument);
}

#ifdef CONFIG_COMPAT
long kfusd_client_compat_ioctl(struct file *filp, unsigned int number,
			       unsigned long argument)
{
	return kfusd_call_ioctl(filp, number, argument, compat_ptr(argument));
}
#endif

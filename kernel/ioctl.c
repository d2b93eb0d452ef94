// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * ioctl(2): which bytes go to the driver and back is what the request number
 * codes, unless the driver has told that it is something else.
 */
#include <linux/compat.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "operations.h"

/* The bytes at a client's argument. */
struct kfusd_argument {
	size_t in, out; /* to the driver; to the client */
	size_t size;	/* the larger of both */
};

static bool kfusd_is_ioctl(const struct fusd_ioctl *ioctl)
{
	return ioctl->direction <= FUSD_IOCTL_INOUT &&
	       ioctl->size <= MAX_RW_SIZE;
}

/* What the driver told, from its memory: an array, or ERR_PTR. */
static struct fusd_ioctl *
kfusd_copy_ioctls(const struct fusd_control_ioctls *told)
{
	struct fusd_ioctl *ioctls;
	u32 i;

	if (told->size != sizeof(*ioctls) || told->count > FUSD_IOCTLS_MAX)
		return ERR_PTR(-EINVAL);
	if (!told->count)
		return NULL;
	ioctls = memdup_user(u64_to_user_ptr(told->address),
			     told->count * sizeof(*ioctls));
	if (IS_ERR(ioctls))
		return ioctls;
	for (i = 0; i < told->count; i++) {
		if (!kfusd_is_ioctl(&ioctls[i])) {
			kfree(ioctls);
			return ERR_PTR(-EINVAL);
		}
		if (!ioctls[i].mask)
			ioctls[i].mask = U32_MAX;
	}
	return ioctls;
}

int kfusd_set_ioctls(struct kfusd_device *device,
		     const struct fusd_control_ioctls __user *user)
{
	struct fusd_control_ioctls told;
	struct fusd_ioctl *ioctls;
	int error = 0;

	if (copy_from_user(&told, user, sizeof(told)))
		return -EFAULT;
	ioctls = kfusd_copy_ioctls(&told);
	if (IS_ERR(ioctls))
		return PTR_ERR(ioctls);
	spin_lock(&device->lock);
	if (device->state == KFUSD_NEW) {
		swap(device->ioctls, ioctls);
		device->ioctl_count = told.count;
	} else {
		error = -EBUSY;
	}
	spin_unlock(&device->lock);
	kfree(ioctls); /* those before, or not taken */
	return error;
}

static const struct fusd_ioctl *
kfusd_find_ioctl(const struct kfusd_device *device, unsigned int number)
{
	const struct fusd_ioctl *ioctl = device->ioctls;
	const struct fusd_ioctl *end = ioctl + device->ioctl_count;

	for (; ioctl < end; ioctl++)
		if (((number ^ ioctl->number) & ioctl->mask) == 0)
			return ioctl;
	return NULL;
}

static struct kfusd_argument
kfusd_argument_of(const struct kfusd_device *device, unsigned int number)
{
	const struct fusd_ioctl *ioctl = kfusd_find_ioctl(device, number);
	size_t size = ioctl && ioctl->size ? ioctl->size : _IOC_SIZE(number);
	struct kfusd_argument argument;
	bool is_in, is_out;

	if (ioctl) {
		is_in = ioctl->direction & FUSD_IOCTL_IN;
		is_out = ioctl->direction & FUSD_IOCTL_OUT;
	} else {
		is_in = _IOC_DIR(number) & _IOC_WRITE;
		is_out = _IOC_DIR(number) & _IOC_READ;
	}
	argument.in = is_in ? size : 0;
	argument.out = is_out ? size : 0;
	argument.size = is_in || is_out ? size : 0;
	return argument;
}

/* Memory for both directions, filled with what the client sends. */
static int kfusd_take_argument(struct kfusd_request *request,
			       const struct kfusd_argument *argument,
			       void __user *pointer)
{
	void *slot = kfusd_request_take_slot(request, argument->size);
	const size_t size = argument->in + (slot ? 0 : argument->out);
	int error = kfusd_request_make_data(request, size);

	if (error)
		return error;
	if (argument->in &&
	    copy_from_user(request->data, pointer, argument->in))
		return -EFAULT;
	/*
	 * The answer does not overwrite what the client sent, by which
	 * interrupt.c knows a restarted call.
	 */
	request->reply_data = request->data + argument->in;
	if (slot) {
		memcpy(slot, request->data, argument->in);
		request->reply_data = slot;
	}
	request->reply_size = argument->out;
	request->datalen = argument->in;
	return 0;
}

static int kfusd_give_argument(const struct kfusd_request *request,
			       void __user *pointer)
{
	if (request->has_reply_data &&
	    copy_to_user(pointer, request->reply_data, request->reply_size))
		return -EFAULT;
	return 0;
}

/* Takes the answer's data and descriptors to the client: its result. */
static long kfusd_take_answer(const struct file *filp,
			      struct kfusd_request *request,
			      void __user *pointer)
{
	int error = 0;

	if (request->retval < 0)
		return request->retval;
	if (unlikely(request->descriptors))
		error = kfusd_reserve_numbers(request);
	if (!error && unlikely(request->descriptors))
		error = kfusd_make_files(filp, request);
	if (!error)
		error = kfusd_give_argument(request, pointer);
	if (unlikely(request->descriptors))
		kfusd_end_descriptors(request, error);
	return error ? error : request->retval;
}

static long kfusd_call_ioctl(struct file *filp, unsigned int number,
			     unsigned long value, void __user *pointer,
			     unsigned int client_bits)
{
	struct kfusd_file *file = filp->private_data;
	struct kfusd_argument argument =
		kfusd_argument_of(file->device, number);
	struct kfusd_request *request;
	long result;
	int error;

	request = kfusd_request_new(file, FUSD_IOCTL, argument.size,
				    filp->f_flags);
	if (IS_ERR(request))
		return PTR_ERR(request);
	request->ioctl_number = number;
	request->argument = value;
	if (file->device->options & FUSD_OPTION_CLIENT_BITS)
		request->mmflags = client_bits;
	request->offset = filp->f_pos;
	request->is_at_position = true;
	error = kfusd_take_argument(request, &argument, pointer);
	request = kfusd_call_filled(request, error);
	if (IS_ERR(request))
		return PTR_ERR(request);
	result = kfusd_take_answer(filp, request, pointer);
	kfusd_end_call(filp, request);
	return result;
}

long kfusd_client_ioctl(struct file *filp, unsigned int number,
			unsigned long argument)
{
	return kfusd_call_ioctl(filp, number, argument, (void __user *)argument,
				0);
}

#ifdef CONFIG_COMPAT
long kfusd_client_compat_ioctl(struct file *filp, unsigned int number,
			       unsigned long argument)
{
	return kfusd_call_ioctl(filp, number, argument, compat_ptr(argument),
				FUSD_CLIENT_32BIT);
}
#endif

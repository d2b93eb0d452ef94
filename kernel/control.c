// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* /dev/fusd/control: where drivers register, receive and reply. */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "operations.h"

/* Longer looks are no faster than waiting. */
#define KFUSD_MOST_SPIN_US 1000

static int kfusd_control_open(struct inode *inode, struct file *filp)
{
	struct kfusd_device *device = kfusd_device_new();

	if (!device)
		return -ENOMEM;
	kfusd_interrupt_prepare(device);
	kfusd_enter_prepare(device);
	filp->private_data = device;
	device->control = filp;
	/* No positions: a message is read and written whole. */
	return stream_open(inode, filp);
}

static int kfusd_control_release(struct inode *inode, struct file *filp)
{
	struct kfusd_device *device = filp->private_data;

	kfusd_device_unregister(device);
	kfusd_drop_partial(device);
	kfusd_device_put(device);
	return 0;
}

static bool kfusd_is_registered(struct kfusd_device *device)
{
	/* Pairs with kfusd_set_state(): a live device's fields are there. */
	return smp_load_acquire(&device->state) != KFUSD_NEW;
}

static ssize_t kfusd_control_read(struct file *filp, char __user *buffer,
				  size_t length, loff_t *position)
{
	struct kfusd_device *device = filp->private_data;

	if (!kfusd_is_registered(device))
		return -ENODEV;
	return kfusd_receive_message(device, buffer, length,
				     filp->f_flags & O_NONBLOCK);
}

static ssize_t kfusd_control_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct kfusd_device *device = iocb->ki_filp->private_data;
	size_t size = iov_iter_count(from);
	fusd_msg_t message;
	int error;

	if (size < sizeof(message))
		return -EINVAL;
	if (!copy_from_iter_full(&message, sizeof(message), from))
		return -EFAULT;
	if (message.magic != FUSD_MSG_MAGIC)
		return -EIO;
	if (message.datalen < 0 ||
	    message.datalen > kfusd_max_transfer(device) ||
	    size != sizeof(message) + message.datalen)
		return -EINVAL;
	switch (message.cmd) {
	case FUSD_REGISTER_DEVICE:
		if (message.datalen)
			return -EINVAL;
		error = kfusd_device_register(device,
					      &message.parm.register_msg);
		return error ? error : (ssize_t)sizeof(message);
	case FUSD_UNREGISTER_DEVICE:
		if (message.datalen)
			return -EINVAL;
		error = kfusd_device_unregister(device);
		return error ? error : (ssize_t)sizeof(message);
	case FUSD_FOPS_REPLY:
	case FUSD_FOPS_NONBLOCK_REPLY:
		return kfusd_take_reply(device, &message, from);
	default:
		return -EINVAL;
	}
}

static __poll_t kfusd_control_poll(struct file *filp, poll_table *table)
{
	struct kfusd_device *device = filp->private_data;

	poll_wait(filp, &device->receive_wait, table);
	if (READ_ONCE(device->state) == KFUSD_GONE)
		return EPOLLIN | EPOLLRDNORM | EPOLLHUP;
	return (kfusd_may_receive(device) ? EPOLLIN | EPOLLRDNORM : 0) |
	       EPOLLOUT | EPOLLWRNORM;
}

static int kfusd_set_options(struct kfusd_device *device, u64 options)
{
	int error = 0;

	spin_lock(&device->lock);
	if (device->state == KFUSD_NEW)
		device->options = options;
	else
		error = -EBUSY;
	spin_unlock(&device->lock);
	return error;
}

static int kfusd_ask_options(struct kfusd_device *device,
			     u64 __user *user_options)
{
	u64 options;

	if (get_user(options, user_options))
		return -EFAULT;
	options &= FUSD_OPTION_UNBLOCK | FUSD_OPTION_ALWAYS_READY |
		   FUSD_OPTION_STREAM | FUSD_OPTION_CLIENT_BITS |
		   FUSD_OPTION_SEEK | FUSD_OPTION_FLUSH | FUSD_OPTION_FSYNC |
		   FUSD_OPTION_NONBLOCK;
	if (put_user(options, user_options))
		return -EFAULT;
	return kfusd_set_options(device, options);
}

static int kfusd_setup_ring(struct kfusd_device *device,
			    struct fusd_ring_setup __user *user)
{
	struct fusd_ring_setup setup;
	struct kfusd_ring *ring;
	int error = 0;

	/* Slots are mapped by pages. */
	if (PAGE_SIZE > FUSD_RING_SPARE_SIZE)
		return -ENOTTY;
	if (copy_from_user(&setup, user, sizeof(setup)))
		return -EFAULT;
	if (setup.size != sizeof(setup) || setup.flags || setup.reserved ||
	    setup.max_transfer > FUSD_RING_MAX_TRANSFER)
		return -EINVAL;
	/* No module of before, and no driver, can have less. */
	setup.max_transfer = max_t(u32, setup.max_transfer, MAX_RW_SIZE);
	setup.spin_us = min_t(u32, setup.spin_us, KFUSD_MOST_SPIN_US);
	ring = kfusd_ring_new(setup.max_transfer, setup.spin_us);
	if (IS_ERR(ring))
		return PTR_ERR(ring);
	setup.area_size = kfusd_ring_area_size(ring);
	setup.large_size = ring->large_size;
	if (copy_to_user(user, &setup, sizeof(setup))) {
		kfusd_ring_drop(ring);
		return -EFAULT;
	}
	spin_lock(&device->lock);
	if (device->state == KFUSD_NEW && !device->ring)
		swap(device->ring, ring);
	else
		error = -EBUSY;
	spin_unlock(&device->lock);
	kfusd_ring_drop(ring); /* NULL, unless it was refused */
	return error;
}

static int kfusd_control_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct kfusd_device *device = filp->private_data;

	/* Set once; its driver knows whether it did that. */
	return READ_ONCE(device->ring) ? kfusd_ring_map(device->ring, vma) :
					 -ENODEV;
}

static long kfusd_control_ioctl(struct file *filp, unsigned int request,
				unsigned long argument)
{
	switch (request) {
	case FUSD_CONTROL_OPTIONS:
		return kfusd_ask_options(filp->private_data,
					 (u64 __user *)argument);
	case FUSD_CONTROL_IOCTLS:
		return kfusd_set_ioctls(filp->private_data,
					(void __user *)argument);
	case FUSD_CONTROL_NUMBER:
		return kfusd_ask_number(filp->private_data,
					(void __user *)argument);
	case FUSD_CONTROL_ATTRIBUTE:
		return kfusd_tell_attribute(filp->private_data,
					    (void __user *)argument);
	case FUSD_CONTROL_VARIABLES:
		return kfusd_set_variables(filp->private_data,
					   (void __user *)argument);
	case FUSD_CONTROL_CHANGE:
		return kfusd_device_change(filp->private_data,
					   (void __user *)argument);
	case FUSD_CONTROL_DESCRIPTOR:
		return kfusd_add_descriptor(filp, (void __user *)argument);
	case FUSD_CONTROL_HELD:
		return kfusd_take_held(filp->private_data,
				       (void __user *)argument);
	case FUSD_RING_SETUP:
		return kfusd_setup_ring(filp->private_data,
					(void __user *)argument);
	case FUSD_RING_ENTER:
	case FUSD_RING_WAKE:
	case FUSD_RING_FETCH:
		return kfusd_ring_ioctl(filp->private_data, request,
					(void __user *)argument);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations kfusd_control_operations = {
	.owner = THIS_MODULE,
	.open = kfusd_control_open,
	.release = kfusd_control_release,
	.read = kfusd_control_read,
	.write_iter = kfusd_control_write,
	.poll = kfusd_control_poll,
	.mmap = kfusd_control_mmap,
	.unlocked_ioctl = kfusd_control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice kfusd_control = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "fusd_control",
	.nodename = FUSD_CONTROL_FILENAME,
	.mode = 0600,
	.fops = &kfusd_control_operations,
};

int kfusd_control_init(void)
{
	return misc_register(&kfusd_control);
}

void kfusd_control_exit(void)
{
	misc_deregister(&kfusd_control);
}

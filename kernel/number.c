// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Device numbers, and which device has one.
 *
 * The module has a major number whose minors it gives away in turn. A driver
 * may choose one of them, or a number of any other major that nobody has.
 */
#include <linux/capability.h>
#include <linux/cdev.h>
#include <linux/err.h>
#include <linux/kdev_t.h>
#include <linux/kobject.h>
#include <linux/uaccess.h>

#include "operations.h"

/* From a number to its device; guarded by the xarray's own lock. */
static DEFINE_XARRAY_ALLOC(kfusd_numbers);
static u32 kfusd_last_number; /* kfusd_devices_lock */

static dev_t kfusd_first_number;
static struct cdev kfusd_client_cdev; /* of all numbers of the own major */

static bool kfusd_is_own_number(dev_t number)
{
	return MAJOR(number) == MAJOR(kfusd_first_number);
}

int kfusd_ask_number(struct kfusd_device *device,
		     const struct fusd_control_number __user *user)
{
	struct fusd_control_number told;
	int error = 0;
	u32 major;

	if (copy_from_user(&told, user, sizeof(told)))
		return -EFAULT;
	if (told.major >= CHRDEV_MAJOR_MAX || told.minor > MINORMASK ||
	    told.reserved[0] || told.reserved[1])
		return -EINVAL;
	major = told.major ? told.major : MAJOR(kfusd_first_number);
	/* A module that wants the number, or who may use it, is not asked. */
	if (major != MAJOR(kfusd_first_number) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (mutex_lock_interruptible(&kfusd_devices_lock))
		return -ERESTARTSYS;
	if (device->state == KFUSD_NEW) {
		device->has_number = told.major || told.minor;
		device->number = MKDEV(major, told.minor);
	} else {
		error = -EBUSY;
	}
	mutex_unlock(&kfusd_devices_lock);
	return error;
}

/* A number that is not the module's yet gets a cdev of its own. */
static int kfusd_add_cdev(struct kfusd_device *device)
{
	int error = register_chrdev_region(device->number, 1, "fusd-device");

	if (error)
		return error;
	error = -ENOMEM;
	device->cdev = cdev_alloc();
	if (!device->cdev)
		goto unregister_region;
	device->cdev->ops = kfusd_client_cdev.ops;
	device->cdev->owner = kfusd_client_cdev.owner;
	error = cdev_add(device->cdev, device->number, 1);
	if (!error)
		return 0;
	kobject_put(&device->cdev->kobj);
	device->cdev = NULL;
unregister_region:
	unregister_chrdev_region(device->number, 1);
	return error;
}

static int kfusd_take_chosen_number(struct kfusd_device *device)
{
	int error =
		xa_insert(&kfusd_numbers, device->number, device, GFP_KERNEL);

	if (error || kfusd_is_own_number(device->number))
		return error;
	error = kfusd_add_cdev(device);
	if (error)
		xa_erase(&kfusd_numbers, device->number);
	return error;
}

int kfusd_number_take(struct kfusd_device *device)
{
	const struct xa_limit own = {
		.min = kfusd_first_number,
		.max = kfusd_first_number | MINORMASK,
	};
	u32 number;
	int error;

	lockdep_assert_held(&kfusd_devices_lock);
	if (device->has_number)
		return kfusd_take_chosen_number(device);
	error = xa_alloc_cyclic(&kfusd_numbers, &number, device, own,
				&kfusd_last_number, GFP_KERNEL);
	if (error < 0)
		return error;
	device->number = number;
	return 0;
}

void kfusd_number_give(struct kfusd_device *device)
{
	lockdep_assert_held(&kfusd_devices_lock);
	if (device->cdev) {
		/* Lives on while files are open that were opened by it. */
		cdev_del(device->cdev);
		device->cdev = NULL;
		unregister_chrdev_region(device->number, 1);
	}
	xa_erase(&kfusd_numbers, device->number);
}

struct kfusd_device *kfusd_device_find(dev_t number)
{
	struct kfusd_device *device;

	xa_lock(&kfusd_numbers);
	device = xa_load(&kfusd_numbers, number);
	if (device)
		kref_get(&device->ref);
	xa_unlock(&kfusd_numbers);
	return device;
}

int kfusd_numbers_init(const struct file_operations *client_operations)
{
	int error;

	error = alloc_chrdev_region(&kfusd_first_number, 0, MINORMASK + 1,
				    "fusd");
	if (error)
		return error;
	cdev_init(&kfusd_client_cdev, client_operations);
	kfusd_client_cdev.owner = client_operations->owner;
	error = cdev_add(&kfusd_client_cdev, kfusd_first_number, MINORMASK + 1);
	if (error)
		unregister_chrdev_region(kfusd_first_number, MINORMASK + 1);
	return error;
}

void kfusd_numbers_exit(void)
{
	xa_destroy(&kfusd_numbers);
	cdev_del(&kfusd_client_cdev);
	unregister_chrdev_region(kfusd_first_number, MINORMASK + 1);
}

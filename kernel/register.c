// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * How a device becomes visible, and is taken away again: its name, class
 * and node.
 *
 * The driver core takes a name that is there already for a fault of the
 * kernel's, and dumps the stack. So no such name gets as far as the driver
 * core: the names of live devices are compared here as they will be in sysfs,
 * with '!' for '/', and classes are looked for in sysfs itself. In sysfs, not
 * below /sys: a path is what the driver's mount namespace makes of it, and may
 * never be found to its end. For the same reason nobody looks here whether /dev
 * has a file of that name; libfusd does, before it registers.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/device.h>
#include <linux/kernfs.h>
#include <linux/kobject.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "operations.h"

#define DEFAULT_CLASS "fusd"

static unsigned int kfusd_max_devices = 4096;
module_param_named(max_devices, kfusd_max_devices, uint, 0644);
MODULE_PARM_DESC(max_devices,
		 "devices at one time; one more gets ENOSPC (default 4096)");

/* A class in sysfs; it lives while one of our devices is in it. */
struct kfusd_class {
	struct list_head entry; /* kfusd_devices_lock */
	unsigned int users;	/* kfusd_devices_lock */
	struct class *class;
	char name[FUSD_MAX_NAME_LENGTH + 1];
};

static unsigned int kfusd_live_count; /* kfusd_devices_lock */

static LIST_HEAD(kfusd_classes); /* kfusd_devices_lock */

/* /sys/class and /sys/devices/virtual: references, or NULL without sysfs. */
static struct kernfs_node *kfusd_sysfs_classes, *kfusd_sysfs_virtual;

/* A text field of a message, which may have no end. */
static bool kfusd_is_field(const char field[FUSD_MAX_NAME_LENGTH + 1])
{
	return kfusd_is_text(field, FUSD_MAX_NAME_LENGTH + 1);
}

static int kfusd_check_names(const register_msg_t *message)
{
	if (!kfusd_is_field(message->name) || !kfusd_is_path(message->name))
		return -EINVAL;
	if (!kfusd_is_field(message->clazz) ||
	    !kfusd_is_field(message->devname))
		return -EINVAL;
	if (message->clazz[0] &&
	    (!kfusd_is_path(message->clazz) || strchr(message->clazz, '/')))
		return -EINVAL;
	return message->devname[0] && !kfusd_is_path(message->devname) ?
		       -EINVAL :
		       0;
}

/* Whether a path would need another one to be a directory. */
static bool kfusd_is_below(const char *lower, const char *upper)
{
	size_t length = strlen(upper);

	return !strncmp(lower, upper, length) && lower[length] == '/';
}

/* Whether two names are the same in sysfs. */
static bool kfusd_is_same_entry(const char *one, const char *other)
{
	for (; *one || *other; one++, other++) {
		if ((*one == '/' ? '!' : *one) !=
		    (*other == '/' ? '!' : *other))
			return false;
	}
	return true;
}

static int kfusd_check_vacant(const struct kfusd_device *wanted)
{
	const struct kfusd_device *device;

	lockdep_assert_held(&kfusd_devices_lock);
	list_for_each_entry(device, &kfusd_devices, entry) {
		if (device->state != KFUSD_LIVE)
			continue;
		if (kfusd_is_below(wanted->name, device->name))
			return -ENOTDIR;
		if (!strcmp(wanted->name, device->name) ||
		    kfusd_is_below(device->name, wanted->name) ||
		    (device->class == wanted->class &&
		     kfusd_is_same_entry(device->devname, wanted->devname)))
			return -EEXIST;
	}
	return 0;
}

/* Called for uevents and by devtmpfs, which deletes by this name too. */
static char *kfusd_devnode(KFUSD_DEVNODE_CONST struct device *sysfs,
			   umode_t *mode)
{
	const struct kfusd_device *device = dev_get_drvdata(sysfs);

	if (mode)
		*mode = device->mode;
	return kstrdup(device->name, GFP_KERNEL);
}

static bool kfusd_has_entry(struct kernfs_node *directory, const char *name)
{
	struct kernfs_node *node = NULL;

	if (directory)
		node = kernfs_find_and_get(directory, name);
	kernfs_put(node);
	return node;
}

/* Whether the kernel has a class of that name, which is not in our list. */
static bool kfusd_is_class_of_kernel(const char *name)
{
	return kfusd_has_entry(kfusd_sysfs_classes, name) ||
	       kfusd_has_entry(kfusd_sysfs_virtual, name);
}

static struct kfusd_class *kfusd_make_class(const char *name)
{
	struct kfusd_class *class = kzalloc(sizeof(*class), GFP_KERNEL);
	int error;

	if (!class)
		return ERR_PTR(-ENOMEM);
	class->users = 1;
	strscpy(class->name, name, sizeof(class->name));
	class->class = kfusd_class_create(class->name);
	if (IS_ERR(class->class)) {
		error = PTR_ERR(class->class);
		kfree(class);
		return ERR_PTR(error);
	}
	class->class->devnode = kfusd_devnode;
	class->class->dev_uevent = kfusd_add_variables;
	list_add(&class->entry, &kfusd_classes);
	return class;
}

static struct kfusd_class *kfusd_class_get(const char *name)
{
	struct kfusd_class *class;

	lockdep_assert_held(&kfusd_devices_lock);
	if (!name[0])
		name = DEFAULT_CLASS;
	list_for_each_entry(class, &kfusd_classes, entry) {
		if (!strcmp(class->name, name)) {
			class->users++;
			return class;
		}
	}
	if (!kfusd_is_class_of_kernel(name))
		return kfusd_make_class(name);
	if (!strcmp(name, DEFAULT_CLASS))
		return ERR_PTR(-EEXIST);
	/* The nodes of a class are named by who made it, here the kernel. */
	pr_info_ratelimited("class %s is the kernel's: using class %s\n", name,
			    DEFAULT_CLASS);
	return kfusd_class_get(DEFAULT_CLASS);
}

static void kfusd_class_put(struct kfusd_class *class)
{
	lockdep_assert_held(&kfusd_devices_lock);
	if (--class->users)
		return;
	list_del(&class->entry);
	class_destroy(class->class);
	kfree(class);
}

static void kfusd_set_state(struct kfusd_device *device,
			    enum kfusd_device_state state)
{
	spin_lock(&device->lock);
	/* For readers without the lock: control.c's kfusd_is_registered(). */
	smp_store_release(&device->state, state);
	spin_unlock(&device->lock);
}

static void kfusd_wake_waiters(struct kfusd_device *device)
{
	struct kfusd_file *file;

	wake_up_all(&device->receive_wait);
	spin_lock(&device->lock);
	kfusd_wake_receiver(device);
	list_for_each_entry(file, &device->files, entry)
		kfusd_poll_end(file);
	spin_unlock(&device->lock);
}

/* From now on every call fails with EPIPE, and the calls that wait do. */
static void kfusd_end_service(struct kfusd_device *device)
{
	kfusd_set_state(device, KFUSD_GONE);
	kfusd_number_give(device);
	kfusd_end_requests(device);
	kfusd_wake_waiters(device);
}

static struct device *kfusd_create_sysfs(struct kfusd_device *device)
{
	const struct attribute_group **groups = kfusd_groups_of(&device->texts);

	return device_create_with_groups(device->class->class, NULL,
					 device->number, device, groups, "%s",
					 device->devname);
}

/* Makes the node; opens may come at once. */
static int kfusd_create_node(struct kfusd_device *device)
{
	int error = kfusd_number_take(device);

	if (error)
		return error;
	kfusd_set_state(device, KFUSD_LIVE);
	device->sysfs = kfusd_create_sysfs(device);
	if (!IS_ERR(device->sysfs))
		return 0;
	error = PTR_ERR(device->sysfs);
	kfusd_end_service(device);
	return error;
}

static int kfusd_register_name(struct kfusd_device *device)
{
	int error;

	if (kfusd_live_count >= kfusd_max_devices)
		return -ENOSPC;
	error = kfusd_check_vacant(device);
	if (!error)
		error = kfusd_make_groups(&device->texts);
	return error ? error : kfusd_create_node(device);
}

static void kfusd_take_fields(struct kfusd_device *device,
			      const register_msg_t *message)
{
	strscpy(device->name, message->name, sizeof(device->name));
	strscpy(device->devname,
		message->devname[0] ? message->devname : message->name,
		sizeof(device->devname));
	device->mode = message->mode & 0777;
	device->device_info = message->device_info;
}

/* Whose memory may be mapped, and which thread cannot open the device. */
static void kfusd_take_process(struct kfusd_device *device)
{
	put_pid(device->driver);
	device->driver = get_pid(task_tgid(current));
	if (device->mm)
		mmdrop(device->mm);
	device->mm = current->mm;
	if (device->mm)
		mmgrab(device->mm);
	put_pid(device->registrar);
	device->registrar = get_pid(task_pid(current));
}

static int kfusd_register_locked(struct kfusd_device *device,
				 const register_msg_t *message)
{
	int error;

	if (device->state != KFUSD_NEW)
		return -EBUSY;
	kfusd_take_fields(device, message);
	kfusd_take_process(device);
	device->class = kfusd_class_get(message->clazz);
	if (IS_ERR(device->class))
		return PTR_ERR(device->class);
	error = kfusd_register_name(device);
	if (error) {
		kfusd_class_put(device->class);
		return error;
	}
	kfusd_live_count++;
	list_add_tail(&device->entry, &kfusd_devices);
	return 0;
}

/* What is done later for a device, or by others, when it is gone. */
static void kfusd_end_work(struct kfusd_device *device)
{
	cancel_delayed_work_sync(&device->rescue);
	kfusd_drop_parked_opens(device);
}

int kfusd_device_register(struct kfusd_device *device,
			  const register_msg_t *message)
{
	int error = kfusd_check_names(message);

	if (error)
		return error;
	if (mutex_lock_interruptible(&kfusd_devices_lock))
		return -ERESTARTSYS;
	error = kfusd_register_locked(device, message);
	mutex_unlock(&kfusd_devices_lock);
	/* Opens that were parked until the node could not be made. */
	if (error && READ_ONCE(device->state) == KFUSD_GONE)
		kfusd_end_work(device);
	if (!error)
		kfusd_devices_changed();
	return error;
}

static int kfusd_unregister_locked(struct kfusd_device *device)
{
	if (device->state != KFUSD_LIVE)
		return -ENODEV;
	kfusd_set_state(device, KFUSD_GONE);
	/* The node first: a client that gets EPIPE finds the name free. */
	device_unregister(device->sysfs);
	kfusd_class_put(device->class);
	device->class = NULL;
	kfusd_live_count--;
	kfusd_end_service(device);
	return 0;
}

int kfusd_device_unregister(struct kfusd_device *device)
{
	int error;

	mutex_lock(&kfusd_devices_lock);
	error = kfusd_unregister_locked(device);
	mutex_unlock(&kfusd_devices_lock);
	if (error)
		return error;
	kfusd_end_work(device);
	kfusd_devices_changed();
	return 0;
}

int kfusd_tell_attribute(struct kfusd_device *device,
			 const struct fusd_control_attribute __user *user)
{
	struct fusd_control_attribute told;
	char *value = kfusd_copy_attribute(user, &told);
	int error = -ERESTARTSYS;

	if (IS_ERR(value))
		return PTR_ERR(value);
	if (!mutex_lock_interruptible(&kfusd_devices_lock)) {
		error = kfusd_take_attribute(device, &told, value);
		mutex_unlock(&kfusd_devices_lock);
	}
	if (error)
		kfree(value);
	return error;
}

static int kfusd_send_change(struct kfusd_device *device, char *texts,
			     size_t size)
{
	char *variables[FUSD_CONTROL_VARIABLES_COUNT + 1] = {};
	char **variable = variables;
	char *text;

	lockdep_assert_held(&kfusd_devices_lock);
	if (device->state != KFUSD_LIVE)
		return -ENODEV;
	for (text = texts; text < texts + size; text += strlen(text) + 1)
		*variable++ = text;
	return kobject_uevent_env(&device->sysfs->kobj, KOBJ_CHANGE, variables);
}

int kfusd_device_change(struct kfusd_device *device,
			const struct fusd_control_variables __user *user)
{
	size_t size;
	char *texts = kfusd_copy_variables(user, &size);
	int error = -ERESTARTSYS;

	if (IS_ERR(texts))
		return PTR_ERR(texts);
	if (!mutex_lock_interruptible(&kfusd_devices_lock)) {
		error = kfusd_send_change(device, texts, size);
		mutex_unlock(&kfusd_devices_lock);
	}
	kfree(texts);
	return error;
}

/* kernel_kobj is /sys/kernel, whose parent is the root of sysfs. */
static void kfusd_find_sysfs(void)
{
	struct kernfs_node *root, *devices;

	if (!kernel_kobj || !kernel_kobj->sd)
		return;
	root = kfusd_kernfs_parent(kernel_kobj->sd);
	kfusd_sysfs_classes = kernfs_find_and_get(root, "class");
	devices = kernfs_find_and_get(root, "devices");
	if (devices)
		kfusd_sysfs_virtual = kernfs_find_and_get(devices, "virtual");
	kernfs_put(devices);
}

int kfusd_register_init(void)
{
	struct kfusd_class *class;

	kfusd_find_sysfs();
	/* Kept while the module is loaded. */
	mutex_lock(&kfusd_devices_lock);
	class = kfusd_class_get(DEFAULT_CLASS);
	mutex_unlock(&kfusd_devices_lock);
	if (!IS_ERR(class))
		return 0;
	kernfs_put(kfusd_sysfs_virtual);
	kernfs_put(kfusd_sysfs_classes);
	return PTR_ERR(class);
}

void kfusd_register_exit(void)
{
	struct kfusd_class *class;

	mutex_lock(&kfusd_devices_lock);
	/* No device is left, so the one class is FUSD's own. */
	class = list_first_entry(&kfusd_classes, struct kfusd_class, entry);
	kfusd_class_put(class);
	mutex_unlock(&kfusd_devices_lock);
	kernfs_put(kfusd_sysfs_virtual);
	kernfs_put(kfusd_sysfs_classes);
}

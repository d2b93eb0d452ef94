// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * What a device may be called, in /dev and in sysfs.
 *
 * The driver core takes a name that is there already for a fault of the
 * kernel's, and dumps the stack. So no name gets as far as that: those of live
 * devices are compared here as they will be in sysfs, with '!' for '/', and
 * classes are looked for in sysfs itself. Looked for there, not below /sys: a
 * path is what the driver's mount namespace makes of it, and may never be found
 * to its end. For the same reason nobody looks here whether /dev has a file of
 * that name; libfusd does, before it registers.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/kernfs.h>
#include <linux/kobject.h>
#include <linux/slab.h>

#include "kfusd.h"

#define DEFAULT_CLASS "fusd"

/* A class in sysfs; it lives while one of our devices is in it. */
struct kfusd_class {
	struct list_head entry; /* kfusd_devices_lock */
	unsigned int users;	/* kfusd_devices_lock */
	struct class *class;
	char name[FUSD_MAX_NAME_LENGTH + 1];
};

static LIST_HEAD(kfusd_classes); /* kfusd_devices_lock */

/* /sys/class and /sys/devices/virtual: references, or NULL without sysfs. */
static struct kernfs_node *kfusd_sysfs_classes, *kfusd_sysfs_virtual;

/* A text field of a message, which may have no end. */
static bool kfusd_is_text(const char *text)
{
	size_t length = strnlen(text, FUSD_MAX_NAME_LENGTH + 1);
	size_t i;

	for (i = 0; i < length; i++)
		if (iscntrl(text[i]))
			return false;
	return length <= FUSD_MAX_NAME_LENGTH;
}

/* Each part of a path: neither empty nor a way out. */
static bool kfusd_is_path(const char *path)
{
	size_t length;

	for (;; path += length + 1) {
		length = strcspn(path, "/");
		if (length == 0 ||
		    (length <= 2 && !strncmp(path, "..", length)))
			return false;
		if (!path[length])
			return true;
	}
}

int kfusd_check_names(const register_msg_t *message)
{
	if (!kfusd_is_text(message->name) || !kfusd_is_path(message->name))
		return -EINVAL;
	if (!kfusd_is_text(message->clazz) || !kfusd_is_text(message->devname))
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

int kfusd_check_vacant(const struct kfusd_device *wanted)
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

/* Of a class that is not in our list. */
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
	list_add(&class->entry, &kfusd_classes);
	return class;
}

struct kfusd_class *kfusd_class_get(const char *name)
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
	/* Its devices' nodes are named by whoever made it, not by us. */
	pr_info_ratelimited("class %s is the kernel's: using class %s\n", name,
			    DEFAULT_CLASS);
	return kfusd_class_get(DEFAULT_CLASS);
}

void kfusd_class_put(struct kfusd_class *class)
{
	lockdep_assert_held(&kfusd_devices_lock);
	if (--class->users)
		return;
	list_del(&class->entry);
	class_destroy(class->class);
	kfree(class);
}

struct class *kfusd_class_of(const struct kfusd_class *class)
{
	return class->class;
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

int kfusd_classes_init(void)
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

void kfusd_classes_exit(void)
{
	struct kfusd_class *class;

	mutex_lock(&kfusd_devices_lock);
	/* The last one, FUSD's own. */
	class = list_first_entry(&kfusd_classes, struct kfusd_class, entry);
	kfusd_class_put(class);
	mutex_unlock(&kfusd_devices_lock);
	kernfs_put(kfusd_sysfs_virtual);
	kernfs_put(kfusd_sysfs_classes);
}

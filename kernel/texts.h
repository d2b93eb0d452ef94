/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* What a driver tells of its device that sysfs and udev show: sysfs.c. */
#ifndef KFUSD_TEXTS_H
#define KFUSD_TEXTS_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "fusd_control.h"

#include "compat.h"

struct attribute_group;
struct kfusd_device;
struct kfusd_groups;
struct kobj_uevent_env;

/* What sysfs and uevents show of a device: sysfs.c. */
struct kfusd_texts {
	/* devices_lock; constant once the device is live. */
	struct list_head attributes;
	unsigned int count;
	struct kfusd_groups *groups; /* kmalloc'ed; of the attributes */

	spinlock_t lock;       /* attributes' values, and what follows */
	char *variables;       /* kmalloc'ed; one text after the other */
	size_t variables_size; /* bytes of all */
};

/* Whether text ends within size bytes, without control characters. */
bool kfusd_is_text(const char *text, size_t size);
/* Whether no part of a path is empty or a way out. */
bool kfusd_is_path(const char *path);
void kfusd_texts_init(struct kfusd_texts *texts);
void kfusd_texts_free(struct kfusd_texts *texts);
/* What FUSD_CONTROL_ATTRIBUTE tells; a kmalloc'ed value or ERR_PTR. */
char *kfusd_copy_attribute(const struct fusd_control_attribute __user *user,
			   struct fusd_control_attribute *told);
/*
 * Adds or changes an attribute, under devices_lock; 0 or what the ioctl fails
 * with. Takes over the value if it is 0.
 */
int kfusd_take_attribute(struct kfusd_device *device,
			 const struct fusd_control_attribute *told,
			 char *value);
/* Makes what the driver core is told of a new device's attributes; -ENOMEM. */
int kfusd_make_groups(struct kfusd_texts *texts);
const struct attribute_group **kfusd_groups_of(const struct kfusd_texts *texts);
/* FUSD_CONTROL_VARIABLES. */
int kfusd_set_variables(struct kfusd_device *device,
			const struct fusd_control_variables __user *user);
/* Variables that a driver tells, kmalloc'ed, and their size; or ERR_PTR. */
char *kfusd_copy_variables(const struct fusd_control_variables __user *user,
			   size_t *size);
/* A class's dev_uevent. */
int kfusd_add_variables(KFUSD_DEVNODE_CONST struct device *sysfs,
			struct kobj_uevent_env *env);

#endif /* KFUSD_TEXTS_H */

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * What a driver tells of its device that sysfs and udev show: names, attributes
 * and the variables of uevents.
 *
 * All of it is text in the module's memory: nobody who reads it waits for the
 * driver. The driver core takes a name that is there twice for a fault of the
 * kernel's, and uevents that are too long, too: neither gets as far.
 */
#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

#include "kfusd.h"

/* What the kernel adds to a uevent after a class. */
#define UEVENT_END 64

struct kfusd_attribute {
	struct device_attribute file; /* first: what the driver core knows */
	struct list_head entry;	      /* devices_lock; in texts.attributes */
	char *value;		      /* texts.lock; kmalloc'ed */
	size_t size;		      /* texts.lock */
	/* Constant. */
	char name[sizeof_field(struct fusd_control_attribute, name)];
	char directory[sizeof_field(struct fusd_control_attribute, name)];
};

/* What the driver core is told of all attributes. */
struct kfusd_groups {
	const struct attribute_group *pointers[FUSD_CONTROL_ATTRIBUTES + 1];
	struct attribute_group groups[FUSD_CONTROL_ATTRIBUTES];
	/* Those of one group after the other, each with a NULL at its end. */
	struct attribute *attributes[2 * FUSD_CONTROL_ATTRIBUTES];
};

bool kfusd_is_text(const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	size_t i;

	for (i = 0; i < length; i++)
		if (iscntrl(text[i]))
			return false;
	return length < size;
}

bool kfusd_is_path(const char *path)
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

/* Copies what a driver tells; there is a 0 at the end. */
static char *kfusd_copy_text(u64 address, size_t size)
{
	char *text = kmalloc(size + 1, GFP_KERNEL_ACCOUNT);

	if (!text)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(text, u64_to_user_ptr(address), size)) {
		kfree(text);
		return ERR_PTR(-EFAULT);
	}
	text[size] = '\0';
	return text;
}

static ssize_t kfusd_show_attribute(struct device *sysfs,
				    struct device_attribute *file, char *page)
{
	struct kfusd_attribute *attribute =
		container_of(file, struct kfusd_attribute, file);
	struct kfusd_device *device = dev_get_drvdata(sysfs);
	ssize_t size;

	spin_lock(&device->texts.lock);
	size = attribute->size;
	memcpy(page, attribute->value, size);
	spin_unlock(&device->texts.lock);
	return size;
}

static int kfusd_check_attribute(const struct fusd_control_attribute *told)
{
	static const char *const kernels[] = {
		"dev",	     "driver",	  "online", "power",
		"removable", "subsystem", "uevent", "waiting_for_supplier",
	};
	const char *slash;
	size_t length;
	size_t i;

	if (!kfusd_is_text(told->name, sizeof(told->name)) ||
	    !kfusd_is_path(told->name))
		return -EINVAL;
	slash = strchr(told->name, '/');
	if ((slash && strchr(slash + 1, '/')) ||
	    told->size > FUSD_CONTROL_ATTRIBUTE_SIZE || told->reserved)
		return -EINVAL;
	length = strcspn(told->name, "/");
	for (i = 0; i < ARRAY_SIZE(kernels); i++)
		if (strlen(kernels[i]) == length &&
		    !strncmp(kernels[i], told->name, length))
			return -EEXIST;
	return 0;
}

static struct kfusd_attribute *
kfusd_find_attribute(const struct kfusd_texts *texts, const char *name)
{
	struct kfusd_attribute *attribute;

	list_for_each_entry(attribute, &texts->attributes, entry)
		if (!strcmp(attribute->name, name))
			return attribute;
	return NULL;
}

/* Whether one of two would be a file where the other has its directory. */
static bool kfusd_is_in_the_way(const struct kfusd_texts *texts,
				const struct kfusd_attribute *wanted)
{
	const struct kfusd_attribute *other;

	list_for_each_entry(other, &texts->attributes, entry)
		if (!strcmp(other->directory, wanted->name) ||
		    !strcmp(other->name, wanted->directory))
			return true;
	return false;
}

static int kfusd_add_attribute(struct kfusd_texts *texts, const char *name,
			       char *value, size_t size)
{
	struct kfusd_attribute *attribute;
	const char *slash = strchr(name, '/');

	if (texts->count >= FUSD_CONTROL_ATTRIBUTES)
		return -E2BIG;
	attribute = kzalloc(sizeof(*attribute), GFP_KERNEL_ACCOUNT);
	if (!attribute)
		return -ENOMEM;
	strscpy(attribute->name, name, sizeof(attribute->name));
	if (slash)
		memcpy(attribute->directory, name, slash - name);
	if (kfusd_is_in_the_way(texts, attribute)) {
		kfree(attribute);
		return -EEXIST;
	}
	sysfs_attr_init(&attribute->file.attr);
	attribute->file.attr.name =
		attribute->name + (slash ? slash + 1 - name : 0);
	attribute->file.attr.mode = 0444;
	attribute->file.show = kfusd_show_attribute;
	attribute->value = value;
	attribute->size = size;
	list_add_tail(&attribute->entry, &texts->attributes);
	texts->count++;
	return 0;
}

static void kfusd_change_attribute(struct kfusd_device *device,
				   struct kfusd_attribute *attribute,
				   char *value, size_t size)
{
	struct kfusd_texts *texts = &device->texts;

	spin_lock(&texts->lock);
	swap(attribute->value, value);
	attribute->size = size;
	spin_unlock(&texts->lock);
	kfree(value); /* the one before */
	if (device->state == KFUSD_LIVE)
		sysfs_notify(&device->sysfs->kobj,
			     attribute->directory[0] ? attribute->directory :
						       NULL,
			     attribute->file.attr.name);
}

int kfusd_take_attribute(struct kfusd_device *device,
			 const struct fusd_control_attribute *told, char *value)
{
	struct kfusd_texts *texts = &device->texts;
	struct kfusd_attribute *attribute =
		kfusd_find_attribute(texts, told->name);

	if (device->state == KFUSD_GONE)
		return -ENODEV;
	if (!attribute && device->state == KFUSD_LIVE)
		return -ENOENT;
	if (!attribute)
		return kfusd_add_attribute(texts, told->name, value,
					   told->size);
	kfusd_change_attribute(device, attribute, value, told->size);
	return 0;
}

char *kfusd_copy_attribute(const struct fusd_control_attribute __user *user,
			   struct fusd_control_attribute *told)
{
	int error;

	if (copy_from_user(told, user, sizeof(*told)))
		return ERR_PTR(-EFAULT);
	error = kfusd_check_attribute(told);
	return error ? ERR_PTR(error) :
		       kfusd_copy_text(told->value, told->size);
}

static bool kfusd_is_first_of_directory(const struct kfusd_texts *texts,
					const struct kfusd_attribute *attribute)
{
	const struct kfusd_attribute *first;

	list_for_each_entry(first, &texts->attributes, entry)
		if (!strcmp(first->directory, attribute->directory))
			break;
	return first == attribute;
}

int kfusd_make_groups(struct kfusd_texts *texts)
{
	const struct attribute_group **pointer;
	struct attribute_group *group;
	struct kfusd_attribute *first, *one;
	struct attribute **next;

	if (!texts->count)
		return 0;
	kfree(texts->groups); /* of a registration that failed */
	texts->groups = kzalloc(sizeof(*texts->groups), GFP_KERNEL_ACCOUNT);
	if (!texts->groups)
		return -ENOMEM;
	pointer = texts->groups->pointers;
	group = texts->groups->groups;
	next = texts->groups->attributes;
	list_for_each_entry(first, &texts->attributes, entry) {
		if (!kfusd_is_first_of_directory(texts, first))
			continue;
		if (first->directory[0])
			group->name = first->directory;
		group->attrs = next;
		list_for_each_entry(one, &texts->attributes, entry)
			if (!strcmp(one->directory, first->directory))
				*next++ = &one->file.attr;
		next++; /* past its NULL */
		*pointer++ = group++;
	}
	return 0;
}

const struct attribute_group **kfusd_groups_of(const struct kfusd_texts *texts)
{
	return texts->groups ? texts->groups->pointers : NULL;
}

static int kfusd_check_variable(const char *text)
{
	static const char *const kernels[] = {
		"ACTION",  "DEVGID",	"DEVMODE",    "DEVNAME", "DEVPATH",
		"DEVTYPE", "DEVUID",	"DRIVER",     "MAJOR",	 "MINOR",
		"SEQNUM",  "SUBSYSTEM", "SYNTH_UUID",
	};
	size_t length = strcspn(text, "=");
	size_t i;

	if (length == 0 || text[length] != '=' || isdigit(text[0]))
		return -EINVAL;
	for (i = 0; i < length; i++)
		if (!isdigit(text[i]) && text[i] != '_' &&
		    (text[i] < 'A' || text[i] > 'Z'))
			return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(kernels); i++)
		if (strlen(kernels[i]) == length &&
		    !strncmp(kernels[i], text, length))
			return -EEXIST;
	return 0;
}

static int kfusd_check_variables(const char *texts, size_t size)
{
	const char *text, *end = texts + size;
	unsigned int count = 0;
	int error;

	for (text = texts; text < end; text += strlen(text) + 1) {
		if (++count > FUSD_CONTROL_VARIABLES_COUNT ||
		    !kfusd_is_text(text, end - text))
			return -EINVAL;
		error = kfusd_check_variable(text);
		if (error)
			return error;
	}
	return 0;
}

char *kfusd_copy_variables(const struct fusd_control_variables __user *user,
			   size_t *size)
{
	struct fusd_control_variables told;
	char *texts;
	int error;

	if (copy_from_user(&told, user, sizeof(told)))
		return ERR_PTR(-EFAULT);
	if (told.size > FUSD_CONTROL_VARIABLES_SIZE || told.reserved)
		return ERR_PTR(-EINVAL);
	if (told.size && !capable(CAP_SYS_ADMIN))
		return ERR_PTR(-EPERM);
	texts = kfusd_copy_text(told.address, told.size);
	if (IS_ERR(texts))
		return texts;
	error = kfusd_check_variables(texts, told.size);
	if (error) {
		kfree(texts);
		return ERR_PTR(error);
	}
	*size = told.size;
	return texts;
}

int kfusd_set_variables(struct kfusd_device *device,
			const struct fusd_control_variables __user *user)
{
	struct kfusd_texts *texts = &device->texts;
	size_t size;
	char *variables = kfusd_copy_variables(user, &size);

	if (IS_ERR(variables))
		return PTR_ERR(variables);
	if (READ_ONCE(device->state) == KFUSD_GONE) {
		kfree(variables);
		return -ENODEV;
	}
	spin_lock(&texts->lock);
	swap(texts->variables, variables);
	texts->variables_size = size;
	spin_unlock(&texts->lock);
	kfree(variables); /* those before */
	return 0;
}

/* Whoever asks for the uevent, by /sys/.../uevent, has added to it before. */
static bool kfusd_has_room(const struct kobj_uevent_env *env, const char *text)
{
	return env->envp_idx + 2 < (int)ARRAY_SIZE(env->envp) &&
	       env->buflen + strlen(text) + 1 + UEVENT_END < sizeof(env->buf);
}

int kfusd_add_variables(KFUSD_DEVNODE_CONST struct device *sysfs,
			struct kobj_uevent_env *env)
{
	struct kfusd_device *device = dev_get_drvdata(sysfs);
	struct kfusd_texts *texts = &device->texts;
	const char *text, *end;

	spin_lock(&texts->lock);
	end = texts->variables + texts->variables_size;
	for (text = texts->variables; text < end; text += strlen(text) + 1)
		if (kfusd_has_room(env, text))
			add_uevent_var(env, "%s", text);
	spin_unlock(&texts->lock);
	return 0;
}

void kfusd_texts_init(struct kfusd_texts *texts)
{
	spin_lock_init(&texts->lock);
	INIT_LIST_HEAD(&texts->attributes);
}

void kfusd_texts_free(struct kfusd_texts *texts)
{
	struct kfusd_attribute *attribute, *next;

	list_for_each_entry_safe(attribute, next, &texts->attributes, entry) {
		kfree(attribute->value);
		kfree(attribute);
	}
	kfree(texts->groups);
	kfree(texts->variables);
}

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* A device's life: registered, found by its minor, ended, freed. */
#include <linux/cdev.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/kdev_t.h>
#include <linux/namei.h>
#include <linux/pid_namespace.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "kfusd.h"

#define DEFAULT_CLASS "fusd"

/* A class in sysfs; it lives while one of our devices is in it. */
struct kfusd_class {
	struct list_head entry; /* kfusd_devices_lock */
	unsigned int users;	/* kfusd_devices_lock */
	struct class *class;
	char name[FUSD_MAX_NAME_LENGTH + 1];
};

DEFINE_MUTEX(kfusd_devices_lock);
LIST_HEAD(kfusd_devices);

static LIST_HEAD(classes);	    /* kfusd_devices_lock */
static unsigned int live_count;	    /* kfusd_devices_lock */
static u32 last_minor;		    /* kfusd_devices_lock */
static DEFINE_XARRAY_ALLOC(minors); /* minor -> live device; its own lock */

static dev_t first_number;
static struct cdev client_cdev;

struct kfusd_device *kfusd_device_new(void)
{
	struct kfusd_device *device = kzalloc(sizeof(*device), GFP_KERNEL);

	if (!device)
		return NULL;
	kref_init(&device->ref);
	device->state = KFUSD_NEW;
	INIT_LIST_HEAD(&device->entry);
	spin_lock_init(&device->lock);
	INIT_LIST_HEAD(&device->queue);
	INIT_LIST_HEAD(&device->files);
	xa_init_flags(&device->requests, XA_FLAGS_ALLOC);
	mutex_init(&device->receive_lock);
	init_waitqueue_head(&device->receive_wait);
	spin_lock_init(&device->pool_lock);
	device->pid_ns = get_pid_ns(task_active_pid_ns(current));
	device->user_ns = get_user_ns(current_user_ns());
	return device;
}

static void free_device(struct kref *ref)
{
	struct kfusd_device *device =
		container_of(ref, struct kfusd_device, ref);

	mutex_lock(&kfusd_devices_lock);
	list_del(&device->entry);
	mutex_unlock(&kfusd_devices_lock);
	if (device->state == KFUSD_GONE)
		kfusd_status_changed();
	xa_destroy(&device->requests);
	kfusd_buffers_free(device);
	put_pid(device->server);
	put_pid_ns(device->pid_ns);
	put_user_ns(device->user_ns);
	kfree(device);
}

void kfusd_device_put(struct kfusd_device *device)
{
	kref_put(&device->ref, free_device);
}

struct kfusd_device *kfusd_device_find(unsigned int minor)
{
	struct kfusd_device *device;

	xa_lock(&minors);
	device = xa_load(&minors, minor);
	if (device)
		kref_get(&device->ref);
	xa_unlock(&minors);
	return device;
}

/* Called for uevents and by devtmpfs, which deletes by this name too. */
static char *devnode(KFUSD_DEVNODE_CONST struct device *sysfs, umode_t *mode)
{
	const struct kfusd_device *device = dev_get_drvdata(sysfs);

	if (mode)
		*mode = device->mode;
	return kstrdup(device->name, GFP_KERNEL);
}

/* Whether a path exists already, as the driver sees it. */
static int check_vacant(const char *directory, const char *name)
{
	char *path = kasprintf(GFP_KERNEL, "%s%s", directory, name);
	struct path found;
	int error;

	if (!path)
		return -ENOMEM;
	error = kern_path(path, 0, &found);
	kfree(path);
	if (!error) {
		path_put(&found);
		return -EEXIST;
	}
	return error == -ENOENT ? 0 : error;
}

static void put_class(struct kfusd_class *class)
{
	lockdep_assert_held(&kfusd_devices_lock);
	if (--class->users)
		return;
	list_del(&class->entry);
	class_destroy(class->class);
	kfree(class);
}

static struct kfusd_class *make_class(const char *name)
{
	struct kfusd_class *class = kzalloc(sizeof(*class), GFP_KERNEL);
	int error;

	if (!class)
		return ERR_PTR(-ENOMEM);
	class->users = 1;
	strscpy(class->name, name, sizeof(class->name));
	/* Another module's class is not ours to put devices in. */
	error = check_vacant("/sys/class/", name);
	if (error)
		goto free;
	class->class = kfusd_class_create(class->name);
	if (IS_ERR(class->class)) {
		error = PTR_ERR(class->class);
		goto free;
	}
	class->class->devnode = devnode;
	list_add(&class->entry, &classes);
	return class;

free:
	kfree(class);
	return ERR_PTR(error);
}

static struct kfusd_class *get_class(const char *name)
{
	struct kfusd_class *class;

	lockdep_assert_held(&kfusd_devices_lock);
	list_for_each_entry(class, &classes, entry)
	{
		if (!strcmp(class->name, name)) {
			class->users++;
			return class;
		}
	}
	return make_class(name);
}

/* A text field of a message, which may have no end. */
static bool is_text(const char *text)
{
	size_t length = strnlen(text, FUSD_MAX_NAME_LENGTH + 1);
	size_t i;

	for (i = 0; i < length; i++)
		if (iscntrl(text[i]))
			return false;
	return length <= FUSD_MAX_NAME_LENGTH;
}

/* Each part of a path: neither empty nor a way out. */
static bool is_path(const char *path)
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

static int check_names(const register_msg_t *message)
{
	if (!is_text(message->name) || !is_path(message->name))
		return -EINVAL;
	if (!is_text(message->clazz) || !is_text(message->devname))
		return -EINVAL;
	if (message->clazz[0] &&
	    (!is_path(message->clazz) || strchr(message->clazz, '/')))
		return -EINVAL;
	return message->devname[0] && !is_path(message->devname) ? -EINVAL : 0;
}

/* Whether a live device has the name, or the same place in sysfs. */
static bool is_taken(const struct kfusd_device *wanted)
{
	const struct kfusd_device *device;

	list_for_each_entry(device, &kfusd_devices, entry)
	{
		if (device->state != KFUSD_LIVE)
			continue;
		if (!strcmp(device->name, wanted->name) ||
		    (device->class == wanted->class &&
		     !strcmp(device->devname, wanted->devname)))
			return true;
	}
	return false;
}

static void set_state(struct kfusd_device *device,
		      enum kfusd_device_state state)
{
	spin_lock(&device->lock);
	/* Also read without the lock: control.c's is_registered(). */
	smp_store_release(&device->state, state);
	spin_unlock(&device->lock);
}

/* Makes the node; opens may come at once. */
static int create_node(struct kfusd_device *device)
{
	int error;

	error = xa_alloc_cyclic(&minors, &device->minor, device,
				XA_LIMIT(0, MINORMASK), &last_minor,
				GFP_KERNEL);
	if (error < 0)
		return error;
	set_state(device, KFUSD_LIVE);
	device->sysfs = device_create(device->class->class, NULL,
				      MKDEV(MAJOR(first_number), device->minor),
				      device, "%s", device->devname);
	if (!IS_ERR(device->sysfs))
		return 0;
	set_state(device, KFUSD_NEW);
	xa_erase(&minors, device->minor);
	return PTR_ERR(device->sysfs);
}

static int register_named(struct kfusd_device *device)
{
	if (live_count >= kfusd_max_devices)
		return -ENOSPC;
	if (is_taken(device))
		return -EEXIST;
	return create_node(device);
}

static void take_fields(struct kfusd_device *device,
			const register_msg_t *message)
{
	strscpy(device->name, message->name, sizeof(device->name));
	strscpy(device->devname,
		message->devname[0] ? message->devname : message->name,
		sizeof(device->devname));
	device->mode = message->mode & 0777;
	device->device_info = message->device_info;
	device->pid = task_tgid_vnr(current);
}

static int register_locked(struct kfusd_device *device,
			   const register_msg_t *message)
{
	int error;

	if (device->state != KFUSD_NEW)
		return -EBUSY;
	take_fields(device, message);
	device->class =
		get_class(message->clazz[0] ? message->clazz : DEFAULT_CLASS);
	if (IS_ERR(device->class))
		return PTR_ERR(device->class);
	error = register_named(device);
	if (error) {
		put_class(device->class);
		return error;
	}
	live_count++;
	list_add_tail(&device->entry, &kfusd_devices);
	return 0;
}

int kfusd_device_register(struct kfusd_device *device,
			  const register_msg_t *message)
{
	int error = check_names(message);

	/* Not under the lock: a file system may make this wait. */
	if (!error)
		error = check_vacant(DEFAULT_DEV_ROOT, message->name);
	if (error)
		return error;
	if (mutex_lock_interruptible(&kfusd_devices_lock))
		return -ERESTARTSYS;
	error = register_locked(device, message);
	mutex_unlock(&kfusd_devices_lock);
	if (!error)
		kfusd_status_changed();
	return error;
}

/*
 * Nothing enters the table any more. What is not sent yet fails when it is, and
 * what is being replied to ends with that.
 */
static void end_requests(struct kfusd_device *device)
{
	struct kfusd_request *request;
	unsigned long hint;
	bool is_over;

	for (hint = 0;; hint++) {
		spin_lock(&device->lock);
		request = xa_find(&device->requests, &hint, ULONG_MAX,
				  XA_PRESENT);
		is_over = request && (request->state == KFUSD_REQUEST_QUEUED ||
				      request->state == KFUSD_REQUEST_SENT);
		if (is_over)
			kfusd_request_complete(request, -EPIPE);
		spin_unlock(&device->lock);
		if (!request)
			return;
		if (is_over)
			kfusd_request_put(request);
	}
}

static struct kfusd_message *next_message(struct kfusd_device *device)
{
	struct kfusd_message *message;

	spin_lock(&device->lock);
	message = list_first_entry_or_null(&device->queue, struct kfusd_message,
					   entry);
	if (message)
		list_del_init(&message->entry);
	spin_unlock(&device->lock);
	return message;
}

/* What the driver will not receive: unblocks, and half a call. */
static void drop_messages(struct kfusd_device *device)
{
	struct kfusd_message *message;

	mutex_lock(&device->receive_lock);
	message = device->partial;
	device->partial = NULL;
	mutex_unlock(&device->receive_lock);
	if (message)
		kfusd_request_put(message->request);
	while ((message = next_message(device)))
		kfusd_request_put(message->request);
}

static void wake_all(struct kfusd_device *device)
{
	struct kfusd_file *file;

	wake_up_all(&device->receive_wait);
	spin_lock(&device->lock);
	list_for_each_entry(file, &device->files, entry)
		wake_up_poll(&file->poll_wait, EPOLLHUP | EPOLLERR | EPOLLPRI);
	spin_unlock(&device->lock);
}

static int end_locked(struct kfusd_device *device)
{
	if (device->state != KFUSD_LIVE)
		return -ENODEV;
	set_state(device, KFUSD_GONE);
	/* The node first: a client that gets EPIPE finds the name free. */
	xa_erase(&minors, device->minor);
	device_unregister(device->sysfs);
	put_class(device->class);
	device->class = NULL;
	live_count--;
	end_requests(device);
	wake_all(device);
	return 0;
}

int kfusd_device_end(struct kfusd_device *device)
{
	int error;

	mutex_lock(&kfusd_devices_lock);
	error = end_locked(device);
	mutex_unlock(&kfusd_devices_lock);
	if (error)
		return error;
	/* Not before: its lock may be held as long as a driver likes. */
	drop_messages(device);
	kfusd_status_changed();
	return 0;
}

int kfusd_devices_init(const struct file_operations *client_operations)
{
	struct kfusd_class *class;
	int error;

	error = alloc_chrdev_region(&first_number, 0, MINORMASK + 1, "fusd");
	if (error)
		return error;
	cdev_init(&client_cdev, client_operations);
	client_cdev.owner = client_operations->owner;
	error = cdev_add(&client_cdev, first_number, MINORMASK + 1);
	if (error)
		goto unregister_region;
	/* Kept while the module is loaded. */
	mutex_lock(&kfusd_devices_lock);
	class = get_class(DEFAULT_CLASS);
	mutex_unlock(&kfusd_devices_lock);
	if (!IS_ERR(class))
		return 0;
	error = PTR_ERR(class);
	cdev_del(&client_cdev);
unregister_region:
	unregister_chrdev_region(first_number, MINORMASK + 1);
	return error;
}

void kfusd_devices_exit(void)
{
	mutex_lock(&kfusd_devices_lock);
	put_class(list_first_entry(&classes, struct kfusd_class, entry));
	mutex_unlock(&kfusd_devices_lock);
	xa_destroy(&minors);
	cdev_del(&client_cdev);
	unregister_chrdev_region(first_number, MINORMASK + 1);
}

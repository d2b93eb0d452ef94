// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* A device's life: registered, found by its minor, ended, freed. */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/kdev_t.h>
#include <linux/moduleparam.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "kfusd.h"

static unsigned int kfusd_max_devices = 4096;
module_param_named(max_devices, kfusd_max_devices, uint, 0644);
MODULE_PARM_DESC(max_devices,
		 "devices at one time; one more gets ENOSPC (default 4096)");

/* Names, classes, minors, and what is marked with it. */
DEFINE_MUTEX(kfusd_devices_lock);
LIST_HEAD(kfusd_devices);

atomic_t kfusd_devices_generation = ATOMIC_INIT(1);
DECLARE_WAIT_QUEUE_HEAD(kfusd_devices_wait);

static unsigned int kfusd_live_count; /* kfusd_devices_lock */
static u32 kfusd_last_minor;	      /* kfusd_devices_lock */
/* From a minor to the live device; its own lock. */
static DEFINE_XARRAY_ALLOC(kfusd_minors);

static dev_t kfusd_first_number;
static struct cdev kfusd_client_cdev;

void kfusd_devices_changed(void)
{
	atomic_inc(&kfusd_devices_generation);
	wake_up_interruptible_poll(&kfusd_devices_wait, EPOLLIN);
}

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
	INIT_LIST_HEAD(&device->users);
	INIT_LIST_HEAD(&device->left);
	device->left_opens = RB_ROOT;
	INIT_DELAYED_WORK(&device->sweep, kfusd_sweep);
	xa_init_flags(&device->requests, XA_FLAGS_ALLOC);
	mutex_init(&device->receive_lock);
	init_waitqueue_head(&device->receive_wait);
	spin_lock_init(&device->pool_lock);
	device->pid_ns = get_pid_ns(task_active_pid_ns(current));
	device->user_ns = get_user_ns(current_user_ns());
	return device;
}

static void kfusd_free_device(struct kref *ref)
{
	struct kfusd_device *device =
		container_of(ref, struct kfusd_device, ref);

	mutex_lock(&kfusd_devices_lock);
	list_del(&device->entry);
	mutex_unlock(&kfusd_devices_lock);
	if (device->state == KFUSD_GONE)
		kfusd_devices_changed();
	xa_destroy(&device->requests);
	kfusd_buffers_free(device);
	put_pid(device->server);
	put_pid(device->registrar);
	put_pid(device->driver);
	if (device->mm)
		mmdrop(device->mm);
	put_pid_ns(device->pid_ns);
	put_user_ns(device->user_ns);
	kfree(device);
}

void kfusd_device_put(struct kfusd_device *device)
{
	kref_put(&device->ref, kfusd_free_device);
}

struct kfusd_device *kfusd_device_find(unsigned int minor)
{
	struct kfusd_device *device;

	xa_lock(&kfusd_minors);
	device = xa_load(&kfusd_minors, minor);
	if (device)
		kref_get(&device->ref);
	xa_unlock(&kfusd_minors);
	return device;
}

static void kfusd_set_state(struct kfusd_device *device,
			    enum kfusd_device_state state)
{
	spin_lock(&device->lock);
	/* Also read without the lock: control.c's is_registered(). */
	smp_store_release(&device->state, state);
	spin_unlock(&device->lock);
}

/*
 * Nothing enters the table any more. What is not sent yet fails when it is, and
 * what is being replied to ends with that.
 */
static void kfusd_end_requests(struct kfusd_device *device)
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

static struct kfusd_message *kfusd_next_message(struct kfusd_device *device)
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

/* What the driver will not receive: only unblocks are left. */
static void kfusd_drop_messages(struct kfusd_device *device)
{
	struct kfusd_message *message;

	while ((message = kfusd_next_message(device)))
		kfusd_request_put(message->request);
}

static void kfusd_wake_all(struct kfusd_device *device)
{
	struct kfusd_file *file;

	wake_up_all(&device->receive_wait);
	spin_lock(&device->lock);
	list_for_each_entry(file, &device->files, entry)
		wake_up_poll(&file->poll_wait, EPOLLHUP | EPOLLERR | EPOLLPRI);
	spin_unlock(&device->lock);
}

/* No call is taken any more, and those that wait end. */
static void kfusd_end_service(struct kfusd_device *device)
{
	kfusd_set_state(device, KFUSD_GONE);
	xa_erase(&kfusd_minors, device->minor);
	kfusd_end_requests(device);
	kfusd_drop_messages(device);
	kfusd_wake_all(device);
}

/* Makes the node; opens may come at once. */
static int kfusd_create_node(struct kfusd_device *device)
{
	int error;

	error = xa_alloc_cyclic(&kfusd_minors, &device->minor, device,
				XA_LIMIT(0, MINORMASK), &kfusd_last_minor,
				GFP_KERNEL);
	if (error < 0)
		return error;
	kfusd_set_state(device, KFUSD_LIVE);
	device->sysfs =
		device_create(kfusd_class_of(device->class), NULL,
			      MKDEV(MAJOR(kfusd_first_number), device->minor),
			      device, "%s", device->devname);
	if (!IS_ERR(device->sysfs))
		return 0;
	error = PTR_ERR(device->sysfs);
	kfusd_end_service(device);
	return error;
}

static int kfusd_register_named(struct kfusd_device *device)
{
	int error;

	if (kfusd_live_count >= kfusd_max_devices)
		return -ENOSPC;
	error = kfusd_check_vacant(device);
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
	error = kfusd_register_named(device);
	if (error) {
		kfusd_class_put(device->class);
		return error;
	}
	kfusd_live_count++;
	list_add_tail(&device->entry, &kfusd_devices);
	return 0;
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
	/* Opens that came and were left while the node could not be made. */
	if (error && READ_ONCE(device->state) == KFUSD_GONE)
		kfusd_drop_left_opens(device);
	if (!error)
		kfusd_devices_changed();
	return error;
}

static int kfusd_end_locked(struct kfusd_device *device)
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

int kfusd_device_end(struct kfusd_device *device)
{
	int error;

	mutex_lock(&kfusd_devices_lock);
	error = kfusd_end_locked(device);
	mutex_unlock(&kfusd_devices_lock);
	if (error)
		return error;
	kfusd_drop_left_opens(device);
	kfusd_devices_changed();
	return 0;
}

int kfusd_devices_init(const struct file_operations *client_operations)
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
		goto unregister_region;
	error = kfusd_classes_init();
	if (!error)
		return 0;
	cdev_del(&kfusd_client_cdev);
unregister_region:
	unregister_chrdev_region(kfusd_first_number, MINORMASK + 1);
	return error;
}

void kfusd_devices_exit(void)
{
	kfusd_classes_exit();
	xa_destroy(&kfusd_minors);
	cdev_del(&kfusd_client_cdev);
	unregister_chrdev_region(kfusd_first_number, MINORMASK + 1);
}

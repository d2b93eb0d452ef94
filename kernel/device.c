// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * A device's life, and the list of all devices: what every other file builds
 * on. register.c makes a device visible and takes it away again.
 */
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "kfusd.h"

/* See kfusd.h: names, classes, the list of devices. */
DEFINE_MUTEX(kfusd_devices_lock);
LIST_HEAD(kfusd_devices);

atomic_t kfusd_devices_generation = ATOMIC_INIT(1);
DECLARE_WAIT_QUEUE_HEAD(kfusd_devices_wait);

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
	xa_init_flags(&device->requests, XA_FLAGS_ALLOC);
	mutex_init(&device->receive_lock);
	init_waitqueue_head(&device->receive_wait);
	spin_lock_init(&device->pool_lock);
	kfusd_texts_init(&device->texts);
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
	kfusd_ring_drop(device->ring);
	kfusd_texts_free(&device->texts);
	kfree(device->ioctls);
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

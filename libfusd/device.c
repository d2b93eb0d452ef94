// SPDX-License-Identifier: BSD-3-Clause
/* A device's life: who keeps it, and what its end is. */
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

static void init_queue(struct fusd_queue *queue)
{
	pthread_mutexattr_t attributes;

	/* What is received under the lock may interrupt what is queued. */
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&queue->lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
	pthread_mutex_init(&queue->fill_lock, NULL);
	queue->last = &queue->first;
}

struct fusd_device *fusd_device_new(const char *name,
				    const struct fusd_transport *transport)
{
	struct fusd_device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	strcpy(device->name, name);
	device->transport = transport;
	device->fd = -1;
	device->shared_memory = -1;
	device->awaits_by_poll = !transport->await;
	device->end_fd = -1;
	atomic_init(&device->users, 1);
	atomic_init(&device->exchanges, 0);
	atomic_init(&device->references, 1);
	pthread_mutex_init(&device->lock, NULL);
	init_queue(&device->queue);
	return device;
}

static void free_device(struct fusd_device *device)
{
	pthread_mutex_destroy(&device->queue.fill_lock);
	pthread_mutex_destroy(&device->queue.lock);
	pthread_mutex_destroy(&device->lock);
	if (device->shared_memory >= 0)
		close(device->shared_memory);
	if (device->end_fd >= 0)
		close(device->end_fd);
	free(device->ioctls);
	free(device->path);
	free(device);
}

void fusd_device_put_reference(struct fusd_device *device)
{
	if (--device->references == 0)
		free_device(device);
}

void fusd_device_leave(struct fusd_device *device)
{
	if (--device->users > 0)
		return;
	device->transport->close_device(device);
	fusd_device_put_reference(device);
}

void fusd_device_end_exchange(struct fusd_device *device)
{
	if (--device->exchanges == 0 && device->gone &&
	    device->transport->disconnect)
		device->transport->disconnect(device);
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * The registered devices of this process, found by descriptor.
 *
 * The table grows to the highest descriptor; an epoll descriptor beside it
 * holds the same set, so that waiting costs the same with one device and with
 * thousands.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fusd_device **devices; /* registry_lock; by descriptor */
static size_t devices_size;	     /* registry_lock */
static size_t devices_count;	     /* registry_lock */
static int epoll_fd = -1;	     /* registry_lock */
static int empty_fd = -1;	     /* registry_lock; readable: no device */
static pid_t epoll_owner;	     /* registry_lock; who made these two */

static int make_room(int fd)
{
	size_t size = devices_size ? devices_size : 64;
	struct fusd_device **larger;

	while (size <= (size_t)fd)
		size *= 2;
	if (size == devices_size)
		return 0;
	larger = realloc(devices, size * sizeof(*devices));
	if (!larger)
		return -ENOMEM;
	memset(larger + devices_size, 0,
	       (size - devices_size) * sizeof(*devices));
	devices = larger;
	devices_size = size;
	return 0;
}

static struct fusd_device *find(int fd)
{
	if (fd < 0 || (size_t)fd >= devices_size)
		return NULL;
	return devices[fd];
}

static int watch(int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/*
 * A forked child that goes on as the driver needs an epoll set of its own:
 * what it registers must not wake its parent.
 */
static int open_epoll(void)
{
	int error;

	if (epoll_fd >= 0 && epoll_owner == getpid())
		return 0;
	if (epoll_fd >= 0) {
		close(epoll_fd);
		close(empty_fd);
	}
	empty_fd = eventfd(devices_count == 0, EFD_CLOEXEC | EFD_NONBLOCK);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	error = epoll_fd < 0 || empty_fd < 0 ? -errno : watch(empty_fd);
	for (size_t fd = 0; fd < devices_size && !error; fd++)
		if (devices[fd])
			error = watch((int)fd);
	if (error) {
		close(epoll_fd);
		close(empty_fd);
		epoll_fd = -1;
		return error;
	}
	epoll_owner = getpid();
	return 0;
}

int fusd_registry_epoll(void)
{
	int result;

	pthread_mutex_lock(&registry_lock);
	result = open_epoll();
	if (!result)
		result = epoll_fd;
	pthread_mutex_unlock(&registry_lock);
	return result;
}

int fusd_registry_add(struct fusd_device *device)
{
	eventfd_t ignored;
	int error;

	pthread_mutex_lock(&registry_lock);
	error = open_epoll();
	if (!error)
		error = make_room(device->fd);
	if (!error)
		error = watch(device->fd);
	if (!error) {
		devices[device->fd] = device;
		if (devices_count++ == 0)
			eventfd_read(empty_fd, &ignored);
	}
	pthread_mutex_unlock(&registry_lock);
	return error;
}

struct fusd_device *fusd_registry_remove(int fd)
{
	struct fusd_device *device;

	pthread_mutex_lock(&registry_lock);
	device = find(fd);
	if (device) {
		if (epoll_owner == getpid())
			epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		devices[fd] = NULL;
		if (--devices_count == 0)
			eventfd_write(empty_fd, 1);
	}
	pthread_mutex_unlock(&registry_lock);
	return device;
}

struct fusd_device *fusd_registry_enter(int fd)
{
	struct fusd_device *device;

	pthread_mutex_lock(&registry_lock);
	device = find(fd);
	if (device)
		device->users++;
	pthread_mutex_unlock(&registry_lock);
	return device;
}

bool fusd_registry_has_path(const char *path)
{
	bool found = false;

	pthread_mutex_lock(&registry_lock);
	for (size_t fd = 0; fd < devices_size && !found; fd++)
		found = devices[fd] && !strcmp(devices[fd]->path, path);
	pthread_mutex_unlock(&registry_lock);
	return found;
}

void fusd_registry_for_each(void (*visit)(int fd, void *data), void *data)
{
	pthread_mutex_lock(&registry_lock);
	for (size_t fd = 0; fd < devices_size; fd++)
		if (devices[fd])
			visit((int)fd, data);
	pthread_mutex_unlock(&registry_lock);
}

size_t fusd_registry_count(void)
{
	size_t count;

	pthread_mutex_lock(&registry_lock);
	count = devices_count;
	pthread_mutex_unlock(&registry_lock);
	return count;
}

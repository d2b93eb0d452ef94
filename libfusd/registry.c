// SPDX-License-Identifier: BSD-3-Clause
/*
 * The registered devices of this process, found by descriptor, and waiting for
 * any of them.
 *
 * Waiting costs the same with one device and with thousands, thanks to an
 * epoll set; but that takes a call of its own at each request, so a process
 * that has only ever registered one device, as most drivers do, has none, and
 * waits as it receives.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fusd_device **devices; /* registry_lock; by descriptor */
static size_t devices_size;	     /* registry_lock */
static size_t devices_count;	     /* registry_lock */
static bool had_device;		     /* registry_lock */

/* fusd_registry_stop() was called; for whoever waits next, if nobody does. */
static atomic_bool stopping;

/* Threads in fusd_run(): the last one leaves what the next begins with. */
static atomic_int runners;

/*
 * The device that fusd_registry_enter_single() gave last, while it is the only
 * one; set under registry_lock. A signal's handler reads it without that, among
 * the stoppers, who are waited for before it goes.
 */
static _Atomic(struct fusd_device *) single;
static atomic_int stoppers;

/* How fusd_registry_wait() waits. All fields: registry_lock. */
static struct {
	pid_t owner;  /* who made these; a forked child makes its own */
	int empty_fd; /* eventfd; readable if there is no device; in epoll_fd */
	int epoll_fd; /* -1 until a second device is registered */
	/* eventfd, in epoll_fd; readable if stopping. A signal's handler reads
	 * this without the lock. */
	atomic_int stop_fd;
} waiting = { .empty_fd = -1, .epoll_fd = -1, .stop_fd = -1 };

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

static struct fusd_device *find_device(int fd)
{
	if (fd < 0 || (size_t)fd >= devices_size)
		return NULL;
	return devices[fd];
}

static int watch_descriptor(int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(waiting.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ?
		       -errno :
		       0;
}

static void close_waiting(void)
{
	int stop_fd = atomic_exchange(&waiting.stop_fd, -1);
	int *const descriptors[] = { &waiting.empty_fd, &waiting.epoll_fd };

	for (size_t i = 0; i < 2; i++) {
		if (*descriptors[i] >= 0)
			close(*descriptors[i]);
		*descriptors[i] = -1;
	}
	if (stop_fd >= 0)
		close(stop_fd);
}

static int open_epoll(void)
{
	int error;

	waiting.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (waiting.epoll_fd < 0)
		return -errno;
	error = watch_descriptor(waiting.empty_fd);
	if (!error)
		error = watch_descriptor(waiting.stop_fd);
	for (size_t fd = 0; fd < devices_size && !error; fd++)
		if (devices[fd])
			error = watch_descriptor((int)fd);
	if (error) {
		close(waiting.epoll_fd);
		waiting.epoll_fd = -1;
	}
	return error;
}

/*
 * Opens what waiting needs. A forked child that goes on as the driver needs
 * its own: what it registers must not wake its parent.
 */
static int open_waiting(void)
{
	const int flags = EFD_CLOEXEC | EFD_NONBLOCK;
	bool had_epoll = waiting.epoll_fd >= 0;
	int error = 0;

	if (waiting.owner == getpid())
		return 0;
	close_waiting();
	waiting.empty_fd = eventfd(devices_count == 0, flags);
	waiting.stop_fd = eventfd(0, flags);
	if (waiting.empty_fd < 0 || waiting.stop_fd < 0)
		error = -errno;
	else if (had_epoll)
		error = open_epoll();
	if (error)
		close_waiting();
	else
		waiting.owner = getpid();
	return error;
}

/* Afterwards no signal's handler uses the device any more. */
static void forget_single(void)
{
	single = NULL;
	while (stoppers > 0)
		sched_yield();
}

static int add_device(struct fusd_device *device)
{
	eventfd_t ignored;
	int error;

	error = open_waiting();
	if (!error)
		error = make_room(device->fd);
	if (!error && had_device && waiting.epoll_fd < 0)
		error = open_epoll();
	if (!error && waiting.epoll_fd >= 0)
		error = watch_descriptor(device->fd);
	if (error)
		return error;
	devices[device->fd] = device;
	devices_count++;
	eventfd_read(waiting.empty_fd, &ignored);
	had_device = true;
	if (single)
		fusd_end_waits(single);
	forget_single();
	return 0;
}

int fusd_registry_add(struct fusd_device *device)
{
	int error;

	pthread_mutex_lock(&registry_lock);
	error = add_device(device);
	pthread_mutex_unlock(&registry_lock);
	return error;
}

static void remove_device(int fd)
{
	if (!open_waiting() && waiting.epoll_fd >= 0)
		epoll_ctl(waiting.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	devices[fd] = NULL;
	if (--devices_count == 0)
		eventfd_write(waiting.empty_fd, 1);
	/* Its own threads are told by fusd_device_unregister(). */
	forget_single();
}

struct fusd_device *fusd_registry_remove(int fd)
{
	struct fusd_device *device;

	pthread_mutex_lock(&registry_lock);
	device = find_device(fd);
	if (device)
		remove_device(fd);
	pthread_mutex_unlock(&registry_lock);
	return device;
}

bool fusd_registry_remove_device(struct fusd_device *device)
{
	bool is_there;

	pthread_mutex_lock(&registry_lock);
	is_there = find_device(device->fd) == device;
	if (is_there)
		remove_device(device->fd);
	pthread_mutex_unlock(&registry_lock);
	return is_there;
}

/* What makes waiting.stop_fd readable again, if stopping became true again. */
static void drain_stop(void)
{
	eventfd_t ignored;

	eventfd_read(waiting.stop_fd, &ignored);
	if (stopping)
		eventfd_write(waiting.stop_fd, 1);
}

void fusd_registry_stop(void)
{
	struct fusd_device *device;

	stopping = true;
	eventfd_write(waiting.stop_fd, 1);
	stoppers++;
	device = single;
	if (device)
		fusd_end_waits(device);
	stoppers--;
}

void fusd_registry_begin_run(void)
{
	runners++;
}

void fusd_registry_end_run(void)
{
	if (--runners > 0)
		return;
	stopping = false;
	drain_stop();
}

static int wait_for_any(int epoll_fd, int *ready, int size)
{
	struct epoll_event events[FUSD_WAIT_SIZE];
	int count = epoll_wait(epoll_fd, events, size, -1);

	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		ready[i] = events[i].data.fd;
		/* A forked process has written to what was copied. */
		if (ready[i] == waiting.stop_fd && !stopping)
			drain_stop();
	}
	return count;
}

/* Under the lock: the only device of a process that never had another. */
static struct fusd_device *find_single(void)
{
	size_t fd = 0;

	if (waiting.epoll_fd >= 0 || devices_count != 1)
		return NULL;
	while (!devices[fd])
		fd++;
	return devices[fd];
}

struct fusd_device *fusd_registry_enter_single(unsigned int *waits)
{
	struct fusd_device *device;

	pthread_mutex_lock(&registry_lock);
	device = find_single();
	if (device) {
		device->users++;
		*waits = device->waits_ended;
		single = device;
	}
	pthread_mutex_unlock(&registry_lock);
	/* A stop from now on ends the device's waits. */
	if (device && stopping) {
		fusd_device_leave(device);
		return NULL;
	}
	return device;
}

int fusd_registry_wait(int ready[FUSD_WAIT_SIZE])
{
	int epoll_fd, error;
	size_t count;

	pthread_mutex_lock(&registry_lock);
	error = open_waiting();
	epoll_fd = waiting.epoll_fd;
	count = devices_count;
	pthread_mutex_unlock(&registry_lock);
	if (error)
		return error;
	if (stopping)
		return -ECANCELED;
	if (count == 0)
		return -ENODEV;
	if (epoll_fd < 0)
		return -EAGAIN;
	return wait_for_any(epoll_fd, ready, FUSD_WAIT_SIZE);
}

struct fusd_device *fusd_registry_enter(int fd)
{
	struct fusd_device *device;

	pthread_mutex_lock(&registry_lock);
	device = find_device(fd);
	if (device)
		device->users++;
	pthread_mutex_unlock(&registry_lock);
	return device;
}

int fusd_registry_enter_each(bool (*wants)(struct fusd_device *device,
					   void *data),
			     void *data, struct fusd_device **entered, int size)
{
	int count = 0;

	pthread_mutex_lock(&registry_lock);
	for (size_t fd = 0; fd < devices_size; fd++) {
		if (!devices[fd] || !wants(devices[fd], data) || count == size)
			continue;
		devices[fd]->users++;
		entered[count++] = devices[fd];
	}
	pthread_mutex_unlock(&registry_lock);
	return count;
}

void fusd_registry_forget(void (*visit)(struct fusd_device *device))
{
	pthread_mutex_init(&registry_lock, NULL);
	for (size_t fd = 0; fd < devices_size; fd++)
		if (devices[fd])
			visit(devices[fd]);
	free(devices);
	devices = NULL;
	devices_size = devices_count = 0;
	had_device = false;
	single = NULL;
	stoppers = runners = 0;
	close_waiting();
	waiting.owner = 0;
	stopping = false;
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

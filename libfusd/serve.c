// SPDX-License-Identifier: BSD-3-Clause
/*
 * Serving one device for an interpreter, which has signals of its own.
 *
 * A signal's handler that the interpreter installed only makes a descriptor
 * readable, and the interpreter does the rest when it runs next. If the signal
 * comes just before a wait, that goes on: nothing interrupts it. So a thread
 * here watches the descriptor while a device is served, and ends the waits. It
 * sleeps otherwise, and costs a request nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "internal.h"
#include "serve.h"

#define MAX_EVENTS 16

static struct {
	pthread_mutex_t lock;
	int epoll; /* lock; -1 without a thread */
} watch = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.epoll = -1,
};

void fusd_end_waits_of(int fd)
{
	struct fusd_device *device = fusd_registry_enter(fd);

	if (!device)
		return;
	fusd_end_waits(device);
	fusd_device_leave(device);
}

static void *watch_descriptors(void *unused)
{
	struct epoll_event events[MAX_EVENTS];
	int epoll, count;

	pthread_mutex_lock(&watch.lock);
	epoll = watch.epoll;
	pthread_mutex_unlock(&watch.lock);
	for (;;) {
		count = epoll_wait(epoll, events, MAX_EVENTS, -1);
		for (int i = 0; i < count; i++)
			fusd_end_waits_of(events[i].data.fd);
	}
	return unused;
}

/* A forked child has no thread, and lets go of the devices. */
static void forget_watch(void)
{
	pthread_mutex_init(&watch.lock, NULL);
	if (watch.epoll >= 0)
		close(watch.epoll);
	watch.epoll = -1;
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forget_watch);
}

/* Under the lock. 0 or -errno. */
static int begin_thread(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int error;

	pthread_once(&once, watch_forks);
	watch.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (watch.epoll < 0)
		return -errno;
	error = fusd_thread_begin(watch_descriptors);
	if (error) {
		close(watch.epoll);
		watch.epoll = -1;
	}
	return error;
}

/* Under the lock. Once wake_fd is readable, the device's waits end: once. */
static int watch_locked(int wake_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT,
				     .data.fd = fd };
	int error = watch.epoll < 0 ? begin_thread() : 0;

	if (error)
		return error;
	/* Most often it was watched before; the number may be a new file's. */
	if (epoll_ctl(watch.epoll, EPOLL_CTL_MOD, wake_fd, &event) == 0 ||
	    (errno == ENOENT &&
	     epoll_ctl(watch.epoll, EPOLL_CTL_ADD, wake_fd, &event) == 0))
		return 0;
	return -errno;
}

unsigned int fusd_waits(int fd)
{
	struct fusd_device *device = fusd_registry_enter(fd);
	unsigned int waits = 0;

	if (device) {
		waits = device->waits_ended;
		fusd_device_leave(device);
	}
	return waits;
}

int fusd_serve(int fd, unsigned int waits, int wake_fd)
{
	struct fusd_device *device = fusd_registry_enter(fd);
	int error;

	if (!device)
		return fusd_result(-EBADF);
	pthread_mutex_lock(&watch.lock);
	error = watch_locked(wake_fd, fd);
	pthread_mutex_unlock(&watch.lock);
	if (!error)
		error = fusd_serve_device(device, waits);
	fusd_device_leave(device);
	if (error == -EINTR || error == -ECANCELED)
		return 0;
	return fusd_result(error);
}

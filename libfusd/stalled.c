// SPDX-License-Identifier: BSD-3-Clause
/*
 * Messages that nobody receives.
 *
 * Who opens a device of its own process and keeps an interpreter's lock
 * meanwhile, waits for a thread that needs the lock before it receives the
 * open: so nobody learns that there is an own client (own_request.c). A message
 * that has waited for some seconds, while none was received, makes its device
 * one that may have such a client.
 *
 * The thread here sleeps while no message comes, and else wakes as often as a
 * message may wait.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "own_request.h"
#include "stalled.h"

#define STALLED_SECONDS 2
#define MAX_EVENTS 16

static struct {
	pthread_mutex_t lock;
	int epoll; /* lock; -1 without a thread */
} watch = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.epoll = -1,
};

/* A descriptor for which a message came, and its device's requests by then. */
struct glance {
	int fd;
	long received;
};

static bool has_message(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	return poll(&polled, 1, 0) == 1 && polled.revents & POLLIN;
}

static long count_received(struct fusd_device *device)
{
	long received;

	pthread_mutex_lock(&device->lock);
	received = device->next_transid;
	pthread_mutex_unlock(&device->lock);
	return received;
}

/* The device is not kept meanwhile: it may be unregistered. */
static void look_first(struct glance *glance)
{
	struct fusd_device *device = fusd_registry_enter(glance->fd);

	glance->received = -1;
	if (!device)
		return;
	glance->received = count_received(device);
	fusd_device_leave(device);
}

static void look_again(const struct glance *glance, int epoll)
{
	struct fusd_device *device = fusd_registry_enter(glance->fd);
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT,
				     .data.fd = glance->fd };

	if (!device)
		return;
	if (has_message(glance->fd) &&
	    count_received(device) == glance->received)
		fusd_own_request_seen(device);
	else
		epoll_ctl(epoll, EPOLL_CTL_MOD, glance->fd, &event);
	fusd_device_leave(device);
}

static void *watch_messages(void *unused)
{
	const struct timespec interval = { .tv_sec = STALLED_SECONDS };
	struct epoll_event events[MAX_EVENTS];
	struct glance glances[MAX_EVENTS];
	int epoll, count;

	pthread_mutex_lock(&watch.lock);
	epoll = watch.epoll;
	pthread_mutex_unlock(&watch.lock);
	for (;;) {
		count = epoll_wait(epoll, events, MAX_EVENTS, -1);
		for (int i = 0; i < count; i++) {
			glances[i].fd = events[i].data.fd;
			look_first(&glances[i]);
		}
		nanosleep(&interval, NULL);
		for (int i = 0; i < count; i++)
			look_again(&glances[i], epoll);
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

/* Under the lock. */
static void begin_thread(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch_forks);
	watch.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (watch.epoll >= 0 && fusd_thread_begin(watch_messages)) {
		close(watch.epoll);
		watch.epoll = -1;
	}
}

void fusd_stalled_watch(struct fusd_device *device)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT,
				     .data.fd = device->fd };

	if (!fusd_has_lock_probe())
		return;
	pthread_mutex_lock(&watch.lock);
	if (watch.epoll < 0)
		begin_thread();
	/* Without it, a client that keeps the lock waits until it is killed. */
	if (watch.epoll >= 0)
		epoll_ctl(watch.epoll, EPOLL_CTL_ADD, device->fd, &event);
	pthread_mutex_unlock(&watch.lock);
}

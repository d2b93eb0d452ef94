// SPDX-License-Identifier: BSD-3-Clause
/*
 * Waiting for one device's messages. Most transports wait and receive in one
 * call; for the others it is done here, by poll(2).
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

int fusd_await_prepare(struct fusd_device *device)
{
	/* There, who looks keeps the other from working. */
	if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
		device->spin_us = 0;
	device->spin_ns = device->spin_us * 1000;
	if (!device->awaits_by_poll)
		return 0;
	device->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return device->end_fd < 0 ? -errno : 0;
}

void fusd_end_waits(struct fusd_device *device)
{
	device->waits_ended++;
	if (device->awaits_by_poll)
		eventfd_write(device->end_fd, 1);
	else
		device->transport->end_waits(device);
}

/*
 * Waits are ended. Threads that have not seen it yet need the eventfd as it is:
 * they are on their way out, and the last one empties it.
 */
static void drain_end(struct fusd_device *device)
{
	eventfd_t ignored;

	if (device->awaiters > 1)
		sched_yield();
	else
		eventfd_read(device->end_fd, &ignored);
}

static int poll_once(struct fusd_device *device)
{
	struct pollfd polled[] = {
		{ .fd = device->fd, .events = POLLIN },
		{ .fd = device->end_fd, .events = POLLIN },
	};

	if (poll(polled, 2, -1) < 0)
		return -errno;
	if (polled[1].revents)
		drain_end(device);
	return 0;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Whether there is something to receive, or an error. */
static bool has_message(const struct fusd_device *device)
{
	struct pollfd polled = { .fd = device->fd, .events = POLLIN };

	return device->queue.may_be_filled || poll(&polled, 1, 0) != 0;
}

/*
 * Looks for a message for some time. What is well spent doubles it for the next
 * time, up to what the driver wants; what is not halves it, down to a little. A
 * look by receive was rejected: where await waits in the read, that would turn
 * the descriptor's blocking off and on.
 */
static void look_for_message(struct fusd_device *device, unsigned int waits)
{
	const unsigned int most = device->spin_us * 1000;
	unsigned int budget = device->spin_ns;
	int64_t end = now_ns() + budget;
	bool has;

	do
		has = has_message(device);
	while (!has && device->waits_ended == waits && now_ns() < end);
	budget = has ? budget * 2 : budget / 2;
	if (budget < most / 16)
		budget = most / 16;
	device->spin_ns = budget < most ? budget : most;
}

static int await_by_poll(struct fusd_device *device, unsigned int waits,
			 struct fusd_request **request)
{
	int result;

	for (;;) {
		result = device->transport->receive(device, request);
		if (result != -EAGAIN)
			return result;
		/* Also for what this thread has just emptied. */
		if (device->waits_ended != waits)
			return -ECANCELED;
		result = poll_once(device);
		if (result < 0)
			return result;
	}
}

static int await_message(struct fusd_device *device, unsigned int waits,
			 struct fusd_request **request)
{
	int result;

	if (device->spin_us > 0)
		look_for_message(device, waits);
	if (!device->awaits_by_poll)
		return device->transport->await(device, waits, request);
	device->awaiters++;
	result = await_by_poll(device, waits, request);
	device->awaiters--;
	return result;
}

struct fusd_request *fusd_take_arrived(struct fusd_device *device)
{
	return atomic_exchange(&device->arrived, NULL);
}

/*
 * Takes the interpreter's lock again, with a request in hand that others may
 * have to answer meanwhile: whoever keeps the lock may be its client. False: it
 * is not this thread's any more.
 */
static bool end_wait_with(struct fusd_request *request, void *state)
{
	struct fusd_device *device = request->device;
	struct fusd_request *none = NULL, *mine = request;

	/* Another thread has one there: this one waits in the queue. */
	if (!atomic_compare_exchange_strong(&device->arrived, &none, request)) {
		fusd_queue_put(request);
		fusd_wait_end(state);
		return false;
	}
	fusd_wait_end(state);
	return atomic_compare_exchange_strong(&device->arrived, &mine, NULL);
}

int fusd_await(struct fusd_device *device, unsigned int waits,
	       struct fusd_request **request)
{
	void *state;
	int result;

	/* What is there already costs no exchange of locks. */
	if (device->queue.may_be_filled) {
		result = device->transport->receive(device, request);
		if (result != -EAGAIN)
			return result;
	}
	state = fusd_wait_begin();
	result = await_message(device, waits, request);
	if (!state)
		return result;
	if (result != 0)
		fusd_wait_end(state);
	else if (!end_wait_with(*request, state))
		return 1;
	return result;
}

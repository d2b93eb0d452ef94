// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the kernel, or another thread, has for a thread that dispatches.
 *
 * On fuse a thread waits in read(2). It is woken by a message that the kernel
 * puts into the connection on request, and that any thread may read: so whoever
 * reads it sees to it that others get another one who need it.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>

#include "interrupt.h"
#include "operation.h"
#include "receive.h"
#include "session.h"

/* So long a thread that read what was for another one lets that go first. */
#define GIVE_WAY_MS 1

static int handle_message(struct fusd_device *device,
			  const struct fuse_in_header *message,
			  struct fusd_request **request)
{
	switch (message->opcode) {
	case FUSE_READ:
		fusd_operation_read((const void *)(message + 1));
		return FUSD_MESSAGE_DONE;
	case FUSE_WRITE:
		fusd_operation_write((const void *)(message + 1));
		return FUSD_MESSAGE_DONE;
	case FUSE_INTERRUPT:
		*request = fusd_interrupt_receive(device, message);
		return FUSD_MESSAGE_DONE;
	case FUSE_NOTIFY_REPLY:
		return FUSD_SESSION_WOKEN;
	default:
		return FUSD_MESSAGE_OF_LIBFUSE;
	}
}

static int read_message(struct fusd_device *device,
			struct fusd_request **request)
{
	return fusd_session_read_message(device, handle_message, request);
}

/* A wake-up was read: wakes those who are to end. False: there are none. */
static bool wake_ended(struct fusd_device *device)
{
	if (!fusd_awaiting_has_ended(&fusd_session_of(device)->awaiting))
		return false;
	fusd_session_wake(device);
	return true;
}

/* The same for a thread that will read again, and would be the first. */
static void pass_on(struct fusd_device *device)
{
	if (wake_ended(device))
		poll(NULL, 0, GIVE_WAY_MS);
}

static int read_without_waiting(struct fusd_device *device,
				struct fusd_request **request)
{
	struct fusd_awaiting *awaiting = &fusd_session_of(device)->awaiting;
	int result;

	fusd_awaiting_forbid(awaiting, device->fd);
	result = read_message(device, request);
	fusd_awaiting_permit(awaiting);
	return result == -EINTR ? 1 : result;
}

int fusd_receive_message(struct fusd_device *device,
			 struct fusd_request **request)
{
	int result = read_without_waiting(device, request);

	if (result != FUSD_SESSION_WOKEN)
		return result;
	/* The caller has a lock that those who are to end may want. */
	return wake_ended(device) ? -EAGAIN : 1;
}

/* After a wake-up: what was queued, of which there may be more for others. */
static int receive_queued(struct fusd_device *device,
			  struct fusd_request **request)
{
	int result = fusd_queue_receive(device, request);

	if (result != -EAGAIN && device->queue.may_be_filled)
		fusd_session_wake(device);
	return result == -EAGAIN ? 1 : result;
}

int fusd_receive(struct fusd_device *device, struct fusd_request **request)
{
	int result = fusd_queue_receive(device, request);

	if (result == -EAGAIN)
		result = read_without_waiting(device, request);
	if (result != FUSD_SESSION_WOKEN)
		return result;
	pass_on(device);
	return receive_queued(device, request);
}

/* Others receive: waits in another way, as long as there is nothing. */
static int wait_beside_others(struct fusd_device *device)
{
	struct pollfd polled = { .fd = device->fd, .events = POLLIN };

	return poll(&polled, 1, -1) < 0 ? -errno : 1;
}

/* 1 also if there was nothing but a reason to look again. */
static int wait_and_read(struct fusd_device *device,
			 struct fusd_request **request)
{
	int result = read_message(device, request);

	if (result != -EAGAIN)
		return result;
	return fusd_awaiting_allow(&fusd_session_of(device)->awaiting,
				   device->fd) ?
		       1 :
		       wait_beside_others(device);
}

static int await_inside(struct fusd_device *device, unsigned int waits,
			struct fusd_request **request)
{
	int result = fusd_queue_receive(device, request);

	if (result != -EAGAIN)
		return result;
	if (device->waits_ended != waits)
		return -ECANCELED;
	result = wait_and_read(device, request);
	if (result != FUSD_SESSION_WOKEN)
		return result;
	if (device->waits_ended == waits)
		pass_on(device);
	return receive_queued(device, request);
}

int fusd_receive_awaited(struct fusd_device *device, unsigned int waits,
			 struct fusd_request **request)
{
	struct fusd_awaiting *awaiting = &fusd_session_of(device)->awaiting;
	unsigned int entered = fusd_awaiting_enter(awaiting);
	int result = await_inside(device, waits, request);

	fusd_awaiting_leave(awaiting, entered);
	/* What this one has read may have been for all of them. */
	if (device->waits_ended != waits && fusd_awaiting_has_ended(awaiting))
		fusd_session_wake(device);
	return result;
}

void fusd_receive_end_waits(struct fusd_device *device)
{
	struct fusd_awaiting *awaiting = &fusd_session_of(device)->awaiting;

	fusd_awaiting_end(awaiting);
	if (fusd_awaiting_has_ended(awaiting))
		fusd_session_wake(device);
}

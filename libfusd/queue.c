// SPDX-License-Identifier: BSD-3-Clause
/*
 * Requests that were received by a thread that does not dispatch, and wait for
 * one that does, in order.
 */
#include <errno.h>

#include "internal.h"

/* Under the queue's lock. True if its client has been interrupted by now. */
static bool queue_append(struct fusd_queue *queue, struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	const struct fusd_transport *transport = device->transport;
	bool interrupted = false;

	request->is_queued = true;
	request->queue_next = NULL;
	*queue->last = request;
	queue->last = &request->queue_next;
	queue->count++;
	queue->may_be_filled = true;
	pthread_mutex_lock(&device->lock);
	if (request->state == FUSD_REQUEST_PENDING && transport->queued)
		interrupted = transport->queued(request);
	pthread_mutex_unlock(&device->lock);
	return interrupted;
}

/* Under the queue's lock. */
static void queue_take_off(struct fusd_queue *queue, struct fusd_request **link)
{
	struct fusd_request *request = *link;
	struct fusd_device *device = request->device;

	*link = request->queue_next;
	if (!*link)
		queue->last = link;
	if (--queue->count == 0)
		queue->may_be_filled = false;
	pthread_mutex_lock(&device->lock);
	fusd_request_waited(request);
	request->is_queued = false;
	pthread_mutex_unlock(&device->lock);
}

static struct fusd_request *queue_take_first(struct fusd_queue *queue)
{
	struct fusd_request *request;

	pthread_mutex_lock(&queue->lock);
	request = queue->first;
	if (request)
		queue_take_off(queue, &queue->first);
	else
		queue->may_be_filled = false;
	pthread_mutex_unlock(&queue->lock);
	return request;
}

int fusd_queue_receive(struct fusd_device *device,
		       struct fusd_request **request)
{
	bool answered;

	if (!device->queue.may_be_filled)
		return -EAGAIN;
	*request = queue_take_first(&device->queue);
	if (!*request)
		return -EAGAIN;
	pthread_mutex_lock(&device->lock);
	answered = (*request)->state == FUSD_REQUEST_ANSWERED;
	pthread_mutex_unlock(&device->lock);
	if (!answered)
		return 0;
	/* By unregister, or a newer one took its place. */
	*request = fusd_request_drop(*request, EPIPE);
	return *request ? 0 : 1;
}

bool fusd_queue_await(struct fusd_device *device)
{
	pthread_mutex_lock(&device->queue.fill_lock);
	pthread_mutex_unlock(&device->queue.fill_lock);
	return device->queue.may_be_filled;
}

bool fusd_queue_remove(struct fusd_request *request)
{
	struct fusd_queue *queue = &request->device->queue;
	struct fusd_request **link = &queue->first;
	bool found;

	pthread_mutex_lock(&queue->lock);
	while (*link && *link != request)
		link = &(*link)->queue_next;
	found = *link;
	if (found)
		queue_take_off(queue, link);
	pthread_mutex_unlock(&queue->lock);
	return found;
}

void fusd_queue_put(struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	struct fusd_queue *queue = &device->queue;
	struct fusd_request *close;
	bool gone, interrupted = false;

	pthread_mutex_lock(&queue->lock);
	/* If it is not, unregister, which sets it first, finds the request. */
	gone = device->gone;
	if (!gone)
		interrupted = queue_append(queue, request);
	pthread_mutex_unlock(&queue->lock);
	if (gone) {
		fusd_request_refuse(request);
	} else if (interrupted && fusd_queue_remove(request)) {
		close = fusd_request_drop(request, EINTR);
		if (close)
			fusd_queue_put(close);
	}
}

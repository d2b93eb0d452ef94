// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * FUSD_RING_ENTER: takes the replies that a driver has posted, and gives it the
 * next requests.
 *
 * A driver that got several requests at once may post the reply to the first
 * one and call again only after the last. If that takes longer than a moment,
 * what is posted is taken by a worker, and the driver is told, by the count of
 * rescues, that what it posts from now on needs a call of its own. The driver
 * posts, and then reads the count; the worker counts, and then looks for what
 * is posted: so one of them sees the other.
 */
#include <linux/jiffies.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "operations.h"
#include "wake.h"

/* A copy of a posted reply, which the driver may change meanwhile. */
static struct fusd_ring_reply
kfusd_copy_posted(const struct fusd_ring_shared *shared, u32 number)
{
	struct fusd_ring_reply reply =
		shared->replies[number % FUSD_RING_REPLIES];

	/* What is checked is what is used: the area is not read again. */
	barrier_data(&reply);
	return reply;
}

static int kfusd_take_posted_reply(struct kfusd_device *device,
				   const struct fusd_ring_reply *reply)
{
	fusd_msg_t message;
	fops_msg_t *fops = &message.parm.fops_msg;
	ssize_t result;

	/* An address comes with these. */
	if (reply->subcmd == FUSD_MMAP ||
	    reply->datalen > kfusd_max_transfer(device))
		return -EINVAL;
	message.subcmd = reply->subcmd;
	message.cmd = reply->subcmd == FUSD_POLL_DIFF ||
				      reply->subcmd == FUSD_UNBLOCK ?
			      FUSD_FOPS_NONBLOCK_REPLY :
			      FUSD_FOPS_REPLY;
	message.datalen = reply->datalen;
	fops->flags = reply->flags;
	fops->private_info = (void *)(unsigned long)reply->private_info;
	fops->retval = reply->retval;
	fops->offset = reply->offset;
	fops->fusd_file = (void *)(unsigned long)reply->fusd_file;
	fops->transid = reply->transid;
	fops->hint = reply->hint;
	result = kfusd_take_reply(device, &message, NULL);
	return result < 0 ? result : 0;
}

/* Under posted_lock. -EINVAL: more than there can be; they are forgotten. */
static int kfusd_take_posted_locked(struct kfusd_device *device, u32 posted)
{
	struct kfusd_ring *ring = device->ring;
	struct fusd_ring_shared *shared = ring->shared;
	struct fusd_ring_reply reply;
	u32 taken = ring->taken;
	int error;

	if (posted - taken > FUSD_RING_REPLIES) {
		WRITE_ONCE(ring->taken, posted);
		WRITE_ONCE(shared->taken, posted);
		return -EINVAL;
	}
	for (; taken != posted; taken++) {
		reply = kfusd_copy_posted(shared, taken);
		error = kfusd_take_posted_reply(device, &reply);
		WRITE_ONCE(shared->replies[taken % FUSD_RING_REPLIES].result,
			   error);
		/* Its place is the driver's again, and the result is there. */
		smp_store_release(&shared->taken, taken + 1);
	}
	WRITE_ONCE(ring->taken, taken);
	return 0;
}

static int kfusd_take_posted(struct kfusd_device *device)
{
	struct kfusd_ring *ring = device->ring;
	u32 posted;
	int error;

	/* Pairs with the driver's store: what it posted is there. */
	posted = smp_load_acquire(&ring->shared->posted);
	if (posted == READ_ONCE(ring->taken))
		return 0;
	mutex_lock(&ring->posted_lock);
	/* The same again: another thread may have taken that. */
	posted = smp_load_acquire(&ring->shared->posted);
	error = kfusd_take_posted_locked(device, posted);
	mutex_unlock(&ring->posted_lock);
	return error;
}

/* Some time after several requests were given at once. */
static void kfusd_rescue_posted(struct work_struct *work)
{
	struct kfusd_device *device = container_of(to_delayed_work(work),
						   struct kfusd_device, rescue);
	struct kfusd_ring *ring = device->ring;

	if (!READ_ONCE(ring->gatherer))
		return;
	WRITE_ONCE(ring->gatherer, NULL);
	WRITE_ONCE(ring->most_at_once, 1);
	WRITE_ONCE(ring->shared->rescues, ++ring->rescues);
	/* See above: between the count and the look. */
	smp_mb();
	kfusd_take_posted(device);
}

void kfusd_enter_prepare(struct kfusd_device *device)
{
	INIT_DELAYED_WORK(&device->rescue, kfusd_rescue_posted);
}

/* Several requests were given: their replies may come late. */
static void kfusd_begin_gathering(struct kfusd_device *device)
{
	WRITE_ONCE(device->ring->gatherer, current);
	spin_lock(&device->lock);
	if (device->state == KFUSD_LIVE)
		queue_delayed_work(system_wq, &device->rescue, 1);
	spin_unlock(&device->lock);
}

static void kfusd_fill_request(struct fusd_ring_request *given,
			       const struct kfusd_message *message)
{
	const struct kfusd_request *request = message->request;
	const bool is_unblock = message->subcmd == FUSD_UNBLOCK;

	given->fusd_file = request->file->id;
	given->transid = request->transid;
	given->hint = request->hint;
	given->subcmd = message->subcmd;
	given->reserved = 0;
	given->pid = request->ids.pid;
	given->uid = request->ids.uid;
	given->gid = request->ids.gid;
	given->flags = request->flags;
	given->private_info = (unsigned long)request->sent_private_info;
	given->length = request->length;
	given->offset = request->offset;
	given->argument = request->argument;
	given->mmprot = request->mmprot;
	given->mmflags = request->mmflags;
	given->mmoffset = request->mmoffset;
	given->cmd = request->ioctl_number; /* or another of the union */
	given->datalen = is_unblock ? 0 : request->datalen;
	given->slot = is_unblock || request->slot < 0 ? FUSD_RING_NO_SLOT :
							request->slot;
	given->reserved2 = 0;
}

/* Gives one message. 0, -EAGAIN, -ENODEV, -EFAULT. */
static int kfusd_give_message(struct kfusd_device *device,
			      struct fusd_ring_request __user *user)
{
	struct kfusd_message *message = kfusd_take_message(device, true);
	struct fusd_ring_request given;

	if (!message)
		return READ_ONCE(device->state) == KFUSD_GONE ? -ENODEV :
								-EAGAIN;
	kfusd_fill_request(&given, message);
	if (copy_to_user(user, &given, sizeof(given))) {
		kfusd_put_back_message(device, message);
		return -EFAULT;
	}
	kfusd_message_arrived(device, message);
	kfusd_request_put(message->request);
	return 0;
}

/* How many requests may be given at once. */
static unsigned int kfusd_most_at_once(struct kfusd_device *device,
				       const struct fusd_ring_enter *enter)
{
	unsigned int most = READ_ONCE(device->ring->most_at_once);

	/* The others' are not to wait for this thread's callbacks. */
	if (READ_ONCE(device->receiver))
		return 1;
	/* No barrier: who comes just now finds what is left all the same. */
	if (waitqueue_active(&device->receive_wait))
		return 1;
	/* One thread at a time, so that the worker knows. */
	if (READ_ONCE(device->ring->gatherer))
		return 1;
	if (most < FUSD_RING_REPLIES)
		WRITE_ONCE(device->ring->most_at_once, most + 1);
	return min(most, enter->count);
}

/* How many requests there were, or -EAGAIN, -ENODEV, -EFAULT. */
static int kfusd_give_messages(struct kfusd_device *device,
			       const struct fusd_ring_enter *enter)
{
	struct fusd_ring_request __user *user =
		u64_to_user_ptr(enter->requests);
	unsigned int count = kfusd_most_at_once(device, enter);
	unsigned int given = 0;
	int error = 0;

	while (given < count && !error) {
		error = kfusd_give_message(device, &user[given]);
		if (!error)
			given++;
		if (list_empty(&device->queue))
			break;
	}
	if (!given)
		return error;
	if (given > 1)
		kfusd_begin_gathering(device);
	return given;
}

static bool kfusd_has_message(const struct kfusd_device *device)
{
	return !list_empty(&device->queue) ||
	       READ_ONCE(device->state) == KFUSD_GONE;
}

static bool kfusd_has_to_enter(const struct kfusd_device *device, u32 wakes)
{
	return kfusd_has_message(device) ||
	       READ_ONCE(device->ring->wakes) != wakes;
}

/* Makes this thread the one that a message wakes first; false: another is. */
static bool kfusd_become_receiver(struct kfusd_device *device)
{
	bool is_free;

	spin_lock(&device->lock);
	is_free = !device->receiver;
	if (is_free)
		device->receiver = current;
	spin_unlock(&device->lock);
	return is_free;
}

static void kfusd_stop_receiving(struct kfusd_device *device, bool has_failed)
{
	spin_lock(&device->lock);
	if (device->receiver == current)
		device->receiver = NULL;
	/* The message that may have woken this thread is for another one. */
	else if (has_failed && kfusd_has_message(device))
		kfusd_wake_receiver(device);
	spin_unlock(&device->lock);
}

/* Why a thread is not to wait any more; 0: it is. */
static int kfusd_wait_error(long timeout)
{
	if (signal_pending(current))
		return -ERESTARTSYS;
	return timeout ? 0 : -ETIMEDOUT;
}

static int kfusd_wait_as_receiver(struct kfusd_device *device, u32 wakes,
				  long timeout)
{
	int error = 0;

	/* A client that was answered may have its next request by then. */
	cond_resched();
	for (;;) {
		/* Before the look: who wakes has changed what it looks at. */
		set_current_state(TASK_INTERRUPTIBLE);
		if (kfusd_has_to_enter(device, wakes))
			break;
		error = kfusd_wait_error(timeout);
		if (error)
			break;
		timeout = schedule_timeout(timeout);
	}
	__set_current_state(TASK_RUNNING);
	/* Most often the message took it away. */
	if (READ_ONCE(device->receiver) == current || error)
		kfusd_stop_receiving(device, error);
	return error;
}

/* Further threads than the first one. */
static int kfusd_wait_in_line(struct kfusd_device *device, u32 wakes,
			      long timeout)
{
	int error = 0;
	DEFINE_WAIT(wait);

	for (;;) {
		prepare_to_wait_exclusive(&device->receive_wait, &wait,
					  TASK_INTERRUPTIBLE);
		if (kfusd_has_to_enter(device, wakes))
			break;
		error = kfusd_wait_error(timeout);
		if (error)
			break;
		timeout = schedule_timeout(timeout);
	}
	finish_wait(&device->receive_wait, &wait);
	if (error)
		kfusd_stop_receiving(device, error);
	return error;
}

static void kfusd_look_for_message(struct kfusd_device *device, u32 wakes)
{
	struct kfusd_ring *ring = device->ring;
	bool found;
	u64 end;

	if (!ring->spin_us || num_online_cpus() == 1)
		return;
	end = kfusd_look_end(&ring->driver_spin_ns);
	do
		found = kfusd_has_to_enter(device, wakes);
	while (!found && kfusd_may_look(end));
	kfusd_looked(&ring->driver_spin_ns, ring->spin_us, found);
}

/* 0, -ERESTARTSYS, -EINTR, -ETIMEDOUT. */
static int kfusd_enter_wait(struct kfusd_device *device,
			    const struct fusd_ring_enter *enter)
{
	const long timeout = enter->timeout_ms ?
				     msecs_to_jiffies(enter->timeout_ms) :
				     MAX_SCHEDULE_TIMEOUT;
	int error;

	kfusd_look_for_message(device, enter->wakes);
	error = kfusd_become_receiver(device) ?
			kfusd_wait_as_receiver(device, enter->wakes, timeout) :
			kfusd_wait_in_line(device, enter->wakes, timeout);

	/* A call that is made anew would wait its time anew. */
	return error == -ERESTARTSYS && enter->timeout_ms ? -EINTR : error;
}

static int kfusd_enter(struct kfusd_device *device,
		       const struct fusd_ring_enter *enter)
{
	int error, result;

	/* All that it was given is answered, or held. */
	if (enter->count && READ_ONCE(device->ring->gatherer) == current)
		WRITE_ONCE(device->ring->gatherer, NULL);
	kfusd_slots_take_back(device->ring);
	error = kfusd_take_posted(device);
	if (error || !enter->count)
		return error;
	for (;;) {
		result = kfusd_give_messages(device, enter);
		if (result != -EAGAIN || !(enter->flags & FUSD_RING_WAIT))
			return result;
		/* A message has come first, if there was one. */
		if (READ_ONCE(device->ring->wakes) != enter->wakes)
			return -ECANCELED;
		error = kfusd_enter_wait(device, enter);
		if (error)
			return error;
	}
}

static int kfusd_end_waits(struct kfusd_device *device)
{
	struct kfusd_ring *ring = device->ring;

	spin_lock(&device->lock);
	WRITE_ONCE(ring->wakes, ring->wakes + 1);
	WRITE_ONCE(ring->shared->wakes, ring->wakes);
	kfusd_wake_receiver(device);
	spin_unlock(&device->lock);
	wake_up_interruptible_all(&device->receive_wait);
	return 0;
}

static int kfusd_fetch(struct kfusd_device *device,
		       const struct fusd_ring_fetch *fetch)
{
	struct kfusd_request *request;
	int error = 0;

	spin_lock(&device->lock);
	request = kfusd_request_find(device, fetch->hint, fetch->transid,
				     fetch->fusd_file);
	if (request)
		kref_get(&request->ref);
	spin_unlock(&device->lock);
	if (!request)
		return -EPIPE;
	if (fetch->datalen != request->datalen)
		error = -EINVAL;
	else if (copy_to_user(u64_to_user_ptr(fetch->address), request->data,
			      request->datalen))
		error = -EFAULT;
	kfusd_request_put(request);
	return error;
}

long kfusd_ring_ioctl(struct kfusd_device *device, unsigned int number,
		      void __user *argument)
{
	struct fusd_ring_enter enter;
	struct fusd_ring_fetch fetch;

	/* Pairs with kfusd_set_state(): a live device's ring is there. */
	if (smp_load_acquire(&device->state) == KFUSD_NEW)
		return -ENODEV;
	if (!device->ring)
		return -EINVAL;
	switch (number) {
	case FUSD_RING_ENTER:
		if (copy_from_user(&enter, argument, sizeof(enter)))
			return -EFAULT;
		if (enter.flags & ~FUSD_RING_WAIT)
			return -EINVAL;
		return kfusd_enter(device, &enter);
	case FUSD_RING_WAKE:
		return kfusd_end_waits(device);
	default:
		if (copy_from_user(&fetch, argument, sizeof(fetch)))
			return -EFAULT;
		return kfusd_fetch(device, &fetch);
	}
}

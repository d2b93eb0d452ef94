// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * A request's life: made, queued, completed or abandoned.
 *
 * The table device->few, or, if there are more, device->requests, maps the
 * cookie "hint" to a request. Hints are small and used again; the cookie
 * "transid" never is. The table has a
 * reference to each of its requests. kfusd_finish_request() takes a request out
 * of the table, and leaves that reference to its caller:
 * kfusd_request_complete() hands it on to its own caller, who puts it without
 * device->lock; kfusd_request_abandon() puts it at once, as its caller has
 * another one.
 */
#include <linux/file.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "kfusd.h"
#include "trace.h"
#include "wake.h"

static struct kmem_cache *kfusd_cache;

int kfusd_requests_init(void)
{
	const char *name = "kfusd_request";
	const slab_flags_t flags = SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT;
	const size_t size = sizeof(struct kfusd_request);
	const size_t data = offsetof(struct kfusd_request, inline_data);

	/* User space may only read and write the data, at the end. */
	kfusd_cache = kmem_cache_create_usercopy(name, size, 0, flags, data,
						 KFUSD_INLINE_SIZE, NULL);
	return kfusd_cache ? 0 : -ENOMEM;
}

void kfusd_requests_exit(void)
{
	kmem_cache_destroy(kfusd_cache);
}

void kfusd_drop_descriptors(struct kfusd_request *request)
{
	struct kfusd_descriptor *descriptor;

	while ((descriptor = request->descriptors)) {
		request->descriptors = descriptor->next;
		if (descriptor->file)
			fput(descriptor->file);
		if (descriptor->child) {
			/* O_CLOEXEC would have been the descriptor's. */
			if (request->retval >= 0)
				kfusd_send_close(descriptor->child,
						 descriptor->flags & ~O_CLOEXEC,
						 &request->ids, false);
			kfusd_file_put(descriptor->child);
		}
		kfree(descriptor);
	}
}

static void kfusd_free_request(struct kref *ref)
{
	struct kfusd_request *request =
		container_of(ref, struct kfusd_request, ref);
	struct kfusd_file *file = request->file;

	kfusd_drop_descriptors(request);
	if (request->slot >= 0)
		kfusd_slot_give(file->device->ring, request->slot,
				request->is_slot_received);
	kfusd_buffer_give(file->device, &request->buffer);
	kfusd_uncharge_request(request);
	if (request->map_file)
		fput(request->map_file);
	put_pid(request->parked_by);
	kmem_cache_free(kfusd_cache, request);
	kfusd_file_put(file);
}

void kfusd_request_put(struct kfusd_request *request)
{
	kref_put(&request->ref, kfusd_free_request);
}

/* Its client, whose thread this is, waits no more. */
static void kfusd_request_leave(struct kfusd_request *request)
{
	spin_lock(&request->file->device->lock);
	request->waiter = NULL;
	spin_unlock(&request->file->device->lock);
}

static void kfusd_never_last(struct kref *ref)
{
	WARN_ON_ONCE(1);
}

/* Under device->lock, where the caller has another reference. */
void kfusd_request_put_locked(struct kfusd_request *request)
{
	kref_put(&request->ref, kfusd_never_last);
}

static void kfusd_init_message(struct kfusd_message *message,
			       struct kfusd_request *request, short subcmd)
{
	INIT_LIST_HEAD(&message->entry);
	message->request = request;
	message->subcmd = subcmd;
}

static struct kfusd_request *kfusd_make_request(struct kfusd_file *file,
						short subcmd,
						unsigned int flags, gfp_t gfp)
{
	struct kfusd_request *request = kmem_cache_alloc(kfusd_cache, gfp);

	if (!request)
		return NULL;
	memset(request, 0, offsetof(struct kfusd_request, inline_data));
	kref_init(&request->ref);
	kfusd_init_message(&request->call, request, subcmd);
	kfusd_init_message(&request->unblock, request, FUSD_UNBLOCK);
	kfusd_file_get(file);
	request->file = file;
	request->slot = -1;
	request->cmd = FUSD_FOPS_CALL;
	request->flags = flags;
	return request;
}

struct kfusd_request *kfusd_request_new(struct kfusd_file *file, short subcmd,
					size_t length, unsigned int flags)
{
	struct kfusd_request *request =
		kfusd_make_request(file, subcmd, flags, GFP_KERNEL);

	if (!request)
		return ERR_PTR(-ENOMEM);
	request->length = length;
	request->ids = kfusd_ids_of_current(file->device);
	if (!kfusd_charge_request(request, sizeof(*request))) {
		kfusd_request_put(request);
		return ERR_PTR(-ENOBUFS);
	}
	return request;
}

struct kfusd_request *kfusd_request_new_poll(struct kfusd_file *file,
					     unsigned int flags)
{
	struct kfusd_request *request =
		kfusd_make_request(file, FUSD_POLL_DIFF, flags, GFP_KERNEL);

	if (!request)
		return NULL;
	request->cmd = FUSD_FOPS_NONBLOCK;
	return request;
}

static int kfusd_take_buffer(struct kfusd_request *request, size_t length)
{
	int error = kfusd_buffer_take(request->file->device, &request->buffer,
				      length);

	request->data = request->buffer.data;
	return error;
}

int kfusd_request_make_data(struct kfusd_request *request, size_t length)
{
	if (length <= sizeof(request->inline_data)) {
		request->data = request->inline_data;
		return 0;
	}
	if (!kfusd_charge_request(request, kfusd_buffer_size(length)))
		return -ENOBUFS;
	return kfusd_take_buffer(request, length);
}

void *kfusd_request_take_slot(struct kfusd_request *request, size_t length)
{
	struct kfusd_ring *ring = request->file->device->ring;

	if (ring && length)
		request->slot = kfusd_slot_take(ring, length);
	return request->slot < 0 ? NULL : ring->slots[request->slot];
}

int kfusd_request_make_reply(struct kfusd_request *request, size_t length)
{
	if (request->slot >= 0) {
		request->data =
			request->file->device->ring->slots[request->slot];
		return 0;
	}
	/* The buffer of an earlier reply, whose data did not arrive. */
	kfusd_buffer_give(request->file->device, &request->buffer);
	if (length <= sizeof(request->inline_data)) {
		request->data = request->inline_data;
		return 0;
	}
	/* The client takes the data; interrupt.c limits what nobody takes. */
	if (request->charged == sizeof(*request))
		kfusd_charge_request(request,
				     kfusd_buffer_size(request->length));
	return kfusd_take_buffer(request, length);
}

/* Queues a message for the driver; under device->lock. */
static void kfusd_queue_message(struct kfusd_device *device,
				struct kfusd_message *message)
{
	list_add_tail(&message->entry, &device->queue);
	trace_kfusd_request_queued(message);
	/* The sender is about to sleep: the driver may have its CPU. */
	if (device->receiver)
		kfusd_wake(device->receiver, true);
	device->receiver = NULL;
	if (wq_has_sleeper(&device->receive_wait))
		wake_up_interruptible_sync_poll(&device->receive_wait, EPOLLIN);
}

/* Under device->lock: finds the request a place among few; false: none left. */
static bool kfusd_list_among_few(struct kfusd_request *request)
{
	struct kfusd_device *device = request->file->device;

	if (!~device->few_used)
		return false;
	request->hint = __ffs64(~device->few_used);
	device->few_used |= BIT_ULL(request->hint);
	device->few[request->hint] = request;
	return true;
}

/* Under device->lock, or the request was never sent. */
static void kfusd_unlist_request(struct kfusd_request *request)
{
	struct kfusd_device *device = request->file->device;

	if (request->hint >= KFUSD_FEW_REQUESTS) {
		xa_erase(&device->requests, request->hint);
		return;
	}
	device->few_used &= ~BIT_ULL(request->hint);
	device->few[request->hint] = NULL;
}

/* Under device->lock: a request that is listed, unless there is an error. */
static int kfusd_send_listed(struct kfusd_request *request)
{
	struct kfusd_device *device = request->file->device;

	if (device->state != KFUSD_LIVE || request->abandoned) {
		kfusd_unlist_request(request);
		return -EPIPE;
	}
	kref_get(&request->ref);
	request->state = KFUSD_REQUEST_QUEUED;
	request->transid = ++device->last_transid;
	request->sent_private_info = request->file->private_info;
	request->queued_at = kfusd_trace_clock();
	kfusd_queue_message(device, &request->call);
	return 0;
}

static int kfusd_request_send_gfp(struct kfusd_request *request, gfp_t gfp)
{
	struct kfusd_device *device = request->file->device;
	int error;

	spin_lock(&device->lock);
	if (likely(kfusd_list_among_few(request))) {
		error = kfusd_send_listed(request);
		spin_unlock(&device->lock);
		return error;
	}
	spin_unlock(&device->lock);
	error = xa_alloc(&device->requests, &request->hint, request,
			 XA_LIMIT(KFUSD_FEW_REQUESTS, INT_MAX), gfp);
	if (error)
		return error;
	spin_lock(&device->lock);
	error = kfusd_send_listed(request);
	spin_unlock(&device->lock);
	return error;
}

int kfusd_request_send(struct kfusd_request *request)
{
	request->waiter = current;
	return kfusd_request_send_gfp(request, GFP_KERNEL);
}

/* Its driver, on another CPU, may answer before a wait would begin. */
static void kfusd_look_for_answer(struct kfusd_request *request)
{
	struct kfusd_ring *ring = request->file->device->ring;
	bool found;
	u64 end;

	if (likely(!ring || !ring->spin_us) || request->length > PAGE_SIZE ||
	    num_online_cpus() == 1)
		return;
	end = kfusd_look_end(&ring->client_spin_ns);
	do
		found = kfusd_is_done(request);
	while (!found && kfusd_may_look(end));
	kfusd_looked(&ring->client_spin_ns, ring->spin_us, found);
}

int kfusd_request_wait(struct kfusd_request *request, unsigned int state,
		       long timeout)
{
	int error = 0;

	/* If the driver is to run at once, let it: there may be no wait. */
	cond_resched();
	kfusd_look_for_answer(request);
	for (;;) {
		/* Before the look: who wakes has changed what it looks at. */
		set_current_state(state);
		if (kfusd_is_done(request))
			break;
		if (signal_pending_state(state, current))
			error = -ERESTARTSYS;
		else if (!timeout)
			error = -ETIMEDOUT;
		if (error)
			break;
		timeout = schedule_timeout(timeout);
	}
	__set_current_state(TASK_RUNNING);
	return error;
}

void kfusd_wait_killable(struct kfusd_request *request)
{
	kfusd_freezer_do_not_count();
	kfusd_request_wait(request, KFUSD_TASK_KILLABLE, MAX_SCHEDULE_TIMEOUT);
	kfusd_freezer_count();
}

struct kfusd_request *kfusd_request_find(struct kfusd_device *device,
					 unsigned int hint,
					 unsigned long transid,
					 unsigned long file_id)
{
	struct kfusd_request *request;

	lockdep_assert_held(&device->lock);
	/* By a driver's word: no index that is guessed ahead of the check. */
	request = hint < KFUSD_FEW_REQUESTS ?
			  device->few[array_index_nospec(hint,
							 KFUSD_FEW_REQUESTS)] :
			  xa_load(&device->requests, hint);
	if (request && request->state == KFUSD_REQUEST_SENT &&
	    request->transid == transid && request->file->id == file_id)
		return request;
	return NULL;
}

/* Takes a message that the driver has not received out of the queue. */
static void kfusd_unqueue_message(struct kfusd_message *message)
{
	if (list_empty(&message->entry))
		return;
	list_del_init(&message->entry);
	/* A queued call has no reference of its own, but the table's. */
	if (message->subcmd == FUSD_UNBLOCK)
		kfusd_request_put_locked(message->request);
}

/* Takes a request out of the table, whose reference is the caller's then. */
static void kfusd_finish_request(struct kfusd_request *request)
{
	kfusd_unlist_request(request);
	kfusd_unqueue_message(&request->call);
	/* For readers without the lock: kfusd_is_done(). */
	smp_store_release(&request->state, KFUSD_REQUEST_DONE);
}

void kfusd_request_complete(struct kfusd_request *request, ssize_t retval)
{
	struct task_struct *waiter;

	lockdep_assert_held(&request->file->device->lock);
	kfusd_unqueue_message(&request->unblock);
	request->retval = retval;
	trace_kfusd_request_answered(request);
	/* Its client may see the state, and end, before it is woken. */
	rcu_read_lock();
	waiter = request->waiter;
	kfusd_finish_request(request);
	if (waiter)
		kfusd_wake(waiter, request->hands_over);
	rcu_read_unlock();
}

void kfusd_request_abandon(struct kfusd_request *request)
{
	lockdep_assert_held(&request->file->device->lock);
	request->abandoned = true;
	if (request->state == KFUSD_REQUEST_QUEUED ||
	    (request->state == KFUSD_REQUEST_SENT &&
	     !kfusd_makes_files(request))) {
		kfusd_finish_request(request);
		kfusd_request_put_locked(request);
	}
	/* An open that the driver has may succeed, and is closed: reply.c. */
}

void kfusd_wake_receiver(struct kfusd_device *device)
{
	lockdep_assert_held(&device->lock);
	if (device->receiver)
		kfusd_wake(device->receiver, false);
	device->receiver = NULL;
	wake_up_interruptible_poll(&device->receive_wait, EPOLLIN);
}

void kfusd_send_unblock(struct kfusd_request *request)
{
	struct kfusd_device *device = request->file->device;

	lockdep_assert_held(&device->lock);
	if (!(device->options & FUSD_OPTION_UNBLOCK) ||
	    device->state != KFUSD_LIVE)
		return;
	/* An unblock that the driver is just receiving tells it this, too. */
	if (!list_empty(&request->unblock.entry) || request->unblock.in_hand)
		return;
	kref_get(&request->ref);
	kfusd_queue_message(device, &request->unblock);
}

void kfusd_send_close(struct kfusd_file *file, unsigned int flags,
		      const struct kfusd_ids *ids, bool wait)
{
	/* Each open needs its close, whatever memory says. */
	const gfp_t gfp = GFP_KERNEL | __GFP_NOFAIL;
	struct kfusd_request *request =
		kfusd_make_request(file, FUSD_CLOSE, flags, gfp);

	request->ids = *ids;
	request->waiter = wait ? current : NULL;
	/* A killed client does not wait; its close is received all the same. */
	if (!kfusd_request_send_gfp(request, gfp) && wait)
		kfusd_wait_killable(request);
	kfusd_request_leave(request);
	kfusd_request_put(request);
}

/* Under device->lock: the first request of a hint from this one on. */
static struct kfusd_request *kfusd_next_request(struct kfusd_device *device,
						unsigned long *hint)
{
	for (; *hint < KFUSD_FEW_REQUESTS; (*hint)++)
		if (device->few[*hint])
			return device->few[*hint];
	return xa_find(&device->requests, hint, ULONG_MAX, XA_PRESENT);
}

/*
 * Completes what is queued or with the driver. A request that is not in the
 * queue yet fails when it is sent; one that a reply's data is being copied into
 * is completed by that reply (reply.c).
 */
static void kfusd_end_calls(struct kfusd_device *device)
{
	struct kfusd_request *request;
	unsigned long hint;
	bool is_over;

	for (hint = 0;; hint++) {
		spin_lock(&device->lock);
		request = kfusd_next_request(device, &hint);
		is_over = request && (request->state == KFUSD_REQUEST_QUEUED ||
				      request->state == KFUSD_REQUEST_SENT);
		if (is_over)
			kfusd_request_complete(request, -EPIPE);
		spin_unlock(&device->lock);
		if (!request)
			return;
		if (is_over)
			kfusd_request_put(request);
	}
}

static struct kfusd_message *kfusd_next_message(struct kfusd_device *device)
{
	struct kfusd_message *message;

	spin_lock(&device->lock);
	message = list_first_entry_or_null(&device->queue, struct kfusd_message,
					   entry);
	if (message)
		list_del_init(&message->entry);
	spin_unlock(&device->lock);
	return message;
}

/* Drops the queue, in which only unblocks are by now. */
static void kfusd_drop_messages(struct kfusd_device *device)
{
	struct kfusd_message *message;

	while ((message = kfusd_next_message(device)))
		kfusd_request_put(message->request);
}

void kfusd_end_requests(struct kfusd_device *device)
{
	kfusd_end_calls(device);
	kfusd_drop_messages(device);
}

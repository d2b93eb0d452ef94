// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * A request's life: made, queued, waited for, left, completed.
 *
 * The table device->requests maps the cookie "hint" to a request. Hints are
 * small and used again; the cookie "transid" never is. The table's reference
 * is the driver's: it goes to whoever ends the request, that is completes it
 * or makes it unreachable, and is put when device->lock is dropped.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "kfusd.h"

static struct kmem_cache *request_cache;

int kfusd_requests_init(void)
{
	/* Of the whole, user space sees only the data. */
	request_cache = kmem_cache_create_usercopy(
		"kfusd_request", sizeof(struct kfusd_request), 0,
		SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT,
		offsetof(struct kfusd_request, inline_data), KFUSD_INLINE_SIZE,
		NULL);
	return request_cache ? 0 : -ENOMEM;
}

void kfusd_requests_exit(void)
{
	kmem_cache_destroy(request_cache);
}

static void free_request(struct kref *ref)
{
	struct kfusd_request *request =
		container_of(ref, struct kfusd_request, ref);
	struct kfusd_file *file = request->file;
	struct kfusd_device *device = file->device;

	kfusd_buffer_give(device, &request->buffer);
	if (request->charged)
		atomic_long_sub(request->charged, &device->bytes);
	if (request->map_file)
		fput(request->map_file);
	put_pid(request->left_by);
	kmem_cache_free(request_cache, request);
	kfusd_file_put(file);
}

void kfusd_request_put(struct kfusd_request *request)
{
	kref_put(&request->ref, free_request);
}

static void never_last(struct kref *ref)
{
	WARN_ON_ONCE(1);
}

/* Under device->lock, where the caller has another reference. */
void kfusd_request_put_locked(struct kfusd_request *request)
{
	kref_put(&request->ref, never_last);
}

static int charge(struct kfusd_request *request, size_t length)
{
	atomic_long_t *bytes = &request->file->device->bytes;

	request->charged = length;
	if (length &&
	    atomic_long_add_return(length, bytes) > kfusd_max_queued_bytes)
		return -ENOBUFS;
	return 0;
}

static void init_message(struct kfusd_message *message,
			 struct kfusd_request *request, short subcmd)
{
	INIT_LIST_HEAD(&message->entry);
	message->request = request;
	message->subcmd = subcmd;
}

static struct kfusd_request *make(struct kfusd_file *file, short subcmd,
				  unsigned int flags, gfp_t gfp)
{
	struct kfusd_device *device = file->device;
	struct kfusd_request *request = kmem_cache_alloc(request_cache, gfp);

	if (!request)
		return NULL;
	memset(request, 0, offsetof(struct kfusd_request, inline_data));
	kref_init(&request->ref);
	init_waitqueue_head(&request->wait);
	init_message(&request->call, request, subcmd);
	init_message(&request->unblock, request, FUSD_UNBLOCK);
	kfusd_file_get(file);
	request->file = file;
	request->cmd = FUSD_FOPS_CALL;
	request->pid = pid_nr_ns(task_pid(current), device->pid_ns);
	request->uid = from_kuid_munged(device->user_ns, current_fsuid());
	request->gid = from_kgid_munged(device->user_ns, current_fsgid());
	request->flags = flags;
	return request;
}

struct kfusd_request *kfusd_request_new(struct kfusd_file *file, short subcmd,
					size_t length, unsigned int flags)
{
	struct kfusd_request *request = make(file, subcmd, flags, GFP_KERNEL);

	if (!request)
		return ERR_PTR(-ENOMEM);
	request->length = length;
	if (charge(request, length)) {
		kfusd_request_put(request);
		return ERR_PTR(-ENOBUFS);
	}
	return request;
}

int kfusd_request_make_data(struct kfusd_request *request, size_t length)
{
	int error;

	if (length <= sizeof(request->inline_data)) {
		request->data = request->inline_data;
		return 0;
	}
	error = kfusd_buffer_take(request->file->device, &request->buffer,
				  length);
	request->data = request->buffer.data;
	return error;
}

/* Queues a message for the driver; under device->lock. */
static void queue(struct kfusd_device *device, struct kfusd_message *message)
{
	list_add_tail(&message->entry, &device->queue);
	/* The sender is about to sleep: the driver may have its CPU. */
	wake_up_interruptible_sync_poll(&device->receive_wait, EPOLLIN);
}

static int send(struct kfusd_request *request, gfp_t gfp)
{
	struct kfusd_device *device = request->file->device;
	int error;

	error = xa_alloc(&device->requests, &request->hint, request,
			 xa_limit_31b, gfp);
	if (error)
		return error;
	spin_lock(&device->lock);
	if (device->state != KFUSD_LIVE || request->abandoned) {
		xa_erase(&device->requests, request->hint);
		error = -EPIPE;
	} else {
		kref_get(&request->ref);
		request->state = KFUSD_REQUEST_QUEUED;
		request->transid = ++device->last_transid;
		request->sent_private_info = request->file->private_info;
		queue(device, &request->call);
	}
	spin_unlock(&device->lock);
	return error;
}

int kfusd_request_send(struct kfusd_request *request)
{
	return send(request, GFP_KERNEL);
}

/* Takes a message that the driver has not received out of the queue. */
static void unqueue(struct kfusd_message *message)
{
	if (list_empty(&message->entry))
		return;
	list_del_init(&message->entry);
	/* A queued call is held by the driver's reference. */
	if (message->subcmd == FUSD_UNBLOCK)
		kfusd_request_put_locked(message->request);
}

/* Ends a request, whose driver's reference is the caller's from now on. */
static void end(struct kfusd_request *request)
{
	xa_erase(&request->file->device->requests, request->hint);
	unqueue(&request->call);
	/* Also seen without the lock: is_done() */
	smp_store_release(&request->state, KFUSD_REQUEST_DONE);
}

/* Under device->lock; for whoever takes it off his file's list for good. */
static void unlink_left(struct kfusd_request *request)
{
	request->is_left = false;
	list_del(&request->left);
}

void kfusd_request_complete(struct kfusd_request *request, ssize_t retval)
{
	lockdep_assert_held(&request->file->device->lock);
	unqueue(&request->unblock);
	request->retval = retval;
	end(request);
	/* The driver gave up because of the signal: the call starts anew. */
	if (request->is_left && retval == -EINTR) {
		unlink_left(request);
		kfusd_request_put_locked(request);
	}
	wake_up(&request->wait);
}

void kfusd_request_abandon(struct kfusd_request *request)
{
	lockdep_assert_held(&request->file->device->lock);
	request->abandoned = true;
	if (request->state == KFUSD_REQUEST_QUEUED ||
	    (request->state == KFUSD_REQUEST_SENT &&
	     request->call.subcmd != FUSD_OPEN)) {
		end(request);
		kfusd_request_put_locked(request);
	}
	/* An open may yet succeed, and then needs its close: reply.c. */
}

static void send_unblock(struct kfusd_request *request)
{
	struct kfusd_device *device = request->file->device;

	if (!(device->options & FUSD_OPTION_UNBLOCK) ||
	    device->state != KFUSD_LIVE || !list_empty(&request->unblock.entry))
		return;
	kref_get(&request->ref);
	queue(device, &request->unblock);
}

static bool may_restart(const struct kfusd_request *request)
{
	short subcmd = request->call.subcmd;

	return (subcmd == FUSD_READ || subcmd == FUSD_WRITE ||
		subcmd == FUSD_IOCTL) &&
	       !fatal_signal_pending(current);
}

/*
 * A signal ended the client's wait. Returns false if the answer was faster;
 * otherwise the caller's reference is gone.
 */
static bool leave(struct kfusd_request *request)
{
	struct kfusd_file *file = request->file;
	struct kfusd_device *device = file->device;
	bool was_received;
	bool keep = false;

	spin_lock(&device->lock);
	if (request->state == KFUSD_REQUEST_DONE) {
		spin_unlock(&device->lock);
		return false;
	}
	was_received = request->state != KFUSD_REQUEST_QUEUED;
	if (was_received && may_restart(request)) {
		keep = true;
		request->is_left = true;
		put_pid(request->left_by);
		request->left_by = get_pid(task_pid(current));
		list_add(&request->left, &file->left);
	} else {
		kfusd_request_abandon(request);
	}
	if (was_received)
		send_unblock(request);
	spin_unlock(&device->lock);
	if (!keep)
		kfusd_request_put(request);
	return true;
}

/* Whether a call is the one that a signal made its thread leave, again. */
static bool is_same_call(const struct kfusd_request *left,
			 const struct kfusd_request *call)
{
	return left->call.subcmd == call->call.subcmd &&
	       left->length == call->length && left->offset == call->offset &&
	       left->number == call->number &&
	       left->argument == call->argument &&
	       left->datalen == call->datalen &&
	       !memcmp(left->data, call->data, call->datalen);
}

/*
 * Finds what this thread left behind on the file. The same call goes on where
 * it was; another one means that the thread lost interest.
 */
static struct kfusd_request *resume(struct kfusd_request *call)
{
	struct kfusd_file *file = call->file;
	struct kfusd_device *device = file->device;
	struct kfusd_request *left, *next, *found = NULL;
	LIST_HEAD(forgotten);

	spin_lock(&device->lock);
	list_for_each_entry_safe(left, next, &file->left, left)
	{
		if (left->left_by != task_pid(current))
			continue;
		unlink_left(left);
		if (!found && is_same_call(left, call)) {
			found = left;
			continue;
		}
		kfusd_request_abandon(left);
		list_add(&left->left, &forgotten);
	}
	spin_unlock(&device->lock);
	list_for_each_entry_safe(left, next, &forgotten, left)
		kfusd_request_put(left);
	if (!found)
		return call;
	kfusd_request_put(call);
	return found;
}

void kfusd_drop_left(struct kfusd_file *file)
{
	struct kfusd_device *device = file->device;
	struct kfusd_request *left, *next;
	LIST_HEAD(forgotten);

	spin_lock(&device->lock);
	list_for_each_entry(left, &file->left, left)
	{
		left->is_left = false;
		kfusd_request_abandon(left);
	}
	list_splice_init(&file->left, &forgotten);
	spin_unlock(&device->lock);
	list_for_each_entry_safe(left, next, &forgotten, left)
		kfusd_request_put(left);
}

static bool is_done(const struct kfusd_request *request)
{
	/* Pairs with end(): what the reply wrote before is seen. */
	return smp_load_acquire(&request->state) == KFUSD_REQUEST_DONE;
}

struct kfusd_request *kfusd_call(struct kfusd_request *request)
{
	int error = 0;

	if (unlikely(!list_empty(&request->file->left)))
		request = resume(request);
	if (request->state == KFUSD_REQUEST_NEW)
		error = send(request, GFP_KERNEL);
	if (error) {
		kfusd_request_put(request);
		return ERR_PTR(error);
	}
	error = wait_event_interruptible(request->wait, is_done(request));
	if (error && leave(request))
		return ERR_PTR(error);
	return request;
}

void kfusd_send_close(struct kfusd_file *file, unsigned int flags, bool wait)
{
	/* Each open needs its close, whatever memory says. */
	const gfp_t gfp = GFP_KERNEL | __GFP_NOFAIL;
	struct kfusd_request *request = make(file, FUSD_CLOSE, flags, gfp);

	/* A killed client does not wait; its close is received all the same. */
	if (!send(request, gfp) && wait)
		wait_event_killable(request->wait, is_done(request));
	kfusd_request_put(request);
}

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Calls, and what becomes of them when a signal makes the client leave.
 *
 * A signal, a stop, a tracer or the freezer takes a client's thread out of its
 * system call, and the kernel has the thread make the same call again, before
 * any other. To the driver this is one request. The rules:
 *
 *  1. What the driver has not received is taken back, and sent again.
 *  2. What it has is left: it stays with the driver, and belongs to the thread
 *     that left it. With FUSD_OPTION_UNBLOCK the driver is told, once for all
 *     signals that come before it knows.
 *  3. If the thread comes back with the same call on the same open file (the
 *     same operation, arguments and data, and O_NONBLOCK as it was), it has the
 *     answer of the one it left. For open(2), which has no open file yet, it
 *     is the same call if it is for the same device with the same flags.
 *  4. If it comes with another call on that file, or has ended, or the file is
 *     closed, it gave up: a reply gets EPIPE from then on. A killed thread and
 *     one that works for io_uring, which does not come back, give up at once.
 *  5. Data for a read that was left for a handler without SA_RESTART gets
 *     EPIPE: its client sees EINTR, and may never read again. One that does is
 *     asked for anew. Other data is taken, and not lost: it goes to the next
 *     read of that open file at that position, whatever its length, and until
 *     then the file polls readable. So does what a reader's memory did not
 *     take. A file holds MOST_KEPT of these; the reply to one more gets EPIPE.
 *  6. An open that succeeded is given its close if its thread does not come
 *     back for it in a second or two of running; one that is stopped has time.
 *  7. -EINTR for a call that a signal made its client leave means that the
 *     driver gave it up because of the signal, of which FUSD_UNBLOCK may have
 *     told it. The call starts anew when it comes again, so that only a client
 *     whose handler lacks SA_RESTART sees EINTR. Of any other call, -EINTR is
 *     the result.
 *  8. mmap(2) waits under its process's mmap_lock, which whoever reads
 *     /proc/PID needs. So it pauses every MMAP_PAUSE, lets go of the lock and
 *     comes again, by rule 3. A pause is no signal.
 *
 * What a thread left is found by the thread, in a tree for each open file and
 * one for each device's opens. All of a device's are on a list, too, which is
 * gone through each second for threads that have ended.
 */
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "kfusd.h"

#define MOST_KEPT 16
#define MMAP_PAUSE msecs_to_jiffies(10)
#define SWEEP_EVERY HZ
/* Requests looked at without letting go of the device's lock. */
#define SWEEP_AT_ONCE 64

#ifndef PF_IO_WORKER
#define PF_IO_WORKER 0
#endif

static struct workqueue_struct *kfusd_sweepers;

int kfusd_interrupt_init(void)
{
	/* Threads that are frozen must not be taken for ones that went away. */
	kfusd_sweepers = alloc_workqueue("kfusd", WQ_FREEZABLE | WQ_UNBOUND, 0);
	return kfusd_sweepers ? 0 : -ENOMEM;
}

void kfusd_interrupt_exit(void)
{
	destroy_workqueue(kfusd_sweepers);
}

/* Where a request that is left is found by its thread. */
static struct rb_root *kfusd_tree(const struct kfusd_request *request)
{
	return request->call.subcmd == FUSD_OPEN ?
		       &request->file->device->left_opens :
		       &request->file->left;
}

static struct kfusd_request *kfusd_of_thread(struct rb_root *root,
					     const struct pid *thread)
{
	struct rb_node *node = root->rb_node;

	while (node) {
		struct kfusd_request *left =
			rb_entry(node, struct kfusd_request, left_node);

		if (left->left_by == thread)
			return left;
		node = thread < left->left_by ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/* Under device->lock. The caller's reference is the lists' from now on. */
static void kfusd_link_left(struct kfusd_request *request)
{
	struct kfusd_device *device = request->file->device;
	struct rb_root *root = kfusd_tree(request);
	struct rb_node **link = &root->rb_node, *parent = NULL;

	if (!request->left_by)
		request->left_by = get_pid(task_pid(current));
	while (*link) {
		parent = *link;
		link = request->left_by < rb_entry(parent, struct kfusd_request,
						   left_node)
						  ->left_by ?
			       &parent->rb_left :
			       &parent->rb_right;
	}
	rb_link_node(&request->left_node, parent, link);
	rb_insert_color(&request->left_node, root);
	if (list_empty(&device->left) && device->state == KFUSD_LIVE)
		queue_delayed_work(kfusd_sweepers, &device->sweep, SWEEP_EVERY);
	list_add_tail(&request->entry, &device->left);
	request->is_left = true;
	request->is_overdue = false;
}

/* Under device->lock. The reference is the caller's from now on. */
static void kfusd_unlink_left(struct kfusd_request *request)
{
	rb_erase(&request->left_node, kfusd_tree(request));
	list_del_init(&request->entry);
	request->is_left = false;
}

/* Under device->lock: an answered read is for whoever reads the file next. */
static void kfusd_add_kept(struct kfusd_request *answer)
{
	struct kfusd_file *file = answer->file;

	list_add_tail(&answer->entry, &file->kept);
	file->kept_count++;
	wake_up_all(&file->poll_wait);
}

/* Under device->lock. The reference is the caller's from now on. */
static void kfusd_remove_kept(struct kfusd_request *answer)
{
	list_del_init(&answer->entry);
	answer->file->kept_count--;
}

/*
 * Under device->lock: nobody comes back for what is left. What has to be put
 * is added to forgotten.
 */
static void kfusd_give_up(struct kfusd_request *left,
			  struct list_head *forgotten)
{
	kfusd_unlink_left(left);
	kfusd_request_abandon(left);
	list_add_tail(&left->entry, forgotten);
}

/* Without device->lock. */
static void kfusd_forget(struct list_head *forgotten)
{
	struct kfusd_request *left, *next;

	list_for_each_entry_safe(left, next, forgotten, entry) {
		list_del_init(&left->entry);
		/* One that is not done gets it when it succeeds: reply.c. */
		if (left->call.subcmd == FUSD_OPEN && kfusd_is_done(left) &&
		    left->retval >= 0)
			kfusd_send_close(left->file, left->flags, &left->ids,
					 false);
		kfusd_request_put(left);
	}
}

static bool kfusd_may_come_back(void)
{
	return !(current->flags & (PF_KTHREAD | PF_IO_WORKER | PF_EXITING)) &&
	       !fatal_signal_pending(current);
}

/* Whether this thread is about to handle a signal without SA_RESTART. */
static bool kfusd_will_see_eintr(void)
{
	struct sighand_struct *handlers = current->sighand;
	const struct sigaction *action;
	bool will_see = false;
	sigset_t pending;
	int i;

	spin_lock_irq(&handlers->siglock);
	sigorsets(&pending, &current->pending.signal,
		  &current->signal->shared_pending.signal);
	sigandnsets(&pending, &pending, &current->blocked);
	for (i = 1; i <= _NSIG && !will_see; i++) {
		action = &handlers->action[i - 1].sa;
		will_see = sigismember(&pending, i) &&
			   action->sa_handler != SIG_DFL &&
			   action->sa_handler != SIG_IGN &&
			   !(action->sa_flags & SA_RESTART);
	}
	spin_unlock_irq(&handlers->siglock);
	return will_see;
}

/*
 * The client stops waiting. Returns false if the answer was faster; otherwise
 * the caller's reference is gone.
 */
static bool kfusd_leave(struct kfusd_request *request, bool is_pause)
{
	struct kfusd_device *device = request->file->device;
	const bool sees_eintr = !is_pause && kfusd_will_see_eintr();
	bool was_received, stays = false;

	spin_lock(&device->lock);
	if (request->state == KFUSD_REQUEST_DONE) {
		spin_unlock(&device->lock);
		return false;
	}
	was_received = request->state != KFUSD_REQUEST_QUEUED;
	if ((was_received || is_pause) && kfusd_may_come_back() &&
	    device->state == KFUSD_LIVE) {
		stays = true;
		request->sees_eintr = sees_eintr;
		kfusd_link_left(request);
	} else {
		kfusd_request_abandon(request);
	}
	if (was_received && !is_pause) {
		request->was_interrupted = true;
		kfusd_send_unblock(request);
	}
	spin_unlock(&device->lock);
	if (!stays)
		kfusd_request_put(request);
	return true;
}

static bool kfusd_is_same_open(const struct kfusd_request *left,
			       const struct kfusd_request *call)
{
	return left->flags == call->flags && left->ids.uid == call->ids.uid &&
	       left->ids.gid == call->ids.gid;
}

static bool kfusd_is_same_place(const struct kfusd_request *one,
				const struct kfusd_request *other)
{
	/* The file position may have moved for both. */
	return one->offset == other->offset ||
	       (one->is_at_position && other->is_at_position);
}

/* Whether a call is the one that its thread left, again. */
static bool kfusd_is_same_call(const struct kfusd_request *left,
			       const struct kfusd_request *call)
{
	if (left->call.subcmd != call->call.subcmd)
		return false;
	if (call->call.subcmd == FUSD_OPEN)
		return kfusd_is_same_open(left, call);
	return ((left->flags ^ call->flags) & O_NONBLOCK) == 0 &&
	       left->length == call->length &&
	       kfusd_is_same_place(left, call) &&
	       left->ioctl_number == call->ioctl_number &&
	       left->argument == call->argument &&
	       left->mmprot == call->mmprot && left->mmflags == call->mmflags &&
	       left->mmoffset == call->mmoffset &&
	       left->datalen == call->datalen &&
	       !memcmp(left->data, call->data, call->datalen);
}

/* Finds what this thread left behind. NULL if this is another call. */
static struct kfusd_request *kfusd_come_back(const struct kfusd_request *call)
{
	struct kfusd_device *device = call->file->device;
	struct rb_root *root = kfusd_tree(call);
	struct kfusd_request *left;
	LIST_HEAD(forgotten);

	if (likely(!READ_ONCE(root->rb_node)))
		return NULL;
	spin_lock(&device->lock);
	left = kfusd_of_thread(root, task_pid(current));
	if (left && kfusd_is_same_call(left, call)) {
		kfusd_unlink_left(left);
	} else if (left) {
		kfusd_give_up(left, &forgotten);
		left = NULL;
	}
	spin_unlock(&device->lock);
	kfusd_forget(&forgotten);
	return left;
}

/* An answer that was kept, for a read at its place; NULL if there is none. */
static struct kfusd_request *kfusd_take_kept(const struct kfusd_request *call)
{
	struct kfusd_file *file = call->file;
	struct kfusd_request *kept, *found = NULL;

	if (likely(list_empty(&file->kept)) || call->call.subcmd != FUSD_READ ||
	    !call->length)
		return NULL;
	spin_lock(&file->device->lock);
	list_for_each_entry(kept, &file->kept, entry) {
		if (!kfusd_is_same_place(kept, call))
			continue;
		kfusd_remove_kept(kept);
		found = kept;
		break;
	}
	spin_unlock(&file->device->lock);
	return found;
}

void kfusd_keep(struct kfusd_request *answer, size_t consumed)
{
	struct kfusd_file *file = answer->file;
	bool is_full;

	answer->reply_data += consumed;
	answer->retval -= consumed;
	/* As far as the driver's answer moves it, that is at its end. */
	if (answer->reply_offset >= answer->offset + (loff_t)consumed)
		answer->offset += consumed;
	spin_lock(&file->device->lock);
	is_full = file->kept_count >= MOST_KEPT;
	if (!is_full) {
		kfusd_add_kept(answer);
		/* The first, so that the order of the data stays. */
		list_move(&answer->entry, &file->kept);
	}
	spin_unlock(&file->device->lock);
	if (is_full)
		kfusd_request_put(answer);
}

static int kfusd_wait(struct kfusd_request *request)
{
	wait_queue_head_t *wait = &request->wait;
	long left;

	if (likely(request->call.subcmd != FUSD_MMAP))
		return wait_event_interruptible(*wait, kfusd_is_done(request));
	left = wait_event_interruptible_timeout(*wait, kfusd_is_done(request),
						MMAP_PAUSE);
	if (left)
		return left < 0 ? left : 0;
	return -ERESTARTNOINTR;
}

/* Waits for an answer. Otherwise an error, and the reference is gone. */
static int kfusd_wait_or_leave(struct kfusd_request *request)
{
	int error = kfusd_wait(request);
	bool is_pause = error == -ERESTARTNOINTR;

	if (!error || !kfusd_leave(request, is_pause))
		return 0;
	/* The way back to user space makes a call anew only for a signal. */
	if (is_pause)
		set_thread_flag(TIF_SIGPENDING);
	return error;
}

static struct kfusd_request *kfusd_start(struct kfusd_request *call)
{
	int error = kfusd_request_send(call);

	if (error)
		kfusd_request_put(call);
	else
		error = kfusd_wait_or_leave(call);
	return error ? ERR_PTR(error) : call;
}

struct kfusd_request *kfusd_call(struct kfusd_request *call)
{
	struct kfusd_request *left = kfusd_come_back(call);
	int error;

	if (likely(!left))
		left = kfusd_take_kept(call);
	if (likely(!left))
		return kfusd_start(call);
	error = kfusd_wait_or_leave(left);
	if (!error && left->retval == -EINTR && left->was_interrupted) {
		/* The driver gave up because of the signal. */
		kfusd_request_put(left);
		return kfusd_start(call);
	}
	kfusd_request_put(call);
	return error ? ERR_PTR(error) : left;
}

/* Whether the thread that left a request cannot come back for it. */
static bool kfusd_has_ended(const struct kfusd_request *left)
{
	struct task_struct *task;
	bool has_ended;

	rcu_read_lock();
	task = pid_task(left->left_by, PIDTYPE_PID);
	has_ended = !task || READ_ONCE(task->exit_state);
	rcu_read_unlock();
	return has_ended;
}

/* Whether the thread had time to come back. */
static bool kfusd_is_running(const struct kfusd_request *left)
{
	struct task_struct *task;
	bool is_held = false;

	rcu_read_lock();
	task = pid_task(left->left_by, PIDTYPE_PID);
	if (task) {
		is_held = task_is_stopped_or_traced(task) || freezing(task);
#ifdef CONFIG_CGROUPS
		is_held = is_held || task->frozen;
#endif
	}
	rcu_read_unlock();
	return !is_held;
}

bool kfusd_refuse_left(struct kfusd_request *request, size_t datalen)
{
	const bool is_data = request->call.subcmd == FUSD_READ && datalen;

	lockdep_assert_held(&request->file->device->lock);
	if (likely(!request->is_left))
		return false;
	if (request->call.subcmd == FUSD_OPEN) {
		/* Taken, and closed at once: reply.c. */
		if (kfusd_has_ended(request)) {
			kfusd_unlink_left(request);
			kfusd_request_abandon(request);
			kfusd_request_put_locked(request);
		}
		return false;
	}
	if (!kfusd_has_ended(request) && !(is_data && request->sees_eintr) &&
	    !(is_data && request->file->kept_count >= MOST_KEPT))
		return false;
	kfusd_unlink_left(request);
	kfusd_request_abandon(request);
	return true;
}

void kfusd_left_answered(struct kfusd_request *request)
{
	lockdep_assert_held(&request->file->device->lock);
	if (request->retval == -EINTR && request->was_interrupted) {
		/* It starts anew. */
		kfusd_unlink_left(request);
		kfusd_request_put_locked(request);
	} else if (request->call.subcmd == FUSD_READ && request->retval > 0) {
		/* Its own thread finds it there, if it reads first. */
		kfusd_unlink_left(request);
		kfusd_add_kept(request);
	}
}

void kfusd_drop_left(struct kfusd_file *file)
{
	struct kfusd_request *kept, *next;
	struct rb_node *node;
	LIST_HEAD(forgotten);

	spin_lock(&file->device->lock);
	while ((node = rb_first(&file->left)))
		kfusd_give_up(rb_entry(node, struct kfusd_request, left_node),
			      &forgotten);
	list_for_each_entry_safe(kept, next, &file->kept, entry) {
		kfusd_remove_kept(kept);
		list_add_tail(&kept->entry, &forgotten);
	}
	spin_unlock(&file->device->lock);
	kfusd_forget(&forgotten);
}

void kfusd_drop_left_opens(struct kfusd_device *device)
{
	struct rb_node *node;
	LIST_HEAD(forgotten);

	cancel_delayed_work_sync(&device->sweep);
	spin_lock(&device->lock);
	while ((node = rb_first(&device->left_opens)))
		kfusd_give_up(rb_entry(node, struct kfusd_request, left_node),
			      &forgotten);
	spin_unlock(&device->lock);
	kfusd_forget(&forgotten);
}

/* Under device->lock: whether nobody will come back for a left request. */
static bool kfusd_is_over(struct kfusd_request *left)
{
	bool was_overdue = left->is_overdue;

	if (kfusd_has_ended(left))
		return true;
	if (left->call.subcmd != FUSD_OPEN ||
	    left->state != KFUSD_REQUEST_DONE || !kfusd_is_running(left))
		return false;
	left->is_overdue = true;
	return was_overdue;
}

/* Looks at some of the requests on todo; whether that were all. */
static bool kfusd_sweep_some(struct kfusd_device *device,
			     struct list_head *todo)
{
	struct kfusd_request *left;
	LIST_HEAD(forgotten);
	bool is_end;
	int i;

	spin_lock(&device->lock);
	for (i = 0; i < SWEEP_AT_ONCE && !list_empty(todo); i++) {
		left = list_first_entry(todo, struct kfusd_request, entry);
		list_move_tail(&left->entry, &device->left);
		if (kfusd_is_over(left))
			kfusd_give_up(left, &forgotten);
	}
	is_end = list_empty(todo);
	if (is_end && !list_empty(&device->left) && device->state == KFUSD_LIVE)
		queue_delayed_work(kfusd_sweepers, &device->sweep, SWEEP_EVERY);
	spin_unlock(&device->lock);
	kfusd_forget(&forgotten);
	return is_end;
}

static void kfusd_sweep(struct work_struct *work)
{
	struct kfusd_device *device =
		container_of(to_delayed_work(work), struct kfusd_device, sweep);
	LIST_HEAD(todo);

	spin_lock(&device->lock);
	list_splice_init(&device->left, &todo);
	spin_unlock(&device->lock);
	while (!kfusd_sweep_some(device, &todo))
		cond_resched();
}

void kfusd_interrupt_prepare(struct kfusd_device *device)
{
	INIT_LIST_HEAD(&device->left);
	device->left_opens = RB_ROOT;
	INIT_DELAYED_WORK(&device->sweep, kfusd_sweep);
}

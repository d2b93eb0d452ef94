// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Calls, and what becomes of them when a signal makes the client leave.
 *
 * A signal, a stop, a tracer or the freezer takes a client's thread out of its
 * system call, and the kernel has the thread make the same call again, before
 * any other. To the driver this is one request. The rules:
 *
 *  1. A request that the driver has not received is taken back, and the call
 *     sends a new one when it comes again.
 *  2. A request that the driver has received is parked: it stays with the
 *     driver, and belongs to the thread that left it. With FUSD_OPTION_UNBLOCK
 *     the driver is told, once for all signals that come before it knows.
 *  3. If the thread comes back with the same call on the same open file (the
 *     same operation, arguments and data, and O_NONBLOCK as it was), the answer
 *     of its parked request is the call's; data for a read goes by rule 5. An
 *     open(2), which has no open file yet, is the same call if it is for the
 *     same device with the same flags.
 *  4. If the thread comes with another call on that file, or has ended, or the
 *     file is closed, the parked request is given up: a reply gets EPIPE from
 *     then on. A thread that is killed, or works for io_uring, does not come
 *     back: its request is given up at once.
 *  5. Data for a read that was parked for a handler without SA_RESTART gets
 *     EPIPE: the client sees EINTR, and may never read again; a read that it
 *     makes nevertheless is a new request. Data for any other parked read is
 *     kept: it goes to the next read of that open file at that position,
 *     whatever its length, and until then the file polls readable. Data at the
 *     file's own position goes with that as transfers move it, and stays where
 *     it is when lseek(2) does. What a reader's memory did not take is kept,
 *     too. A file keeps a few answers (kept.c); the reply with one more gets
 *     EPIPE. Data that comes with descriptors is taken whatever the client
 *     sees, and kept if there is room; else its own thread alone can have it.
 *  6. An open that succeeded is given its close if its thread does not come
 *     back for it in a second or two of running; a stopped thread has time. So
 *     is a call whose answer brings its client descriptors.
 *  7. -EINTR for a call that a signal made its client leave means that the
 *     driver gave it up because of the signal, of which FUSD_UNBLOCK may have
 *     told it. The call starts anew when it comes again, so that only a client
 *     whose handler lacks SA_RESTART sees EINTR. For any other call, -EINTR is
 *     the result.
 *  8. mmap(2) waits under its process's mmap_lock, which readers of /proc/PID
 *     need. So it pauses every MMAP_PAUSE: its request is parked, received or
 *     not, the lock is let go of, and the call comes again, by rule 3. A pause
 *     is no signal.
 *  9. A close(2) that a signal interrupts could not be made again. So it waits
 *     for its flush until it is killed. A client that is killed, or exits and
 *     could not be, does not wait; the driver receives the flush nevertheless,
 *     and a reply to it gets EPIPE.
 *
 * A parked request is found by its thread, in a tree for each open file and one
 * for each device's opens. A device's parked requests are on a list, too, which
 * is gone through each second for threads that have ended.
 */
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "kfusd.h"

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

/* The tree in which a request, once parked, is found by its thread. */
static struct rb_root *kfusd_parked_tree(const struct kfusd_request *request)
{
	return request->call.subcmd == FUSD_OPEN ?
		       &request->file->device->parked_opens :
		       &request->file->parked;
}

static struct kfusd_request *kfusd_find_parked(struct rb_root *root,
					       const struct pid *thread)
{
	struct rb_node *node = root->rb_node;

	while (node) {
		struct kfusd_request *parked =
			rb_entry(node, struct kfusd_request, parked_node);

		if (parked->parked_by == thread)
			return parked;
		node = thread < parked->parked_by ? node->rb_left :
						    node->rb_right;
	}
	return NULL;
}

/* Under device->lock. The caller's reference is the list's from now on. */
static void kfusd_park_request(struct kfusd_request *request)
{
	struct kfusd_device *device = request->file->device;
	struct rb_root *root = kfusd_parked_tree(request);
	struct rb_node **link = &root->rb_node, *parent = NULL;

	if (!request->parked_by)
		request->parked_by = get_pid(task_pid(current));
	while (*link) {
		parent = *link;
		link = request->parked_by < rb_entry(parent,
						     struct kfusd_request,
						     parked_node)
						    ->parked_by ?
			       &parent->rb_left :
			       &parent->rb_right;
	}
	rb_link_node(&request->parked_node, parent, link);
	rb_insert_color(&request->parked_node, root);
	if (list_empty(&device->parked) && device->state == KFUSD_LIVE)
		queue_delayed_work(kfusd_sweepers, &device->sweep, SWEEP_EVERY);
	list_add_tail(&request->entry, &device->parked);
	kfusd_count_earlier(request->file, 1);
	request->is_parked = true;
	request->is_overdue = false;
}

/* Under device->lock. The reference is the caller's from now on. */
static void kfusd_unpark_request(struct kfusd_request *request)
{
	rb_erase(&request->parked_node, kfusd_parked_tree(request));
	list_del_init(&request->entry);
	kfusd_count_earlier(request->file, -1);
	request->is_parked = false;
}

/*
 * Under device->lock: nobody comes back for a parked request. It is added to
 * forgotten, for kfusd_forget_requests().
 */
static void kfusd_give_up_parked(struct kfusd_request *parked,
				 struct list_head *forgotten)
{
	kfusd_unpark_request(parked);
	if (!kfusd_is_done(parked))
		kfusd_request_abandon(parked);
	list_add_tail(&parked->entry, forgotten);
}

/* Puts the requests on a list; without device->lock. */
static void kfusd_forget_requests(struct list_head *forgotten)
{
	struct kfusd_request *request, *next;

	list_for_each_entry_safe(request, next, forgotten, entry) {
		list_del_init(&request->entry);
		/*
		 * An abandoned open is closed by its reply (reply.c), or was
		 * never received.
		 */
		if (request->call.subcmd == FUSD_OPEN && !request->abandoned &&
		    request->retval >= 0)
			kfusd_send_close(request->file, request->flags,
					 &request->ids, false);
		kfusd_request_put(request);
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
	/* A thread that runs has its handlers; nobody else takes them away. */
	struct sighand_struct *handlers =
		rcu_dereference_protected(current->sighand, true);
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
static bool kfusd_leave_request(struct kfusd_request *request, bool is_pause)
{
	struct kfusd_device *device = request->file->device;
	const bool sees_eintr = !is_pause && kfusd_will_see_eintr();
	bool was_received, stays = false;

	spin_lock(&device->lock);
	if (request->state == KFUSD_REQUEST_DONE) {
		spin_unlock(&device->lock);
		return false;
	}
	request->waiter = NULL;
	was_received = request->state != KFUSD_REQUEST_QUEUED;
	if ((was_received || is_pause) && kfusd_may_come_back() &&
	    device->state == KFUSD_LIVE) {
		stays = true;
		request->sees_eintr = sees_eintr;
		kfusd_park_request(request);
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

static bool kfusd_is_same_open(const struct kfusd_request *parked,
			       const struct kfusd_request *call)
{
	return parked->flags == call->flags &&
	       parked->ids.uid == call->ids.uid &&
	       parked->ids.gid == call->ids.gid;
}

/* Whether a call is that of a request which its thread parked, again. */
static bool kfusd_is_same_call(const struct kfusd_request *parked,
			       const struct kfusd_request *call)
{
	if (parked->call.subcmd != call->call.subcmd)
		return false;
	if (call->call.subcmd == FUSD_OPEN)
		return kfusd_is_same_open(parked, call);
	return ((parked->flags ^ call->flags) & O_NONBLOCK) == 0 &&
	       parked->length == call->length &&
	       kfusd_is_same_place(parked, call) &&
	       parked->ioctl_number == call->ioctl_number &&
	       parked->argument == call->argument &&
	       parked->mmprot == call->mmprot &&
	       parked->mmflags == call->mmflags &&
	       parked->mmoffset == call->mmoffset &&
	       parked->datalen == call->datalen &&
	       !memcmp(parked->data, call->data, call->datalen);
}

/*
 * This thread's parked request, if call is the same call again. Otherwise NULL,
 * and what the thread has parked is given up.
 */
static struct kfusd_request *kfusd_take_parked(const struct kfusd_request *call)
{
	struct kfusd_device *device = call->file->device;
	struct rb_root *root = kfusd_parked_tree(call);
	struct kfusd_request *parked;
	LIST_HEAD(forgotten);

	spin_lock(&device->lock);
	parked = kfusd_find_parked(root, task_pid(current));
	if (parked && kfusd_is_same_call(parked, call)) {
		kfusd_unpark_request(parked);
		parked->waiter = current;
	} else if (parked) {
		kfusd_give_up_parked(parked, &forgotten);
		parked = NULL;
	}
	spin_unlock(&device->lock);
	kfusd_forget_requests(&forgotten);
	return parked;
}

void kfusd_position_set(struct kfusd_file *file)
{
	struct kfusd_request *earlier;
	struct rb_node *node;

	if (likely(!READ_ONCE(file->earlier_count)))
		return;
	spin_lock(&file->device->lock);
	kfusd_pin_kept(file);
	for (node = rb_first(&file->parked); node; node = rb_next(node)) {
		earlier = rb_entry(node, struct kfusd_request, parked_node);
		earlier->is_at_position = false;
	}
	spin_unlock(&file->device->lock);
}

static int kfusd_wait_for_answer(struct kfusd_request *request)
{
	long timeout = MAX_SCHEDULE_TIMEOUT;
	int error;

	if (unlikely(request->call.subcmd == FUSD_MMAP))
		timeout = MMAP_PAUSE;
	error = kfusd_request_wait(request, TASK_INTERRUPTIBLE, timeout);
	return error == -ETIMEDOUT ? -ERESTARTNOINTR : error;
}

/* Waits for an answer: 0. On an error the reference is gone. */
static int kfusd_wait_or_leave(struct kfusd_request *request)
{
	int error = kfusd_wait_for_answer(request);
	bool is_pause = error == -ERESTARTNOINTR;

	if (!error || !kfusd_leave_request(request, is_pause))
		return 0;
	/* The way back to user space makes a call anew only for a signal. */
	if (is_pause)
		set_thread_flag(TIF_SIGPENDING);
	/* io_uring would tell its user of an fsync with this as the result. */
	return current->flags & PF_IO_WORKER ? -EINTR : error;
}

static struct kfusd_request *kfusd_start_call(struct kfusd_request *call)
{
	int error = kfusd_request_send(call);

	if (error)
		kfusd_request_put(call);
	else
		error = kfusd_wait_or_leave(call);
	return error ? ERR_PTR(error) : call;
}

/* A request whose answer is the call's, as its thread or another made it. */
static struct kfusd_request *kfusd_take_earlier(struct kfusd_request *call)
{
	struct kfusd_request *earlier;

	if (call->call.subcmd == FUSD_OPEN)
		return READ_ONCE(call->file->device->parked_opens.rb_node) ?
			       kfusd_take_parked(call) :
			       NULL;
	if (likely(!READ_ONCE(call->file->earlier_count)))
		return NULL;
	earlier = kfusd_take_parked(call);
	return earlier ? earlier : kfusd_take_kept(call);
}

struct kfusd_request *kfusd_call_driver(struct kfusd_request *call)
{
	struct kfusd_request *earlier = kfusd_take_earlier(call);
	int error;

	if (likely(!earlier))
		return kfusd_start_call(call);
	error = kfusd_wait_or_leave(earlier);
	if (!error && earlier->retval == -EINTR && earlier->was_interrupted) {
		/* By rule 7: the driver gave up because of the signal. */
		kfusd_request_put(earlier);
		return kfusd_start_call(call);
	}
	kfusd_request_put(call);
	return error ? ERR_PTR(error) : earlier;
}

/* By rule 9: a killed client leaves its flush. */
static void kfusd_leave_flush(struct kfusd_request *request)
{
	struct kfusd_device *device = request->file->device;

	spin_lock(&device->lock);
	request->waiter = NULL;
	request->is_unawaited = true;
	if (request->state == KFUSD_REQUEST_SENT ||
	    request->state == KFUSD_REQUEST_REPLYING) {
		kfusd_request_abandon(request);
		kfusd_send_unblock(request);
	}
	spin_unlock(&device->lock);
}

struct kfusd_request *kfusd_call_flush(struct kfusd_request *call, bool wait)
{
	int error;

	/* No flush is parked: this gives up what the thread has, by rule 4. */
	kfusd_take_earlier(call);
	call->is_unawaited = !wait;
	error = kfusd_request_send(call);
	if (!error && wait) {
		kfusd_wait_killable(call);
		if (likely(kfusd_is_done(call)))
			return call;
		kfusd_leave_flush(call);
		error = -EINTR;
	}
	kfusd_request_put(call);
	return ERR_PTR(error);
}

/* Whether the thread that parked a request cannot come back for it. */
static bool kfusd_thread_has_ended(const struct kfusd_request *parked)
{
	struct task_struct *task;
	bool has_ended;

	rcu_read_lock();
	task = pid_task(parked->parked_by, PIDTYPE_PID);
	has_ended = !task || READ_ONCE(task->exit_state);
	rcu_read_unlock();
	return has_ended;
}

/* Whether the thread that parked a request is free to come back. */
static bool kfusd_thread_is_running(const struct kfusd_request *parked)
{
	struct task_struct *task;
	bool is_held = false;

	rcu_read_lock();
	task = pid_task(parked->parked_by, PIDTYPE_PID);
	if (task) {
		is_held = task_is_stopped_or_traced(task) || freezing(task);
#ifdef CONFIG_CGROUPS
		is_held = is_held || task->frozen;
#endif
	}
	rcu_read_unlock();
	return !is_held;
}

bool kfusd_refuse_parked(struct kfusd_request *request, size_t datalen)
{
	const bool is_data = request->call.subcmd == FUSD_READ && datalen;

	lockdep_assert_held(&request->file->device->lock);
	if (likely(!request->is_parked))
		return false;
	if (kfusd_makes_files(request)) {
		/* The reply is taken, and what it opened closed at once. */
		if (kfusd_thread_has_ended(request)) {
			kfusd_unpark_request(request);
			kfusd_request_abandon(request);
			kfusd_request_put_locked(request);
		}
		return false;
	}
	if (!kfusd_thread_has_ended(request) &&
	    !(is_data && request->sees_eintr) &&
	    !(is_data && kfusd_is_kept_full(request->file)))
		return false;
	kfusd_unpark_request(request);
	kfusd_request_abandon(request);
	return true;
}

void kfusd_parked_answered(struct kfusd_request *request)
{
	lockdep_assert_held(&request->file->device->lock);
	if (request->retval == -EINTR && request->was_interrupted) {
		/* By rule 7: the call starts anew when it comes again. */
		kfusd_unpark_request(request);
		kfusd_request_put_locked(request);
	} else if (request->call.subcmd == FUSD_READ && request->retval > 0 &&
		   !kfusd_is_kept_full(request->file)) {
		/* Its own thread finds it kept, if it is the first to read. */
		kfusd_count_earlier(request->file, 1);
		kfusd_unpark_request(request);
		kfusd_add_kept(request);
		kfusd_count_earlier(request->file, -1);
	}
}

/* Under device->lock: gives up all that is parked in a tree. */
static void kfusd_give_up_tree(struct rb_root *root,
			       struct list_head *forgotten)
{
	struct kfusd_request *parked;

	while (!RB_EMPTY_ROOT(root)) {
		parked = rb_entry(rb_first(root), struct kfusd_request,
				  parked_node);
		kfusd_give_up_parked(parked, forgotten);
	}
}

void kfusd_drop_parked(struct kfusd_file *file)
{
	LIST_HEAD(forgotten);

	spin_lock(&file->device->lock);
	kfusd_give_up_tree(&file->parked, &forgotten);
	kfusd_drop_kept(file, &forgotten);
	spin_unlock(&file->device->lock);
	kfusd_forget_requests(&forgotten);
}

void kfusd_drop_parked_opens(struct kfusd_device *device)
{
	LIST_HEAD(forgotten);

	cancel_delayed_work_sync(&device->sweep);
	spin_lock(&device->lock);
	kfusd_give_up_tree(&device->parked_opens, &forgotten);
	spin_unlock(&device->lock);
	kfusd_forget_requests(&forgotten);
}

/* Under device->lock: whether nobody will come back for a parked request. */
static bool kfusd_is_given_up(struct kfusd_request *parked)
{
	bool was_overdue = parked->is_overdue;

	if (kfusd_thread_has_ended(parked))
		return true;
	parked->is_overdue = kfusd_makes_files(parked) &&
			     kfusd_is_done(parked) &&
			     kfusd_thread_is_running(parked);
	return was_overdue && parked->is_overdue;
}

/* Gives up what it can of some requests on todo; whether that was all. */
static bool kfusd_sweep_some(struct kfusd_device *device,
			     struct list_head *todo)
{
	struct kfusd_request *parked;
	LIST_HEAD(forgotten);
	bool is_end;
	int i;

	spin_lock(&device->lock);
	for (i = 0; i < SWEEP_AT_ONCE && !list_empty(todo); i++) {
		parked = list_first_entry(todo, struct kfusd_request, entry);
		list_move_tail(&parked->entry, &device->parked);
		if (kfusd_is_given_up(parked))
			kfusd_give_up_parked(parked, &forgotten);
	}
	is_end = list_empty(todo);
	if (is_end && !list_empty(&device->parked) &&
	    device->state == KFUSD_LIVE)
		queue_delayed_work(kfusd_sweepers, &device->sweep, SWEEP_EVERY);
	spin_unlock(&device->lock);
	kfusd_forget_requests(&forgotten);
	return is_end;
}

static void kfusd_sweep_parked(struct work_struct *work)
{
	struct kfusd_device *device =
		container_of(to_delayed_work(work), struct kfusd_device, sweep);
	LIST_HEAD(todo);

	spin_lock(&device->lock);
	list_splice_init(&device->parked, &todo);
	spin_unlock(&device->lock);
	while (!kfusd_sweep_some(device, &todo))
		cond_resched();
}

void kfusd_interrupt_prepare(struct kfusd_device *device)
{
	INIT_LIST_HEAD(&device->parked);
	device->parked_opens = RB_ROOT;
	INIT_DELAYED_WORK(&device->sweep, kfusd_sweep_parked);
}

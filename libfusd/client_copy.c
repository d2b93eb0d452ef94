// SPDX-License-Identifier: BSD-3-Clause
/*
 * Copies between a client's memory and the driver's.
 *
 * A page of the client may come from another process, or from nowhere: such a
 * copy ends when its client wants, and no call that does it can be told to come
 * back. So a helper thread makes the call, with memory of its own, and whoever
 * asked leaves it behind when time is up, or when a signal wants the thread.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* A page from a slow disk, or over a network, comes within these. */
#define LIMIT_MS 10000
/* A signal is no reason to lose a copy that ends at once. */
#define LIMIT_AFTER_SIGNAL_MS 500

/* The copies that may hang; further ones wait until their time is up. */
#define MAX_HELPERS 16
#define HELPER_IDLE_SECONDS 2

enum copy_state {
	COPY_RUNS, /* or waits for a helper */
	COPY_DONE,
};

/* Belongs to the thread that asked until that leaves it, then to the helper. */
struct copy {
	struct copy *next; /* helpers.lock */
	pid_t thread;
	bool to_client;
	bool is_queued; /* helpers.lock */
	bool is_left;	/* helpers.lock */
	unsigned long address;
	size_t length;
	ssize_t result; /* of the call, or -errno */
	atomic_int state;
	char data[];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct copy *queue, **end; /* lock */
	int queued, count, idle;   /* lock */
} helpers = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.change = PTHREAD_COND_INITIALIZER,
	.end = &helpers.queue,
};

/* The parent's helpers are not in a forked child, whoever held the lock. */
static void forget_helpers(void)
{
	pthread_mutex_init(&helpers.lock, NULL);
	pthread_cond_init(&helpers.change, NULL);
	helpers.queue = NULL;
	helpers.end = &helpers.queue;
	helpers.queued = helpers.count = helpers.idle = 0;
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forget_helpers);
}

static void copy_memory(struct copy *copy)
{
	struct iovec local = { copy->data, copy->length };
	struct iovec remote = { (void *)copy->address, copy->length };

	if (copy->to_client)
		copy->result = process_vm_writev(copy->thread, &local, 1,
						 &remote, 1, 0);
	else
		copy->result = process_vm_readv(copy->thread, &local, 1,
						&remote, 1, 0);
	if (copy->result < 0)
		copy->result = -errno;
}

/* Under the lock. */
static struct copy *take_first(void)
{
	struct copy *first = helpers.queue;

	if (first) {
		helpers.queue = first->next;
		if (!helpers.queue)
			helpers.end = &helpers.queue;
		helpers.queued--;
		first->is_queued = false;
	}
	return first;
}

/* Under the lock, which is released meanwhile. NULL: nobody needs a helper. */
static struct copy *next_copy(void)
{
	struct copy *copy;
	struct timespec end;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += HELPER_IDLE_SECONDS;
	helpers.idle++;
	while (!(copy = take_first()) && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&helpers.change, &helpers.lock,
					       &end);
	helpers.idle--;
	return copy;
}

static void *run_helper(void *unused)
{
	struct copy *copy;

	pthread_mutex_lock(&helpers.lock);
	while ((copy = next_copy())) {
		pthread_mutex_unlock(&helpers.lock);
		copy_memory(copy);
		pthread_mutex_lock(&helpers.lock);
		if (copy->is_left) {
			free(copy);
			continue;
		}
		/* Its owner may free it as soon as it sees the state. */
		atomic_store(&copy->state, COPY_DONE);
		syscall(SYS_futex, &copy->state, FUTEX_WAKE_PRIVATE, 1);
	}
	helpers.count--;
	pthread_mutex_unlock(&helpers.lock);
	return unused;
}

/* Under the lock. 0 or -errno. */
static int start_helper(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int error;

	pthread_once(&once, watch_forks);
	error = fusd_thread_begin(run_helper);
	if (!error)
		helpers.count++;
	return error;
}

static int hand_over(struct copy *copy)
{
	int error = 0;

	pthread_mutex_lock(&helpers.lock);
	/* The idle helpers are woken by what is queued already. */
	if (helpers.queued >= helpers.idle && helpers.count < MAX_HELPERS)
		error = start_helper();
	/* With another helper it only takes longer. */
	if (helpers.count > 0) {
		error = 0;
		helpers.queued++;
		copy->is_queued = true;
		*helpers.end = copy;
		helpers.end = &copy->next;
		pthread_cond_signal(&helpers.change);
	}
	pthread_mutex_unlock(&helpers.lock);
	return error;
}

/* Waits for a helper, up to the limit. */
static void wait_for(struct copy *copy)
{
	int64_t end = fusd_now_ms() + LIMIT_MS;
	long left = LIMIT_MS;

	while (left > 0 && atomic_load(&copy->state) == COPY_RUNS) {
		const struct timespec limit = { left / 1000,
						left % 1000 * 1000000 };

		/* With a limit a signal ends it, also under SA_RESTART. */
		if (syscall(SYS_futex, &copy->state, FUTEX_WAIT_PRIVATE,
			    COPY_RUNS, &limit, NULL, 0) < 0 &&
		    errno == EINTR &&
		    end > fusd_now_ms() + LIMIT_AFTER_SIGNAL_MS)
			end = fusd_now_ms() + LIMIT_AFTER_SIGNAL_MS;
		left = (long)(end - fusd_now_ms());
	}
}

/* Under the lock. */
static void take_off_queue(struct copy *copy)
{
	struct copy **link = &helpers.queue;

	while (*link != copy)
		link = &(*link)->next;
	*link = copy->next;
	if (!*link)
		helpers.end = link;
	helpers.queued--;
	copy->is_queued = false;
}

/* True if the copy is done. If not, a helper may be at it, and frees it. */
static bool end_copy(struct copy *copy)
{
	bool done, queued;

	pthread_mutex_lock(&helpers.lock);
	done = atomic_load(&copy->state) == COPY_DONE;
	queued = copy->is_queued;
	if (queued)
		take_off_queue(copy);
	else if (!done)
		copy->is_left = true;
	pthread_mutex_unlock(&helpers.lock);
	if (queued)
		free(copy);
	return done;
}

/* True if it was done, and is still the caller's. */
static bool run_copy(struct copy *copy, int *error)
{
	void *state;

	*error = hand_over(copy);
	if (*error) {
		free(copy);
		return false;
	}
	state = fusd_wait_begin();
	wait_for(copy);
	fusd_wait_end(state);
	*error = -EFAULT;
	return end_copy(copy);
}

/* What a call that was done means, and the end of it. */
static int finish_copy(struct copy *copy)
{
	ssize_t result = copy->result;
	size_t length = copy->length;

	free(copy);
	if (result < 0)
		return (int)result;
	return (size_t)result == length ? 0 : -EFAULT;
}

/*
 * Whether the calling thread itself may do it, as threads may have credentials
 * of their own: asked with an address that no process has.
 */
static int check_access(pid_t thread)
{
	char byte;
	struct iovec local = { &byte, 1 };
	struct iovec remote = { (void *)(UINTPTR_MAX / 2 + 1), 1 };

	if (process_vm_readv(thread, &local, 1, &remote, 1, 0) < 0 &&
	    errno != EFAULT)
		return -errno;
	return 0;
}

/* Makes a copy that the calling thread may do. 0, -ENOMEM, -EPERM, -ESRCH. */
static int new_copy(pid_t thread, unsigned long address, size_t length,
		    struct copy **result)
{
	int error = check_access(thread);
	struct copy *copy;

	if (error)
		return error;
	copy = malloc(sizeof(*copy) + length);
	if (!copy)
		return -ENOMEM;
	*copy = (struct copy){
		.thread = thread,
		.address = address,
		.length = length,
	};
	*result = copy;
	return 0;
}

int fusd_copy_from(pid_t thread, unsigned long address, void *data,
		   size_t length)
{
	struct copy *copy;
	int error = new_copy(thread, address, length, &copy);

	if (error)
		return error;
	if (!run_copy(copy, &error))
		return error;
	memcpy(data, copy->data, length);
	return finish_copy(copy);
}

int fusd_copy_to(pid_t thread, unsigned long address, const void *data,
		 size_t length)
{
	struct copy *copy;
	int error = new_copy(thread, address, length, &copy);

	if (error)
		return error;
	copy->to_client = true;
	memcpy(copy->data, data, length);
	return run_copy(copy, &error) ? finish_copy(copy) : error;
}

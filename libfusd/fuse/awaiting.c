// SPDX-License-Identifier: BSD-3-Clause
/*
 * Which threads wait in read(2), and which may not.
 *
 * A thread in fusd_run() receives and waits in one read. Others receive from
 * the same open file and must not wait: fusd_dispatch(), the attendant,
 * unregister. It is the open file that blocks or does not, and a second one
 * (FUSE_DEV_IOC_CLONE) would have to send the answers to what it received. So
 * the open file blocks as long as nobody forbids it: then a request costs no
 * system call for that. Whoever forbids it makes it non-blocking if it is not,
 * and leaves it so; who wants to wait, and gets EAGAIN, makes it blocking again
 * once nobody forbids it.
 *
 * A forked child has none of the threads that are counted here, and shares the
 * open file with its parent: it begins anew, and does not trust what it knows
 * of that.
 */
#include <fcntl.h>

#include "awaiting.h"

#define ENDED_SHIFT 16
#define NUMBER_SHIFT 32
#define ONE_ENDED (UINT64_C(1) << ENDED_SHIFT)
#define MOST_THREADS UINT64_C(0xffff)

static atomic_uint fork_number;
static pthread_mutex_t fork_lock = PTHREAD_MUTEX_INITIALIZER;

static void after_fork_in_child(void)
{
	pthread_mutex_init(&fork_lock, NULL);
	fork_number++;
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, after_fork_in_child);
}

void fusd_awaiting_init(struct fusd_awaiting *awaiting)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch_forks);
	pthread_mutex_init(&awaiting->lock, NULL);
	awaiting->fork_number = fork_number;
}

static void begin_anew(struct fusd_awaiting *awaiting)
{
	pthread_mutex_lock(&fork_lock);
	if (awaiting->fork_number != fork_number) {
		pthread_mutex_init(&awaiting->lock, NULL);
		awaiting->threads = 0;
		awaiting->others = 0;
		awaiting->may_block = true;
		awaiting->fork_number = fork_number;
	}
	pthread_mutex_unlock(&fork_lock);
}

static inline void check_fork(struct fusd_awaiting *awaiting)
{
	if (awaiting->fork_number != fork_number)
		begin_anew(awaiting);
}

static bool set_blocking(int fd, bool is_blocking)
{
	int flags = fcntl(fd, F_GETFL);

	flags = is_blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) == 0;
}

void fusd_awaiting_forbid(struct fusd_awaiting *awaiting, int fd)
{
	check_fork(awaiting);
	/* First: allow() looks at it after it has set may_block. */
	awaiting->others++;
	if (!awaiting->may_block)
		return;
	pthread_mutex_lock(&awaiting->lock);
	if (awaiting->may_block && set_blocking(fd, false))
		awaiting->may_block = false;
	pthread_mutex_unlock(&awaiting->lock);
}

void fusd_awaiting_permit(struct fusd_awaiting *awaiting)
{
	awaiting->others--;
}

bool fusd_awaiting_allow(struct fusd_awaiting *awaiting, int fd)
{
	bool is_allowed, before;

	pthread_mutex_lock(&awaiting->lock);
	before = atomic_exchange(&awaiting->may_block, true);
	is_allowed = awaiting->others == 0 && set_blocking(fd, true);
	if (!is_allowed)
		awaiting->may_block = before;
	pthread_mutex_unlock(&awaiting->lock);
	return is_allowed;
}

static unsigned int number_of(uint64_t threads)
{
	return (unsigned int)(threads >> NUMBER_SHIFT);
}

static uint64_t ended_of(uint64_t threads)
{
	return threads >> ENDED_SHIFT & MOST_THREADS;
}

unsigned int fusd_awaiting_enter(struct fusd_awaiting *awaiting)
{
	check_fork(awaiting);
	return number_of(atomic_fetch_add(&awaiting->threads, 1));
}

void fusd_awaiting_leave(struct fusd_awaiting *awaiting, unsigned int entered)
{
	uint64_t threads = awaiting->threads, fewer;

	do
		fewer = threads -
			(number_of(threads) == entered ? 1 : ONE_ENDED);
	while (!atomic_compare_exchange_weak(&awaiting->threads, &threads,
					     fewer));
}

void fusd_awaiting_end(struct fusd_awaiting *awaiting)
{
	uint64_t threads = awaiting->threads, ended;

	do
		ended = (uint64_t)(number_of(threads) + 1) << NUMBER_SHIFT |
			(ended_of(threads) + (threads & MOST_THREADS))
				<< ENDED_SHIFT;
	while (!atomic_compare_exchange_weak(&awaiting->threads, &threads,
					     ended));
}

bool fusd_awaiting_has_ended(struct fusd_awaiting *awaiting)
{
	return ended_of(awaiting->threads) > 0;
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * One thread waits for another, which knows it.
 *
 * A wait queue costs as much as a copy of some pages. Where one thread waits
 * for one event, it is known by its task instead: who waits sets the pointer
 * under device->lock, and takes it back, or sees under the lock that it was
 * taken, before it goes. Who wakes it reads the pointer under the lock.
 */
#ifndef KFUSD_WAKE_H
#define KFUSD_WAKE_H

#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "compat.h"

/*
 * Wakes a thread; is_handing_over if this one is about to sleep, so that the
 * other may have its CPU.
 */
static inline void kfusd_wake(struct task_struct *task, bool is_handing_over)
{
	struct wait_queue_entry entry = { .private = task };

	default_wake_function(&entry, TASK_NORMAL,
			      is_handing_over ? KFUSD_WF_HAND_OVER : 0, NULL);
}

/*
 * A look at what is waited for, before the wait; for as long as a budget says,
 * in ns. What is well spent doubles that for the next time, up to what the
 * driver wants; what is not halves it, down to a little. Threads share the
 * budget, and none minds.
 */
static inline u64 kfusd_look_end(const u32 *budget)
{
	return ktime_get_mono_fast_ns() + READ_ONCE(*budget);
}

static inline bool kfusd_may_look(u64 end)
{
	cpu_relax();
	return !need_resched() && !signal_pending(current) &&
	       ktime_get_mono_fast_ns() < end;
}

static inline void kfusd_looked(u32 *budget, u32 most_us, bool found)
{
	const u32 most = most_us * NSEC_PER_USEC;
	const u32 next = found ? *budget * 2 : *budget / 2;

	WRITE_ONCE(*budget, clamp(next, most / 16, most));
}

#endif /* KFUSD_WAKE_H */

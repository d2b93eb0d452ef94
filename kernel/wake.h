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

#include <linux/sched.h>
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

#endif /* KFUSD_WAKE_H */

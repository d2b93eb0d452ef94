/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of a process that is driver and client at once. */
#ifndef FUSD_OWN_REQUEST_H
#define FUSD_OWN_REQUEST_H

#include "internal.h"

/* Whether a request's pid is one of this process's threads. */
bool fusd_is_own_thread(pid_t thread);

/*
 * A function that takes an interpreter's lock and releases it, for a driver
 * whose callbacks need one; for the process. NULL, before the interpreter ends:
 * once this returns, no thread of the library's calls the one before, unless
 * that has kept the lock from it for a second. The caller must not have the
 * lock.
 */
void fusd_set_lock_probe(void (*take_and_release)(void));

/* Whether there is one. */
bool fusd_has_lock_probe(void);

/* A thread of this process has opened this device of its own, or may have. */
void fusd_own_request_seen(struct fusd_device *device);

#endif /* FUSD_OWN_REQUEST_H */

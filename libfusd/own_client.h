/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that is driver and client at once. */
#ifndef FUSD_OWN_CLIENT_H
#define FUSD_OWN_CLIENT_H

#include "internal.h"

/* What a guarded connection is called: fuse:MINOR or char:MAJOR:MINOR. */
#define FUSD_CONNECTION_SIZE 40

/* Whether a request's pid is one of this process's threads. */
bool fusd_is_own_thread(pid_t thread);

/*
 * Sees to it that the kernel cuts a connection if this process is killed, and
 * one of its threads cannot die because it waits for its own device. Waits
 * until that is so, or cannot be had. release takes it back. Any thread.
 */
void fusd_own_client_guard(const char *connection);
void fusd_own_client_release(const char *connection);

/*
 * own_request.c: a function that takes an interpreter's lock and releases it,
 * if its callbacks need one; for the process. And a thread of this process has
 * opened this device of its own.
 */
void fusd_set_lock_probe(void (*take_and_release)(void));
void fusd_own_request_seen(struct fusd_device *device);

#endif /* FUSD_OWN_CLIENT_H */

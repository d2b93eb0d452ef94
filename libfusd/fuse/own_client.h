/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that is driver and client at once, and is killed. */
#ifndef FUSD_FUSE_OWN_CLIENT_H
#define FUSD_FUSE_OWN_CLIENT_H

/* What a guarded connection is called: fuse:MINOR or char:MAJOR:MINOR. */
#define FUSD_CONNECTION_SIZE 40

/*
 * Sees to it that the kernel cuts a connection if this process is killed, and
 * one of its threads cannot die because it waits for its own device. Waits
 * until that is so, or cannot be had. release takes it back. Any thread.
 */
void fusd_own_client_guard(const char *connection);
void fusd_own_client_release(const char *connection);

#endif /* FUSD_FUSE_OWN_CLIENT_H */

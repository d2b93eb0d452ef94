/* SPDX-License-Identifier: BSD-3-Clause */
/* Serving one device for an interpreter, which has signals of its own. */
#ifndef FUSD_SERVE_H
#define FUSD_SERVE_H

/*
 * Waits for messages of a registered device, and dispatches them, until its
 * waits are ended since fusd_waits() gave waits, or until wake_fd is readable,
 * or a signal's handler ran: 0. Or -1 and errno: EBADF (it is no device, or not
 * any more), ENODEV (it was taken away), ENOMEM. The interpreter's lock is let
 * go of while it waits.
 */
int fusd_serve(int fd, unsigned int waits, int wake_fd);
/* For fusd_serve(); to be asked before the look at what else is to be done. */
unsigned int fusd_waits(int fd);
/* Any thread may call it, also in a callback. */
void fusd_end_waits_of(int fd);

#endif /* FUSD_SERVE_H */

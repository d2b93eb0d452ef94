/* SPDX-License-Identifier: BSD-3-Clause */
/* The seam between the library and the ways to reach a kernel. */
#ifndef FUSD_TRANSPORT_OPERATIONS_H
#define FUSD_TRANSPORT_OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fusd_attribute;
struct fusd_device;
struct fusd_options;
struct fusd_region;
struct fusd_request;

typedef int fusd_receiver(struct fusd_device *device,
			  struct fusd_request **request);

/* A transport; register.c opens devices through it, and dispatch.c serves. */
struct fusd_transport {
	const char *name;
	const char *summary; /* what its devices are, in a few words */

	/* 0 if it works here for this user, or -errno and fusd_error(). */
	int (*check)(void);

	/* Makes the node; sets fd, path and transport_data. 0 or -errno. */
	int (*open_device)(struct fusd_device *device,
			   const struct fusd_options *options);

	/*
	 * Memory for a request and its payload, as fusd_block_take() and
	 * fusd_block_give() have it. take_block leaves all but payload, clean,
	 * dirty and dirty_file to fusd_request_new(); NULL: no memory.
	 */
	struct fusd_request *(*take_block)(struct fusd_device *device);
	void (*give_block)(struct fusd_request *request);

	/*
	 * Takes one message without blocking. 0: a request for a callback is
	 * in *request, received. 1: a message the transport handled itself.
	 * -EAGAIN: none waits. -ENODEV: the device was taken away.
	 */
	fusd_receiver *receive;

	/*
	 * The same, but waits for a message: never -EAGAIN, but -EINTR, when a
	 * signal's handler ran, and -ECANCELED once device->waits_ended is not
	 * waits. Whoever increments that calls end_waits, which may be in a
	 * signal's handler, and makes every thread inside return; await does
	 * not miss one that comes just before it waits. Called without an
	 * interpreter's lock. NULL: await.c does it, by poll(2); that is so as
	 * well if open_device sets the device's awaits_by_poll.
	 */
	int (*await)(struct fusd_device *device, unsigned int waits,
		     struct fusd_request **request);
	void (*end_waits)(struct fusd_device *device);

	/*
	 * Sends answers whose may_wait is set, and which are waiting for the
	 * next receive or await. NULL: none do.
	 */
	void (*flush)(struct fusd_device *device);

	/*
	 * An ioctl's, seek's or poll_diff's callback is about to run: puts the
	 * open file's flags and position as they are now into msg. NULL:
	 * receive did.
	 */
	void (*refresh)(struct fusd_request *request);

	/*
	 * The callback left the request pending. Called under the device's
	 * lock. Returns true if its client has been interrupted by now.
	 */
	bool (*hold)(struct fusd_request *request);

	/*
	 * The request, which is pending, was put on its device's queue. Called
	 * under the device's lock. Returns true if its client has been
	 * interrupted by now. NULL: interrupts are messages of their own.
	 */
	bool (*queued)(struct fusd_request *request);

	/*
	 * The request, which is pending, has waited since it was received: on
	 * the queue, or, a close, for its file's other callbacks. Its callback
	 * is to see the open file as it is now. Called under the device's lock.
	 */
	void (*waited)(struct fusd_request *request);

	/*
	 * Makes the descriptor readable, as something is queued. NULL: the
	 * queue is found by the next dispatch only.
	 */
	void (*wake_dispatchers)(struct fusd_device *device);

	/*
	 * Makes the unblock request for an interrupted one and takes over the
	 * caller's reference to that; NULL if it found another end.
	 */
	struct fusd_request *(*unblock)(struct fusd_request *interrupted);

	/*
	 * The answer is in msg now (retval, offset, flags, private_info):
	 * notes what it changes in the open file. Under the device's lock.
	 */
	void (*commit)(struct fusd_request *request);

	/*
	 * Sends the answer that was committed, with length bytes at data for
	 * a read. 0, or -EPIPE if nobody waits.
	 */
	int (*reply)(struct fusd_request *request, const void *data,
		     size_t length);

	/*
	 * The callback has returned, and the request is answered or held. Gives
	 * what the driver is to be asked next, received, or NULL. NULL instead
	 * of the function: nothing, ever.
	 */
	struct fusd_request *(*follow)(struct fusd_request *request);

	/*
	 * Copies a region between its client and its data. Both give 0 or
	 * -errno. fetch is called from inside the ioctl's callback; without it
	 * there is no client memory. It may answer -EAGAIN: then reply, seeing
	 * is_retry, has to get all regions and to make the request anew. store
	 * is called before reply; without it reply stores.
	 */
	int (*fetch)(struct fusd_request *request, struct fusd_region *region);
	int (*store)(struct fusd_request *request,
		     const struct fusd_region *region);

	/*
	 * Adds a descriptor to the answer of an ioctl, which is pending: fd,
	 * or, if that is negative, one of a new open file with private_data. 0
	 * or -errno. NULL: answers bring none.
	 */
	int (*add_descriptor)(struct fusd_request *request, int fd,
			      void *private_data, int flags, ssize_t offset);

	/*
	 * A registered device's attribute has another value. The variables of
	 * all its uevents; or of one that is sent. 0 or -errno, with the
	 * sentence. NULL: devices have no attributes, and no uevents.
	 */
	int (*set_attribute)(struct fusd_device *device,
			     const struct fusd_attribute *attribute);
	int (*tell_uevent)(struct fusd_device *device,
			   const char *const *variables, size_t count,
			   bool is_sent);

	/* Takes the node away, so that the name is free. */
	void (*remove_node)(struct fusd_device *device);

	/*
	 * unregister has answered everything; other threads may still be inside
	 * a callback. Lets go of what the kernel has; fd stays a descriptor.
	 * May be called more than once. NULL: remove_node did.
	 */
	void (*disconnect)(struct fusd_device *device);

	/* The kernel sends an open file's reads and writes one by one. */
	bool lines_up_transfers;

	/* Around each callback and its answer, in its thread; or NULL. */
	void (*callback_begins)(struct fusd_device *device);
	void (*callback_ends)(struct fusd_device *device);

	/* Closes fd and frees transport_data. The last user is gone. */
	void (*close_device)(struct fusd_device *device);

	/*
	 * In a forked child that lets go of all devices: forgets what is kept
	 * for the process, whoever held the locks. NULL: nothing is.
	 */
	void (*forget)(void);
};

#endif /* FUSD_TRANSPORT_OPERATIONS_H */

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * kfusd: what the module's files share.
 *
 * A client's system call becomes a request (client.c, poll.c, mmap.c), waits
 * in its device's queue, is received by the driver (receive.c) and answered by
 * it (reply.c); request.c is the life in between, device.c the device's.
 *
 * Who owns what, and what ends its life
 *
 * A device is made by open(2) of the control file, becomes visible by the
 * register message, and is gone with the unregister message or when the control
 * file is released: its node and its name go then, at once, and every call on
 * it fails with EPIPE. The structure lives on while files are open (a zombie):
 * references belong to the control file and to each open file.
 *
 * An open file is made by a client's open(2). References belong to its struct
 * file and to each of its requests. After a successful FUSD_OPEN exactly one
 * FUSD_CLOSE follows: sent by release, or, if the client left before the
 * answer came, when that comes.
 *
 * A request's references belong to the client that waits for it, to each of
 * its messages in the device's queue or in the driver's hands half received,
 * and to the device's table from when it is sent until it is answered or
 * given up. The open file has one more for a request left behind by a signal
 * and for the poll_diff it waits for.
 *
 * Exactly one of these ends a request, and takes it out of the table: the
 * driver's reply, the client's leaving, the device's end. They find the
 * request through the table, by the cookie fusd_msg_t.hint, and compare the
 * other two cookies; no address of the kernel's ever leaves it.
 *
 * Locks, in the order in which they are taken
 *
 *   client's mmap_lock (mmap only)
 *     devices_lock, a mutex: names, classes, minors, the list of devices.
 *       Never on the path of a request.
 *     device->receive_lock, a mutex: one receiver at a time. Held while
 *       copying to the driver's memory; clients never take it.
 *       device->lock, a spinlock: the queue, requests' states, open files.
 *         the table's own lock, wait queues' locks.
 *
 * Nothing is copied to or from user memory, and nothing sleeps, under
 * device->lock.
 */
#ifndef KFUSD_H
#define KFUSD_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "fusd_control.h"
#include "fusd_msg.h"

#include "compat.h"

struct kfusd_class;

enum kfusd_device_state {
	KFUSD_NEW, /* the control file is open, nothing is registered */
	KFUSD_LIVE,
	KFUSD_GONE, /* for good */
};

/* Buffers kept for the next request of a device. */
#define KFUSD_SPARE_BUFFERS 2

struct kfusd_buffer {
	void *data; /* kvmalloc'ed, or NULL */
	size_t size;
};

struct kfusd_device {
	struct kref ref;
	enum kfusd_device_state state; /* device->lock and devices_lock */

	/* Constant once the device is live. */
	char name[FUSD_MAX_NAME_LENGTH + 1];
	char devname[FUSD_MAX_NAME_LENGTH + 1];
	umode_t mode;
	void *device_info; /* the driver's; meaningless here */
	u64 options;
	u32 minor;
	pid_t pid;
	struct kfusd_class *class;
	struct device *sysfs;
	struct pid_namespace *pid_ns; /* what clients' ids are told in */
	struct user_namespace *user_ns;

	struct list_head entry; /* devices_lock */

	spinlock_t lock;
	struct list_head queue;	     /* lock; messages to be received */
	struct list_head files;	     /* lock */
	struct xarray requests;	     /* by hint; see request.c */
	unsigned long last_transid;  /* lock */
	unsigned long last_file_id;  /* lock */
	unsigned int open_files;     /* lock */
	struct pid *server;	     /* lock; the thread that received last */
	struct mm_struct *server_mm; /* only compared, never followed */

	atomic_long_t bytes; /* of data that requests may hold */

	struct mutex receive_lock;
	/* Header received, data not yet; a reference. receive_lock. */
	struct kfusd_message *partial;
	wait_queue_head_t receive_wait;

	spinlock_t pool_lock;
	struct kfusd_buffer spares[KFUSD_SPARE_BUFFERS]; /* pool_lock */
};

struct kfusd_file {
	struct kref ref;
	struct kfusd_device *device; /* a reference */
	unsigned long id;	     /* the cookie fusd_file */
	struct list_head entry;	     /* device->lock */
	void *private_info;	     /* device->lock; the driver's */
	/* Requests that signals made their clients leave. device->lock. */
	struct list_head left;

	/* The poll_diff exchange: poll.c. device->lock. */
	unsigned int cached_state;
	bool never_ask;
	struct kfusd_request *poll_request; /* a reference */
	wait_queue_head_t poll_wait;
};

enum kfusd_request_state {
	KFUSD_REQUEST_NEW,	/* not sent */
	KFUSD_REQUEST_QUEUED,	/* the driver has not seen it */
	KFUSD_REQUEST_SENT,	/* the driver has it */
	KFUSD_REQUEST_REPLYING, /* a reply's data is being copied */
	KFUSD_REQUEST_DONE,	/* answered; nothing changes any more */
};

/* Something for the driver to receive; lives inside its request. */
struct kfusd_message {
	struct list_head entry; /* device->lock; device->queue, or empty */
	struct kfusd_request *request;
	short subcmd;
};

/* Data up to this size needs no buffer of its own. */
#define KFUSD_INLINE_SIZE 64

struct kfusd_request {
	struct kref ref;
	struct kfusd_file *file;	/* a reference */
	enum kfusd_request_state state; /* device->lock */
	bool abandoned; /* device->lock; the client left for good */
	bool is_left;	/* device->lock; on file->left */
	struct kfusd_message call;
	struct kfusd_message unblock;
	wait_queue_head_t wait;

	struct list_head left; /* device->lock; file->left */
	struct pid *left_by;   /* a reference, while is_left */

	/* The call; constant once sent. */
	short cmd;
	u32 hint;
	unsigned long transid;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	unsigned int flags;
	void *sent_private_info;
	size_t length;
	loff_t offset;
	unsigned int number; /* ioctl request, or cached poll state */
	unsigned long argument;
	unsigned long mmprot;
	unsigned long mmflags;
	unsigned long mmoffset;
	size_t datalen; /* bytes of data that go to the driver */

	size_t charged; /* bytes counted in device->bytes */
	void *data;
	struct kfusd_buffer buffer;

	/* The answer; written before the state becomes DONE. */
	ssize_t retval;
	void *reply_data;
	size_t reply_size; /* bytes there, for an ioctl */
	bool has_reply_data;
	loff_t reply_offset;
	unsigned int changed_flags;
	unsigned int reply_flags;
	struct file *map_file; /* a reference; of an mmap */
	pgoff_t map_pgoff;
	size_t map_length;
	unsigned long map_flags; /* vm_flags of the driver's own mapping */

	u8 inline_data[KFUSD_INLINE_SIZE]; /* last: not cleared */
};

/* main.c: module parameters */
extern unsigned int kfusd_max_devices;
extern unsigned int kfusd_max_open_files;
extern unsigned long kfusd_max_queued_bytes;

/* device.c */
extern struct mutex kfusd_devices_lock;
extern struct list_head kfusd_devices; /* kfusd_devices_lock */
int kfusd_devices_init(const struct file_operations *client_operations);
void kfusd_devices_exit(void);
struct kfusd_device *kfusd_device_new(void);
void kfusd_device_put(struct kfusd_device *device);
/* Makes the node. 0, -EINVAL, -EEXIST, -ENOSPC, -ENOMEM ... */
int kfusd_device_register(struct kfusd_device *device,
			  const register_msg_t *message);
/* Takes the node away and ends every request with EPIPE. -ENODEV: no device. */
int kfusd_device_end(struct kfusd_device *device);
/* The live device of a minor, with a reference; NULL if there is none. */
struct kfusd_device *kfusd_device_find(unsigned int minor);

/* request.c */
int kfusd_requests_init(void);
void kfusd_requests_exit(void);
/*
 * A request of this thread on file, with room for length bytes counted.
 * ERR_PTR: -ENOMEM, -ENOBUFS (too many bytes wait already).
 */
struct kfusd_request *kfusd_request_new(struct kfusd_file *file, short subcmd,
					size_t length, unsigned int flags);
void kfusd_request_put(struct kfusd_request *request);
/* Under device->lock; the caller has another reference. */
void kfusd_request_put_locked(struct kfusd_request *request);
/* Gives the request memory for length bytes of data; -ENOMEM. */
int kfusd_request_make_data(struct kfusd_request *request, size_t length);
/* Queues it for the driver; -EPIPE if that is gone. */
int kfusd_request_send(struct kfusd_request *request);
/*
 * Sends a request and waits for its answer. Takes over the caller's reference
 * and returns one to the answered request: the same, or the one that this
 * call, restarted after a signal, had sent before. ERR_PTR: -EPIPE,
 * -ERESTARTSYS.
 */
struct kfusd_request *kfusd_call(struct kfusd_request *request);
/*
 * The answer. Under device->lock; the driver's reference is the caller's
 * afterwards, to be put without the lock.
 */
void kfusd_request_complete(struct kfusd_request *request, ssize_t retval);
/* Nobody waits any more. Under device->lock, by a holder of a reference. */
void kfusd_request_abandon(struct kfusd_request *request);
/* Sends FUSD_CLOSE for a file, and waits if asked to. */
void kfusd_send_close(struct kfusd_file *file, unsigned int flags, bool wait);
/* Forgets the requests that signals left behind on a file. */
void kfusd_drop_left(struct kfusd_file *file);

/* buffer.c: memory for data, and a few spare buffers for each device */
int kfusd_buffer_take(struct kfusd_device *device, struct kfusd_buffer *buffer,
		      size_t size);
void kfusd_buffer_give(struct kfusd_device *device,
		       struct kfusd_buffer *buffer);
void kfusd_buffers_free(struct kfusd_device *device);

/* control.c: the driver's side */
int kfusd_control_init(void);
void kfusd_control_exit(void);

/* receive.c */
/* The next header, or the data that belongs to the last one. */
ssize_t kfusd_receive(struct kfusd_device *device, char __user *buffer,
		      size_t length, bool nonblocking);
bool kfusd_may_receive(struct kfusd_device *device);

/* reply.c */
/* A reply whose header is message; its data comes next. Bytes or -errno. */
ssize_t kfusd_reply(struct kfusd_device *device, const fusd_msg_t *message,
		    struct iov_iter *data);

/* client.c */
extern const struct file_operations kfusd_client_operations;
void kfusd_file_get(struct kfusd_file *file);
void kfusd_file_put(struct kfusd_file *file);

/* poll.c */
__poll_t kfusd_client_poll(struct file *filp, poll_table *table);
/* The driver's answer to a poll_diff. Under device->lock. */
void kfusd_poll_answered(struct kfusd_request *request, ssize_t retval);
/* A read or write was answered: INPUT or OUTPUT is not known any more. */
void kfusd_poll_transferred(struct kfusd_file *file, short subcmd);
/* Gives up the file's poll_diff. */
void kfusd_poll_cancel(struct kfusd_file *file);

/* mmap.c */
int kfusd_client_mmap(struct file *filp, struct vm_area_struct *vma);
/* In the driver: finds the file behind what it answered with. */
int kfusd_find_mapping(struct kfusd_request *request, unsigned long address,
		       size_t length);

/* status.c */
int kfusd_status_init(void);
void kfusd_status_exit(void);
/* The list of devices changed. */
void kfusd_status_changed(void);

#endif /* KFUSD_H */

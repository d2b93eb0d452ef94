/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * kfusd: what the module's files share.
 *
 * A client's system call becomes a request (transfer.c, ioctl.c, splice.c,
 * poll.c, mmap.c, seek.c, sync.c, client.c), waits in its device's queue, is
 * received by the driver (receive.c) and answered by it (reply.c); request.c is
 * the life in between, interrupt.c what becomes of it when a signal makes the
 * client leave.
 *
 * The files, from the bottom up; each uses only what is below it
 *
 *   trace.c               tracepoints
 *   buffer.c ring.c       memory for requests' data; what a driver maps of it
 *   sysfs.c               names; attributes and variables of uevents
 *   device.c              a device's life; the list of all devices
 *   file.c                an open file's life; what its user may have
 *   request.c             a request's life, from made to completed or abandoned
 *   kept.c                answers that were taken, for whoever reads next
 *   interrupt.c           a call's wait; what a signal parks is taken up again
 *   poll.c mmap.c         poll(2) and mmap(2), and what replies do to them
 *   nonblock.c            reads and writes that are not to wait
 *   transfer.c            read(2), write(2)
 *   seek.c sync.c         lseek(2); fsync(2), and each close(2)
 *   descriptor.c          descriptors that an answer brings its client
 *   ioctl.c splice.c      ioctl(2); splice(2)
 *   receive.c reply.c     what a driver receives; what it replies
 *   enter.c               the fast path: both in one call
 *   number.c              device numbers
 *   register.c            how a device becomes visible: name, class, node
 *   client.c control.c    /dev/NAME; /dev/fusd/control
 *   status.c main.c       /dev/fusd/status; the module
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
 * FUSD_CLOSE follows: sent by release, or, if the client did not come back for
 * the answer, when that is known. So it is with an open file that an ioctl's
 * answer brings its client.
 *
 * A request's references belong to the client that waits for it, to its unblock
 * in the device's queue, to each of its messages that a driver is receiving or
 * has received half, and to the device's table from when it is sent until it is
 * answered or given up. The client's reference goes to interrupt.c's lists when
 * a signal makes the client leave. The open file has one more for the poll_diff
 * that is outstanding with the driver.
 *
 * Exactly one of these ends a request, and takes it out of the table: the
 * driver's reply, the client's leaving, the device's end; of a flush whose
 * client does not wait, that the driver receives it. A reply finds its request
 * through the table, by the cookie fops_msg_t.hint, and compares the other two
 * cookies; no address of the kernel's ever leaves it.
 *
 * Locks, from the outermost inwards
 *
 *   kfusd_status_reader.lock (status.c), a mutex: one reader of a status
 *     descriptor at a time. Held while copying to the reader's memory, where
 *     a page fault takes the reader's mmap_lock.
 *     kfusd_devices_lock, a mutex: names, classes, the list of devices.
 *       Never on the path of a request; nothing that user space can stall
 *       is done under it, no path is looked up. The driver core takes its
 *       locks inside.
 *       kfusd_numbers.xa_lock (number.c): from a number to its device.
 *   ring->posted_lock, a mutex: one thread at a time takes posted replies.
 *     Nothing is copied from the driver's memory under it.
 *   device->receive_lock, a mutex: one receiver at a time. Held while copying
 *     to the driver's memory, where a page fault takes the driver's mmap_lock;
 *     only receivers take it.
 *   The client's mmap_lock: mmap(2) holds it, while it waits, too.
 *   The pipe's lock: splice(2) holds it, but not while it waits.
 *
 * Inside any of these, or alone
 *
 *   device->lock, a spinlock: the queue, requests' states, open files.
 *     device->requests.xa_lock: the table. The locks of the wait queues
 *       device->receive_wait and file->poll_wait.
 *   device->pool_lock, a spinlock: the spare buffers.
 *   ring->lock, a spinlock: who has which slots.
 *   device->texts.lock, a spinlock: what sysfs and uevents show.
 *   The f_lock of a client's struct file: the flags that an answer changes.
 *
 * Alone
 *
 *   The client's siglock: which signals it is about to handle.
 *   The driver's mmap_lock: what it has mapped, when it answers an mmap.
 *   kfusd_devices_wait.lock: who waits for the list of devices to change.
 *
 * Nothing is copied to or from user memory, and nothing sleeps, under
 * device->lock. Every wait for a driver or a client can be killed and frozen.
 */
#ifndef KFUSD_H
#define KFUSD_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "fusd_control.h"
#include "fusd_msg.h"

#include "compat.h"
#include "ring.h"
#include "texts.h"

struct cdev;
struct kfusd_class;

enum kfusd_device_state {
	KFUSD_NEW, /* the control file is open, nothing is registered */
	KFUSD_LIVE,
	KFUSD_GONE, /* for good */
};

/* So many requests of a device need no memory to be found: bits of a u64. */
#define KFUSD_FEW_REQUESTS 64

/* Buffers kept for the next request of a device. */
#define KFUSD_SPARE_BUFFERS 2

struct kfusd_buffer {
	void *data; /* kvmalloc'ed, or NULL */
	size_t size;
};

/* A user's share of a device's limits: file.c. */
struct kfusd_user {
	struct list_head entry; /* device->lock */
	kuid_t uid;
	bool is_privileged; /* may have all that is left */
	unsigned int files; /* device->lock */
	atomic_long_t bytes;
};

struct kfusd_device {
	struct kref ref;
	enum kfusd_device_state state; /* device->lock and devices_lock */

	/* Constant once the device is live; the number under devices_lock. */
	char name[FUSD_MAX_NAME_LENGTH + 1];
	char devname[FUSD_MAX_NAME_LENGTH + 1];
	umode_t mode;
	void *device_info; /* the driver's; meaningless here */
	u64 options;
	struct kfusd_ring *ring;   /* of the fast path, or NULL */
	struct fusd_ioctl *ioctls; /* kmalloc'ed; what numbers really are */
	unsigned int ioctl_count;
	bool has_number;       /* which the driver chose */
	dev_t number;	       /* that, or the one that it got */
	struct cdev *cdev;     /* of a number of another major; devices_lock */
	struct pid *driver;    /* a reference; the process that registered */
	struct pid *registrar; /* a reference; its thread that did */
	struct mm_struct *mm;  /* its memory: mmgrab()bed, only compared */
	struct kfusd_class *class;
	struct device *sysfs;
	struct pid_namespace *pid_ns; /* what clients' ids are told in */
	struct user_namespace *user_ns;

	struct file *control; /* there until the device is gone; no reference */

	struct list_head entry; /* devices_lock */

	spinlock_t lock;	/* what follows, down to server_mm */
	struct list_head queue; /* messages to be received */
	struct list_head files;
	struct list_head users;
	/* By hint, see request.c: the first ones, and all others. */
	struct kfusd_request *few[KFUSD_FEW_REQUESTS];
	u64 few_used; /* bits of few */
	struct xarray requests;
	unsigned long last_transid;
	unsigned long last_file_id;
	unsigned int open_files;
	unsigned int charged_files; /* open, being opened, being closed */
	/* Requests whose threads a signal took away: interrupt.c. */
	struct list_head parked;
	struct rb_root parked_opens;
	struct task_struct *receiver; /* it waits in enter.c; no reference */
	struct pid *server; /* a reference; the thread that received last */
	struct mm_struct *server_mm; /* only compared, never followed */

	struct delayed_work sweep;  /* interrupt.c; queued while it is live */
	struct delayed_work rescue; /* enter.c; the same */

	atomic_long_t bytes; /* that requests take */

	struct mutex receive_lock; /* partial, and whose turn it is */
	/* Header received, data not yet; a reference. receive_lock. */
	struct kfusd_message *partial;
	wait_queue_head_t receive_wait;

	struct kfusd_texts texts;

	spinlock_t pool_lock;				 /* spares */
	struct kfusd_buffer spares[KFUSD_SPARE_BUFFERS]; /* pool_lock */
};

/* Who makes a call, in the ids of the driver's namespaces. */
struct kfusd_ids {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

struct kfusd_file {
	struct kref ref;
	struct kfusd_device *device; /* a reference */
	struct kfusd_user *user;
	struct kfusd_ids opener;
	unsigned long id;	/* the cookie fusd_file */
	struct list_head entry; /* device->lock; device->files, if open */
	void *private_info;	/* device->lock; the driver's */

	/* interrupt.c. device->lock. */
	struct rb_root parked; /* requests whose threads a signal took away */
	struct list_head kept; /* answered reads for whoever reads next */
	unsigned int kept_count;
	unsigned int earlier_count; /* of both; read without the lock */

	/* The poll_diff exchange: poll.c. device->lock. */
	unsigned int cached_state;
	bool never_ask; /* the driver has answered with an error */
	struct kfusd_request *poll_request; /* outstanding; a reference */
	unsigned int word_waiters; /* on poll_wait, for what nonblock.c asks */
	wait_queue_head_t poll_wait;
	struct fasync_struct
		*async; /* who wants SIGIO; the kernel's own lock */
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
	bool in_hand;		/* device->lock; a receiver is copying it */
	struct kfusd_request *request;
	short subcmd;
};

/* A descriptor that an answer is to bring its client: descriptor.c. */
struct kfusd_descriptor {
	struct kfusd_descriptor *next;
	struct file *file;	  /* a reference; what the client gets */
	struct kfusd_file *child; /* a reference, until file is made of it */
	u32 flags;
	u32 offset; /* of its number in the reply's data, or the result */
	int number; /* the client's, or -1 */
};

/* Data up to this size needs no buffer of its own. */
#define KFUSD_INLINE_SIZE 64

struct kfusd_request {
	struct kref ref;
	struct kfusd_file *file;	/* a reference */
	enum kfusd_request_state state; /* device->lock */
	bool abandoned; /* device->lock; the client left for good */
	struct kfusd_message call;
	struct kfusd_message unblock;
	struct task_struct
		*waiter; /* device->lock; its client's, no reference */
	bool hands_over; /* device->lock; who answers is about to sleep */

	/* interrupt.c. device->lock. */
	bool is_parked;		    /* on device->parked and in a tree */
	bool was_interrupted;	    /* left by a signal once, not by a pause */
	bool sees_eintr;	    /* its client will, while it is parked */
	bool is_overdue;	    /* an open nobody came back for in time */
	bool is_unawaited;	    /* a flush that is over once received */
	struct rb_node parked_node; /* in kfusd_parked_tree() */
	struct list_head entry; /* device->parked, file->kept, a local list */
	struct pid *parked_by;	/* a reference, from the first leaving on */

	/* The call; constant once sent. */
	short cmd;
	u32 hint;
	unsigned long transid;
	struct kfusd_ids ids;
	unsigned int flags;
	void *sent_private_info;
	size_t length;
	loff_t offset;
	loff_t file_position; /* the open file's when the call was made */
	bool is_at_position;  /* offset is that, not pread's; device->lock */
	union {		      /* fops_msg_t.cmd */
		unsigned int ioctl_number;
		unsigned int asked_state; /* of a poll_diff: poll.c */
		unsigned int whence; /* of a seek; argument is the offset */
		unsigned int is_datasync; /* of an fsync */
	};

	/* Of a poll_diff: nonblock.c. device->lock. */
	bool is_held;	 /* the driver said so */
	bool is_unheard; /* a client has waited for the driver's word in vain */

	unsigned long argument;
	unsigned long mmprot;
	unsigned long mmflags; /* of an ioctl: FUSD_CLIENT_32BIT or 0 */
	unsigned long mmoffset;
	size_t datalen; /* bytes of data that go to the driver */

	/* trace.h; in ns, or 0. device->lock. */
	u64 queued_at;
	u64 received_at;

	size_t charged; /* bytes counted in the device's and the user's */
	void *data;
	struct kfusd_buffer buffer;
	int slot;	       /* of the device's ring, or -1 */
	bool is_slot_received; /* device->lock; the driver has it, too */

	/* The answer; written before the state becomes DONE. */
	ssize_t retval;
	void *reply_data;
	size_t reply_size; /* bytes there, for an ioctl */
	/* Of an ioctl's; device->lock while the driver has the request. */
	struct kfusd_descriptor *descriptors;
	unsigned int descriptor_count;
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

/* buffer.c: memory for data, and a few spare buffers for each device */
int kfusd_buffer_take(struct kfusd_device *device, struct kfusd_buffer *buffer,
		      size_t size);
void kfusd_buffer_give(struct kfusd_device *device,
		       struct kfusd_buffer *buffer);
void kfusd_buffers_free(struct kfusd_device *device);
/* The memory that data of a size takes. */
size_t kfusd_buffer_size(size_t size);

/* The most bytes of a read or write. */
static inline size_t kfusd_max_transfer(const struct kfusd_device *device)
{
	return device->ring ? device->ring->max_transfer : MAX_RW_SIZE;
}

/* Whether its open files have no position, whatever the driver answers. */
static inline bool kfusd_is_stream(const struct kfusd_device *device)
{
	return device->options & FUSD_OPTION_STREAM;
}

/* Whether the driver's poll state says what would wait. */
static inline bool kfusd_tells_waits(const struct kfusd_device *device)
{
	return device->options & FUSD_OPTION_NONBLOCK &&
	       !(device->options & FUSD_OPTION_ALWAYS_READY);
}

/* device.c */
extern struct mutex kfusd_devices_lock;
extern struct list_head kfusd_devices; /* kfusd_devices_lock */
/* Counts the changes of what the list of devices says; status.c waits. */
extern atomic_t kfusd_devices_generation;
extern wait_queue_head_t kfusd_devices_wait;
void kfusd_devices_changed(void);
/* A device that is not registered, of the caller's namespaces; NULL: ENOMEM. */
struct kfusd_device *kfusd_device_new(void);
void kfusd_device_put(struct kfusd_device *device);

/* file.c: open files, and what their users may have */
/*
 * An open file of this thread's, not yet listed, with a reference to device.
 * ERR_PTR: -ENXIO, -EDEADLK, -ENFILE, -ENOMEM.
 */
struct kfusd_file *kfusd_file_new(struct kfusd_device *device);
/*
 * An open file that a call on parent made, of the client ids, who opened parent
 * or got it. ERR_PTR: -ENXIO, -ENFILE, -ENOMEM.
 */
struct kfusd_file *kfusd_file_new_child(struct kfusd_file *parent,
					const struct kfusd_ids *ids);
void kfusd_file_get(struct kfusd_file *file);
void kfusd_file_put(struct kfusd_file *file);
/* The file was opened: it is among device->files. */
void kfusd_file_list(struct kfusd_file *file);
/* The file is being closed. */
void kfusd_file_unlist(struct kfusd_file *file);
/* Counts bytes for a request; false if the user may not have them. */
bool kfusd_charge_request(struct kfusd_request *request, size_t bytes);
void kfusd_uncharge_request(struct kfusd_request *request);
/*
 * Whether this thread, which closes, may wait for the driver. An exiting
 * process could not be killed while it waits, a kernel thread, which puts files
 * for others, would keep those waiting, and the thread that serves the device
 * would wait for itself.
 */
bool kfusd_may_wait_to_close(const struct kfusd_file *file);
/* This thread's ids, as the driver of device is told them. */
struct kfusd_ids kfusd_ids_of_current(const struct kfusd_device *device);

/* request.c: a request, from made to completed or abandoned */
int kfusd_requests_init(void);
void kfusd_requests_exit(void);
/*
 * A request of this thread on file that asks for length bytes. ERR_PTR:
 * -ENOMEM, -ENOBUFS (too much waits already).
 */
struct kfusd_request *kfusd_request_new(struct kfusd_file *file, short subcmd,
					size_t length, unsigned int flags);
/* A poll_diff, counted for nobody. NULL: no memory. */
struct kfusd_request *kfusd_request_new_poll(struct kfusd_file *file,
					     unsigned int flags);
void kfusd_request_put(struct kfusd_request *request);
/* Under device->lock; the caller has another reference. */
void kfusd_request_put_locked(struct kfusd_request *request);
/* Gives the request memory for length bytes of data; -ENOMEM, -ENOBUFS. */
int kfusd_request_make_data(struct kfusd_request *request, size_t length);
/*
 * Gives a request that is not sent yet a slot for length bytes, if there is a
 * ring, and one is free. NULL, or its memory.
 */
void *kfusd_request_take_slot(struct kfusd_request *request, size_t length);
/* Memory for an answer's data, which is counted but not refused; -ENOMEM. */
int kfusd_request_make_reply(struct kfusd_request *request, size_t length);
/*
 * The request with these cookies, if the driver has it; under device->lock.
 * NULL: it is over, or never was.
 */
struct kfusd_request *kfusd_request_find(struct kfusd_device *device,
					 unsigned int hint,
					 unsigned long transid,
					 unsigned long file_id);
/*
 * Whether an answer makes open files, which are closed if they reach nobody. So
 * the answer is taken even if nobody waits for it. Under device->lock.
 */
static inline bool kfusd_makes_files(const struct kfusd_request *request)
{
	return request->call.subcmd == FUSD_OPEN || request->descriptors;
}

/*
 * Lets go of descriptors that the client of an answered request did not get.
 * The driver is told of the open files among them, unless it has answered with
 * an error.
 */
void kfusd_drop_descriptors(struct kfusd_request *request);
/*
 * Queues the request for the driver; this thread will wait for it, or nobody.
 * -EPIPE if the device is gone, -ENOMEM.
 */
int kfusd_request_send(struct kfusd_request *request);
/*
 * Waits for the answer in a state such as TASK_INTERRUPTIBLE, for at most as
 * many jiffies. 0, -ERESTARTSYS, -ETIMEDOUT.
 */
int kfusd_request_wait(struct kfusd_request *request, unsigned int state,
		       long timeout);
/* The same for who cannot come back, until the thread is killed. */
void kfusd_wait_killable(struct kfusd_request *request);
static inline bool kfusd_is_done(const struct kfusd_request *request)
{
	/* Pairs with kfusd_request_complete(): what the reply wrote is seen. */
	return smp_load_acquire(&request->state) == KFUSD_REQUEST_DONE;
}

/*
 * Ends the request with an answer. Under device->lock; the table's reference is
 * the caller's afterwards, to be put without the lock.
 */
void kfusd_request_complete(struct kfusd_request *request, ssize_t retval);
/* Ends every request of a device that is gone with EPIPE. */
void kfusd_end_requests(struct kfusd_device *device);
/*
 * The client waits no more, and will not come back. Under device->lock; the
 * caller has a reference besides the table's.
 */
void kfusd_request_abandon(struct kfusd_request *request);
/* Under device->lock: a thread that receives looks again. */
void kfusd_wake_receiver(struct kfusd_device *device);
/* Tells the driver, if it asked for that, that a call was interrupted. */
void kfusd_send_unblock(struct kfusd_request *request);
/* Sends FUSD_CLOSE for a file, and waits if asked to. */
void kfusd_send_close(struct kfusd_file *file, unsigned int flags,
		      const struct kfusd_ids *ids, bool wait);

/* kept.c: answers that were taken, for whoever reads next */
/*
 * Under device->lock: counts what a call on a file may find, kept or parked. A
 * thread that comes back looks at the count without the lock, and must not miss
 * its own request, whatever is done to that meanwhile.
 */
void kfusd_count_earlier(struct kfusd_file *file, int change);
/* Under device->lock: an answered read is for whoever reads the file next. */
void kfusd_add_kept(struct kfusd_request *answer);
/*
 * A reader could not take all of an answer: what begins at consumed is for the
 * next one. Takes over the caller's reference.
 */
void kfusd_keep_answer(struct kfusd_request *answer, size_t consumed);
/* Whether two calls are at the same place of their file. */
bool kfusd_is_same_place(const struct kfusd_request *one,
			 const struct kfusd_request *other);
/* An answer that was kept, for a read at its place; NULL if there is none. */
struct kfusd_request *kfusd_take_kept(const struct kfusd_request *call);
/*
 * Whether a read at position, the file's, would find what was kept; under
 * device->lock.
 */
bool kfusd_has_kept(const struct kfusd_file *file, loff_t position);
/* Whether no more answers may be kept; under device->lock. */
bool kfusd_is_kept_full(const struct kfusd_file *file);
/* What is kept stays where it was read; under device->lock. */
void kfusd_pin_kept(struct kfusd_file *file);
/* Moves all that is kept to a list, with its references; under device->lock. */
void kfusd_drop_kept(struct kfusd_file *file, struct list_head *dropped);

/* interrupt.c: calls, and requests that signals parked */
int kfusd_interrupt_init(void);
void kfusd_interrupt_exit(void);
/* Makes a new device's lists of parked requests. */
void kfusd_interrupt_prepare(struct kfusd_device *device);
/*
 * Sends a request and waits for its answer. Takes over the caller's reference
 * and returns one to the answered request: the same; or the one that this
 * call, come again after a signal, had sent before; or, for a read, an answer
 * that was kept. ERR_PTR: -EPIPE, -ERESTARTSYS, -ERESTARTNOINTR, -ENOMEM, and
 * -EINTR in a worker of io_uring's.
 */
struct kfusd_request *kfusd_call_driver(struct kfusd_request *request);
/*
 * The same for a flush, by rule 9; wait tells whether its client may. NULL: the
 * driver is told, and nobody waits. ERR_PTR: -EPIPE, -EINTR, -ENOMEM.
 */
struct kfusd_request *kfusd_call_flush(struct kfusd_request *request,
				       bool wait);
/*
 * Under device->lock, as a reply with datalen bytes comes: gives up a parked
 * request whose answer would reach nobody. If true, the reference of the list
 * of parked requests is the caller's.
 */
bool kfusd_refuse_parked(struct kfusd_request *request, size_t datalen);
/*
 * Under device->lock, when the driver has answered a parked request. A request
 * that ends with EPIPE needs no such call: it stays parked for its thread.
 */
void kfusd_parked_answered(struct kfusd_request *request);
/* The client has set the file's position: what was read stays where it was. */
void kfusd_position_set(struct kfusd_file *file);

/* Gives up what is parked and kept on a file that is being closed. */
void kfusd_drop_parked(struct kfusd_file *file);
/* Gives up the parked opens of a device that is gone. */
void kfusd_drop_parked_opens(struct kfusd_device *device);

/* poll.c */
/*
 * Under device->lock: whether the driver is to be asked, because no poll_diff
 * with the cached state is outstanding.
 */
bool kfusd_has_to_ask(const struct kfusd_file *file);
/* kfusd_poll_ask() on behalf of this thread. */
void kfusd_ask_as_current(struct kfusd_file *file, const struct file *filp);
__poll_t kfusd_client_poll(struct file *filp, poll_table *table);
int kfusd_client_fasync(int descriptor, struct file *filp, int on);
/*
 * The driver answers a poll_diff with retval. Under device->lock. Whether the
 * caller has to call kfusd_poll_ask() when it has let go of the lock.
 */
bool kfusd_poll_answered(struct kfusd_request *request, ssize_t retval);
/* The device of an open file is gone. Under device->lock. */
void kfusd_poll_end(struct kfusd_file *file);
/*
 * A read or write is being answered; under device->lock. Whether the caller has
 * to call kfusd_poll_ask() when it has let go of the lock.
 */
bool kfusd_poll_transferred(struct kfusd_file *file, short subcmd);
/*
 * Asks the driver on behalf of ids, unless a poll_diff with the cached state is
 * outstanding.
 */
void kfusd_poll_ask(struct kfusd_file *file, unsigned int flags,
		    loff_t position, const struct kfusd_ids *ids);
/* Abandons the file's poll_diff; it is being closed. */
void kfusd_poll_cancel(struct kfusd_file *file);

/* mmap.c */
int kfusd_mmap_init(void);
void kfusd_mmap_exit(void);
int kfusd_client_mmap(struct file *filp, struct vm_area_struct *vma);
/*
 * In the driver, which answers an mmap with memory of its own: finds the file
 * behind it. 0, -EINVAL, -EINTR.
 */
int kfusd_find_mapping(struct kfusd_request *request, unsigned long address,
		       size_t length);

/* nonblock.c */
/*
 * Before a read or write that is not to wait is sent: 0, or -EAGAIN if it would
 * wait, or -ERESTARTSYS. With may_pause a driver that has not said so has a
 * moment to do so.
 */
int kfusd_check_ready(struct file *filp, short subcmd, size_t length,
		      bool may_pause);
/* FUSD_CONTROL_HELD of a device. 0, -EFAULT, -EINVAL, -EPIPE. */
int kfusd_take_held(struct kfusd_device *device,
		    const struct fusd_control_held __user *user);

#endif /* KFUSD_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What libfusd's files share.
 *
 * Data flows one way: a transport receives a request (fusd_msg_t and data),
 * dispatch.c calls the callback, request.c gives the answer back to the
 * transport. Inside the library functions return 0 or a positive value, or
 * -errno; only the public functions turn that into -1 and errno.
 *
 * Locks, in the order in which they may be taken:
 *   round_lock (fuse/attendant.c), while the attendant receives;
 *   registry_lock (registry.c);
 *   a device's queue.fill_lock;
 *   a device's queue.lock, or, on kfusd, its receive_lock (kfusd/kfusd.c);
 *   a device's lock;
 *   pool_lock (block_pool.c), and those that libfuse has inside.
 * The other locks are each of one file, come last, and none is taken inside
 * another: helpers.lock (client_copy.c), probe.lock
 * (own_request.c), watch.lock (stalled.c), and, in fuse/, attendant.lock
 * (attendant.c), guard.lock (own_client.c), taking_lock (node.c), watchers_lock
 * (death_watcher.c), numbers_lock (cuse_number.c), fork_lock and a session's
 * awaiting.lock (awaiting.c), and its descriptor_file.lock
 * (client_descriptor.c). No lock is held while a callback runs.
 */
#ifndef FUSD_INTERNAL_H
#define FUSD_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <pthread.h>

#undef FUSD_KOR_API
#include "fusd.h"

#include "transport_operations.h"

/* A program that carries the library inside may define FUSD_PUBLIC as nothing.
 */
#ifndef FUSD_PUBLIC
#define FUSD_PUBLIC __attribute__((visibility("default")))
#endif

struct fusd_device;
struct fusd_transport;

/*
 * What was received for a device while none of the driver's threads could take
 * it: queue.c.
 */
struct fusd_queue {
	pthread_mutex_t lock;		    /* before the device's lock */
	atomic_bool may_be_filled;	    /* set under lock */
	struct fusd_request *first, **last; /* lock; in order */
	int count;			    /* lock */
	/* While messages are taken out of the kernel that will be queued. */
	pthread_mutex_t fill_lock;
};

/*
 * A device's life: register makes it with one user and one reference, the
 * registry's. unregister drops both. While users > 0 the transport is open;
 * the last user closes it. While references > 0 the structure exists: held
 * requests outlive the transport.
 */
struct fusd_device {
	char name[FUSD_MAX_NAME_LENGTH + 1];
	mode_t mode;
	uid_t owner; /* 0: who runs the driver */
	gid_t group; /* 0: the same */
	void *device_info;
	struct fusd_file_operations ops;
	struct fusd_ioctl *ioctls; /* malloc'ed; what numbers really are */
	size_t ioctl_count;
	size_t max_client_memory; /* bytes of one request */
	size_t max_transfer;	  /* bytes of one read or write */
	unsigned int spin_us;	  /* that the library looks before a wait */
	bool is_stream;		  /* open files have no position */
	bool tells_waits;	  /* its poll_diff says what would wait */
	int shared_memory;	  /* a memfd, the device's own; -1: none */

	/* Set by the transport's open_device, constant afterwards. */
	const struct fusd_transport *transport;
	void *transport_data;
	char *path; /* malloc'ed */
	int fd;	    /* -1 in a forked child that has let go of it */

	/* The registration, running dispatches, answers being sent. */
	atomic_int users;
	/* Threads that receive or await, answers being sent, an unregister. */
	atomic_int exchanges;
	/* The registration, and every request not yet freed. */
	atomic_int references;

	pthread_mutex_t lock;
	atomic_bool gone;  /* set under lock; unregister has begun */
	long next_transid; /* lock */
	struct fusd_request *requests; /* lock; received, not answered */
	struct fusd_request *running;  /* lock; received, not returned */

	struct fusd_queue queue;
	/* A thread of this process has opened it; constant once it is set. */
	atomic_bool has_own_client;

	/* Received by a thread that takes an interpreter's lock first. */
	_Atomic(struct fusd_request *) arrived;

	/* How often fusd_end_waits() was called. */
	atomic_uint waits_ended;
	/* await.c. Its transport's await is not there, or not for it. */
	bool awaits_by_poll;
	int end_fd; /* of those an eventfd; constant while registered */
	atomic_uint spin_ns; /* how long it looks next, by how it went */
	atomic_int awaiters; /* threads in fusd_await_by_poll() */
};

enum fusd_request_state {
	FUSD_REQUEST_NEW,	/* not yet received */
	FUSD_REQUEST_PENDING,	/* on the device's list */
	FUSD_REQUEST_ABANDONED, /* on the list; the driver destroyed it */
	FUSD_REQUEST_ANSWERED,	/* off the list; further answers are EPIPE */
};

/* The data that an ioctl's argument points at. */
struct fusd_argument {
	size_t in;     /* bytes for the driver */
	size_t out;    /* bytes from the driver; both are the size if not 0 */
	bool is_value; /* there is none: the argument is what it is */
};

/* Some memory of an ioctl's client, which the callback asked for. */
struct fusd_region {
	struct fusd_region *next;
	unsigned long address;
	size_t length;
	bool is_written; /* back to the client, with the answer */
	bool is_fetched; /* data holds what the client had */
	bool is_asked;	 /* by the callback that runs, not only by one before */
	bool is_copied; /* by the transport itself: more than its kernel carries
			 */
	_Alignas(16) char data[];
};

/*
 * One request with its memory, a struct fusd_buffer to the outside.
 *
 * A request begins with two references: one belongs to the thread that may
 * answer it (to the driver while it is held), one to the dispatch that runs the
 * callback. The thread that moves the state to ANSWERED, under the device's
 * lock, sends the answer.
 */
struct fusd_request {
	struct fusd_file_info file; /* first: its address is the handle */
	_Alignas(8) fusd_msg_t msg;
	char *payload;	     /* room for so many bytes and a 0: */
	size_t payload_size; /* of a block; the longest the kernel sends */
	char *data;	     /* what the callback sees as its buffer */
	struct fusd_device *device;
	atomic_int references;

	enum fusd_request_state state;	   /* device->lock */
	struct fusd_request *next, **link; /* device->lock */

	/*
	 * These make close the last callback of an open file. A request is on
	 * the device's list of running ones from when it is received until its
	 * callback has returned, or it is known that there will be no callback.
	 * A close that finds requests of its open file on the list waits, as
	 * the close of one of them, for the thread that takes that one off.
	 */
	uint64_t file_id;	    /* no other open file has it */
	struct fusd_request *close; /* device->lock, or who took it off */
	struct fusd_request *running_next, **running_link; /* device->lock */

	atomic_bool is_queued;		 /* on its device's queue */
	struct fusd_request *queue_next; /* the list's that it is on alone */

	/*
	 * These keep a reply from showing one open file's bytes to another. The
	 * payload up to clean is zero or dirty_file's own, from clean to dirty
	 * it may be any open file's, and from dirty on it is zero.
	 */
	size_t clean;
	size_t dirty;
	uint64_t dirty_file;

	/* Of an ioctl; constant once received. */
	struct fusd_argument argument;
	bool is_elsewhere;  /* the transport has not brought the data */
	bool gives_nothing; /* the answer takes none to the client */
	bool is_32bit;	    /* the client is */

	/* Its thread receives next, or flushes: the answer may go with that. */
	bool may_wait;

	/* In the order they were asked for; the ioctl callback's thread's. */
	struct fusd_region *regions;
	bool in_ioctl; /* the callback runs */
	bool is_retry; /* the answer: fetch the regions and ask again */

	/* As the callback got them: only what it changes goes back. */
	void *sent_private_info;
	unsigned long sent_flags;
};

/*
 * A request begins a block of memory. The block's first page is for the
 * structure, for a transport's own structure around it, and, at the page's
 * end, for the headers of a message whose data is received behind them. Then
 * comes the payload: what a transport receives at most, and a byte for the 0
 * that ends the data. The payload is one page larger than a FUSD transfer, so
 * that a longer transfer is seen to be longer.
 */
#define FUSD_PAGE_SIZE 4096
#define FUSD_BLOCK_DATA (MAX_RW_SIZE + FUSD_PAGE_SIZE)
/* The same for devices whose max_transfer is more. */
#define FUSD_LONG_BLOCK_DATA (FUSD_MAX_TRANSFER + FUSD_PAGE_SIZE)

/* transport.c */
const struct fusd_transport *fusd_transport_choose(const char *name);
/* All of them, in the order in which "auto" tries them; NULL after the last. */
const struct fusd_transport *fusd_transport_at(size_t index);
/* In a forked child: what the transports keep for the process is its parent's.
 */
void fusd_transport_forget_all(void);

/* device.c */
/* With the registration as its one user and reference. NULL: no memory. */
struct fusd_device *fusd_device_new(const char *name,
				    const struct fusd_transport *transport);
void fusd_device_put_reference(struct fusd_device *device);
/* Gives up a user's part. */
void fusd_device_leave(struct fusd_device *device);
/* An exchange with the kernel that device->exchanges counted is over. */
void fusd_device_end_exchange(struct fusd_device *device);

/* register.c */
/* Takes away a device that the registry has just let go of. */
void fusd_device_unregister(struct fusd_device *device);

/* registry.c: descriptor -> device */
int fusd_registry_add(struct fusd_device *device);
struct fusd_device *fusd_registry_remove(int fd);
/* The same for a device that the caller is a user of; false: somebody else did.
 */
bool fusd_registry_remove_device(struct fusd_device *device);
/* The device with one more user, to be given back by fusd_device_leave(). */
struct fusd_device *fusd_registry_enter(int fd);
/*
 * At most size devices, each with one more user, for which wants() is true; it
 * is called for all, under the registry's lock. Returns their number.
 */
int fusd_registry_enter_each(bool (*wants)(struct fusd_device *device,
					   void *data),
			     void *data, struct fusd_device **entered,
			     int size);
bool fusd_registry_has_path(const char *path);
/* In a forked child: visits and removes all devices, whoever held the lock. */
void fusd_registry_forget(void (*visit)(struct fusd_device *device));
/*
 * The device of a process that has only ever registered one, with one more
 * user, to be served until its waits_ended is not waits. NULL: there is another
 * number of devices, or fusd_registry_stop() was called.
 */
struct fusd_device *fusd_registry_enter_single(unsigned int *waits);
/*
 * Waits until devices have requests, and returns how many descriptors it wrote
 * to ready, possibly none; some may be stale. -ENODEV: no device is left.
 * -EAGAIN: there is one that fusd_registry_enter_single() gives. -ECANCELED:
 * fusd_registry_stop() was called, which a signal's handler may do, until the
 * last thread that began a run has ended its own.
 */
#define FUSD_WAIT_SIZE 64
int fusd_registry_wait(int ready[FUSD_WAIT_SIZE]);
void fusd_registry_stop(void);
void fusd_registry_begin_run(void);
void fusd_registry_end_run(void);
/* Calls visit for each registered descriptor, under the registry's lock. */
void fusd_registry_for_each(void (*visit)(int fd, void *data), void *data);

/* block_pool.c */
/* One with room for as much data. */
struct fusd_request *fusd_block_take(size_t data_size);
void fusd_block_give(struct fusd_request *request);
/* In a forked child: whoever held the pool's lock. */
void fusd_block_forget(void);

/* request.c */
/* The common part only: the transport's own is as an earlier request left it.
 */
struct fusd_request *fusd_request_new(struct fusd_device *device);
void fusd_request_put(struct fusd_request *request);
/* Puts a received request on its device's lists; under the device's lock. */
void fusd_request_received(struct fusd_request *request, uint64_t file_id);
/*
 * The callback returned an answer: gives it, and gives up the driver's
 * reference. 0 or -errno.
 */
int fusd_request_returned(struct fusd_request *request, ssize_t retval);
/* The callback returned without one; under the device's lock. */
void fusd_request_leave(struct fusd_request *request);
/*
 * Leaves a close to another thread if callbacks of its open file have not
 * returned: the caller must not touch it then.
 */
bool fusd_request_hold_back(struct fusd_request *close);
/*
 * The request has waited since it was received, and its callback is to see the
 * open file as it is now. Under the device's lock.
 */
void fusd_request_waited(struct fusd_request *request);
/* Answers a request that its driver may still hold, and leaves it that. */
void fusd_request_fail(struct fusd_request *request, int error);
/*
 * Answers a request that no callback is to see, and gives up both references.
 * Returns the close that waited for it and is the caller's now, or NULL.
 */
struct fusd_request *fusd_request_drop(struct fusd_request *request, int error);
/* The same for a device that is gone, and for a close that waited, too. */
void fusd_request_refuse(struct fusd_request *request);
/* True if a read or write was among them. */
bool fusd_request_fail_all(struct fusd_device *device, int error);
bool fusd_request_is_transfer(const struct fusd_request *request);
/*
 * A read's callback is about to return, and its answer is this data: gives what
 * it has to return. Answers that go with the next receive take a copy of the
 * data with them; else it is sent at once, as by fusd_return_data().
 */
ssize_t fusd_answer_data(struct fusd_file_info *file, const void *data,
			 size_t length);
/* In a forked child: no answer to a request of the device is sent any more. */
void fusd_request_forget_all(struct fusd_device *device);

/* queue.c */
/* Keeps a received request for a thread that dispatches. */
void fusd_queue_put(struct fusd_request *request);
/* As the transport's receive, for what is queued; the oldest comes first. */
int fusd_queue_receive(struct fusd_device *device,
		       struct fusd_request **request);
/*
 * For a dispatch that has found nothing: waits for whoever takes messages out
 * of the kernel in order to queue them. Whether some may be there now.
 */
bool fusd_queue_await(struct fusd_device *device);
/* Takes this one, with its references, if it is still queued. */
bool fusd_queue_remove(struct fusd_request *request);

/* ioctl.c: what an ioctl's argument points at */
/* The table of a device that is being registered. 0, -EINVAL, -ENOMEM. */
int fusd_ioctls_copy(struct fusd_device *device, const struct fusd_ioctl *table,
		     size_t count);
/* What the number alone says. */
struct fusd_argument fusd_argument_coded(unsigned int number);
/* What the driver told of it, or else what it says. */
struct fusd_argument fusd_argument_of(const struct fusd_device *device,
				      unsigned int number);
/* The larger of both directions. */
size_t fusd_argument_size(const struct fusd_argument *argument);
/*
 * For the callback, inside it: the argument itself, or where its data is now,
 * fetched if it is elsewhere. 0 or -errno.
 */
int fusd_ioctl_argument(struct fusd_request *request, void **argument);
/* Before regions are stored: makes the argument's own hold the driver's data.
 */
void fusd_ioctl_settle(struct fusd_request *request);
/* How many bytes an answer that is not negative has for the client. */
size_t fusd_ioctl_reply_size(const struct fusd_request *request);
/* Whether the callback's data is the argument itself. */
bool fusd_ioctl_is_value(const struct fusd_file_info *file);

/* shared_memory.c: a memfd that clients map; device->shared_memory >= 0 */
/* Checks what the driver names, NULL for none, and takes a descriptor of it. */
int fusd_shared_memory_take(struct fusd_device *device, const int *memory);
/* Whether nobody is to map it writable. */
bool fusd_shared_memory_is_sealed(const struct fusd_device *device);
/* Its bytes; it may grow. */
off_t fusd_shared_memory_size(const struct fusd_device *device);
/* Answers a client's mmap(2) in place of a callback. */
void fusd_shared_memory_answer(struct fusd_request *request);

/* client_memory.c */
/* The answer to a callback that said -FUSD_RETRY. */
int fusd_client_memory_retry(struct fusd_request *request);
struct fusd_region *fusd_region_new(unsigned long address, size_t length,
				    bool is_written);
void fusd_region_free_all(struct fusd_region *regions);
/* Writes regions back to the client of an answered ioctl. 0 or -errno. */
int fusd_client_memory_store(struct fusd_request *request);
/* fetch and store for a client that waits in its ioctl, by its thread. */
int fusd_region_read(struct fusd_request *request, struct fusd_region *region);
int fusd_region_write(struct fusd_request *request,
		      const struct fusd_region *region);

/*
 * client_copy.c: copies between the memory of a client's thread and data.
 * Both may wait for the client, 10 seconds at most, or half a second after a
 * signal. 0 or -errno: EFAULT for memory that is not there, or does not come.
 */
int fusd_copy_from(pid_t thread, unsigned long address, void *data,
		   size_t length);
int fusd_copy_to(pid_t thread, unsigned long address, const void *data,
		 size_t length);
/* await.c */
/* Before the device is in the registry. 0 or -errno. */
int fusd_await_prepare(struct fusd_device *device);
/* As a transport's await, between fusd_wait_begin() and fusd_wait_end(). */
int fusd_await(struct fusd_device *device, unsigned int waits,
	       struct fusd_request **request);
/* What another thread has received and cannot dispatch yet; NULL: nothing. */
struct fusd_request *fusd_take_arrived(struct fusd_device *device);
/*
 * Ends the waits of all threads that serve the device; they look at what is to
 * be done then. Any thread may call it, and a signal's handler.
 */
void fusd_end_waits(struct fusd_device *device);

/* wait.c */
/* Milliseconds of a clock that nobody sets. */
int64_t fusd_now_ms(void);
/*
 * Called by a thread before it waits for a client or a program, and after that
 * with what before returned: so an interpreter can let its lock go. For the
 * process; to be set before the first device is registered.
 */
void fusd_set_wait_hooks(void *(*before)(void), void (*after)(void *state));
/* Around such a wait; the thread has no lock that another one may want. */
void *fusd_wait_begin(void);
void fusd_wait_end(void *state);

/*
 * payload.c: makes the first length bytes of data free of other open files'
 * bytes, or notes that they came from the request's own client. An open file's
 * id is one that no other of this process ever has.
 */
void fusd_payload_isolate(struct fusd_request *request, uint64_t file_id,
			  size_t length);
void fusd_payload_overwritten(struct fusd_request *request, uint64_t file_id,
			      size_t length);

/* dispatch.c */
/*
 * Receives for a device that the caller is a user of. No connection is cut
 * while a thread has a message in its hands that is on no list yet. Another
 * thread may unregister at any moment: -EBADF.
 */
int fusd_receive_as_user(struct fusd_device *device, fusd_receiver *receive,
			 struct fusd_request **request);
/* fusd_dispatch() for a device that the caller is a user of. 0 or -errno. */
int fusd_dispatch_device(struct fusd_device *device);
/*
 * Waits for messages of a device that the caller is a user of, and dispatches
 * them, until its waits_ended is not waits: -ECANCELED. Or until a signal's
 * handler ran: -EINTR. -EBADF: unregistered; -ENODEV: taken away; -ENOMEM.
 */
int fusd_serve_device(struct fusd_device *device, unsigned int waits);
/*
 * What another thread may answer while the driver's threads are busy: requests
 * for callbacks that the driver does not have. fusd_call_passively() gives the
 * answer, or -FUSD_RETRY if it takes a driver's thread after all.
 */
bool fusd_may_be_passive(const struct fusd_request *request);
ssize_t fusd_call_passively(struct fusd_request *request);
/*
 * For devices whose open callback is this one, passive does the same in any
 * thread, or gives -FUSD_RETRY. For the process.
 */
void fusd_set_passive_open(int (*open)(struct fusd_file_info *file),
			   int (*passive)(struct fusd_file_info *file));

/* thread_begin.c: a detached thread without signals. 0 or -errno. */
int fusd_thread_begin(void *(*run)(void *unused));

/*
 * devtmpfs.c: 0 if the last mount at /dev is the kernel's own directory of
 * devices, or -ENODEV and fusd_error().
 */
int fusd_dev_check(void);
/* Gives the node there, just made, to the device's owner and group. */
int fusd_dev_set_owner(const struct fusd_device *device);

/* error.c */
/* Sets fusd_error() and returns -error. */
int fusd_fail(int error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * The same with the commands that would help, one a line, as a constant, which
 * fusd_advice() gives then; after fusd_fail() it gives "".
 */
int fusd_fail_with_advice(int error, const char *advice, const char *format,
			  ...) __attribute__((format(printf, 3, 4)));
const char *fusd_advice(void);
/* Whether this thread's fusd_fail() leaves the log alone; gives what was so. */
bool fusd_fail_quietly(bool quiet);
void fusd_log(int priority, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Whether somebody hears what fusd_fail() and fusd_log() say. */
bool fusd_has_log(void);
/* Turns a result of the library's inside into a public function's. */
int fusd_result(int result);

#endif /* FUSD_INTERNAL_H */

// SPDX-License-Identifier: BSD-3-Clause
/*
 * A process whose client waits for its own driver with an interpreter's lock.
 *
 * A driver in an interpreter needs its lock for each callback. A thread of the
 * same process that calls its device and keeps the lock meanwhile, as some
 * functions written in C do, waits for a callback that waits for it. Nobody
 * else could say so: every thread of the program needs the lock. So if there
 * are own clients, one thread asks for the lock now and then, and another one
 * waits for it to get that. If that takes too long, own requests are answered
 * EDEADLK, and the lock is free again. It may take longer while a thread runs,
 * or wants to on a machine that is busy: whoever has the lock may be that one.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "own_request.h"
#include "proc.h"

#define INTERVAL_SECONDS 1
#define LIMIT_SECONDS 4
/* So often the lock may be late while the process runs. */
#define MAX_LATE 5
#define MAX_LOOKS 20
#define LOOK_NS 5000000
#define MAX_DEVICES 64
#define MAX_MESSAGES 256

/* An interpreter that ends waits so long for the probe to be out of it. */
#define END_SECONDS 1

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	void (*take_lock)(void); /* lock */
	bool is_inside;		 /* lock; a thread is in take_lock */
	bool is_started;	 /* lock */
	unsigned long asked;	 /* lock */
	unsigned long gotten;	 /* lock; the last that was asked for */
} probe = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.change = PTHREAD_COND_INITIALIZER,
};

bool fusd_is_own_thread(pid_t thread)
{
	return thread > 0 && syscall(SYS_tgkill, getpid(), thread, 0) == 0;
}

static struct timespec end_after(int seconds)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += seconds;
	return end;
}

void fusd_set_lock_probe(void (*take_and_release)(void))
{
	const struct timespec end = end_after(END_SECONDS);
	int error = 0;

	pthread_mutex_lock(&probe.lock);
	probe.take_lock = take_and_release;
	while (!probe.take_lock && probe.is_inside && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&probe.change, &probe.lock,
					       &end);
	pthread_mutex_unlock(&probe.lock);
}

bool fusd_has_lock_probe(void)
{
	bool has;

	pthread_mutex_lock(&probe.lock);
	has = probe.take_lock;
	pthread_mutex_unlock(&probe.lock);
	return has;
}

/* One of the two threads; it has the lock only inside take_lock(). */
static void *ask_again_and_again(void *unused)
{
	pthread_mutex_lock(&probe.lock);
	for (;;) {
		void (*take_lock)(void);
		unsigned long asked;

		while (probe.asked == probe.gotten || !probe.take_lock)
			pthread_cond_wait(&probe.change, &probe.lock);
		asked = probe.asked;
		take_lock = probe.take_lock;
		probe.is_inside = true;
		pthread_mutex_unlock(&probe.lock);
		take_lock();
		pthread_mutex_lock(&probe.lock);
		probe.is_inside = false;
		probe.gotten = asked;
		pthread_cond_broadcast(&probe.change);
	}
	return unused;
}

/* Waits for some seconds. True if the lock was there by then. */
static bool is_lock_there(int seconds)
{
	const struct timespec end = end_after(seconds);
	bool there;
	int error = 0;

	pthread_mutex_lock(&probe.lock);
	if (!probe.take_lock)
		probe.gotten = probe.asked; /* there is none any more */
	else if (probe.asked == probe.gotten) {
		probe.asked++;
		pthread_cond_broadcast(&probe.change);
	}
	while (probe.asked != probe.gotten && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&probe.change, &probe.lock,
					       &end);
	there = probe.asked == probe.gotten;
	pthread_mutex_unlock(&probe.lock);
	return there;
}

/* Looks several times: who waits for the lock asks for it now and then. */
static bool is_every_thread_waiting(void)
{
	const struct timespec interval = { .tv_nsec = LOOK_NS };

	for (int look = 0; look < MAX_LOOKS; look++) {
		if (!fusd_proc_is_running())
			return true;
		nanosleep(&interval, NULL);
	}
	return false;
}

static bool is_with_own_client(struct fusd_device *device, void *data)
{
	(void)data;
	return device->has_own_client;
}

/* Whether a client waits for it, who can be told. */
static bool is_call(const struct fusd_request *request)
{
	switch (request->msg.subcmd) {
	case FUSD_OPEN:
	case FUSD_READ:
	case FUSD_WRITE:
	case FUSD_IOCTL:
	case FUSD_MMAP:
	case FUSD_SEEK:
	case FUSD_FLUSH:
	case FUSD_FSYNC:
		return true;
	default:
		return false;
	}
}

/* What a dispatching thread has in hand, or waits for one. */
static int receive_next(struct fusd_device *device,
			struct fusd_request **request)
{
	*request = fusd_take_arrived(device);
	if (*request)
		return 0;
	return fusd_receive_as_user(device, device->transport->receive,
				    request);
}

/*
 * Answers an own request that waits, and queues those before it: whoever waits
 * for the interpreter's lock now in order to dispatch finds them there. What
 * comes after it is theirs to receive, as the interpreter's lock is free then:
 * where nobody is told of a queue, taking that from them would leave them
 * waiting. Returns whether it answered.
 */
static bool fail_request(struct fusd_device *device)
{
	struct fusd_request *others = NULL, **last = &others;
	struct fusd_request *request;
	bool is_failed = false;

	pthread_mutex_lock(&device->queue.fill_lock);
	for (int i = 0; i < MAX_MESSAGES && !is_failed && !device->gone; i++) {
		int result = receive_next(device, &request);

		if (result < 0)
			break;
		if (result > 0)
			continue;
		if (is_call(request) &&
		    fusd_is_own_thread(request->msg.parm.fops_msg.pid)) {
			request = fusd_request_drop(request, EDEADLK);
			is_failed = true;
		}
		if (request) {
			request->queue_next = NULL;
			*last = request;
			last = &request->queue_next;
		}
	}
	while ((request = others)) {
		others = request->queue_next;
		fusd_queue_put(request);
		if (device->transport->wake_dispatchers)
			device->transport->wake_dispatchers(device);
		else
			fusd_end_waits(device); /* they find the queue then */
	}
	pthread_mutex_unlock(&device->queue.fill_lock);
	return is_failed;
}

static void fail_all(void)
{
	struct fusd_device *devices[MAX_DEVICES];
	int count = fusd_registry_enter_each(is_with_own_client, NULL, devices,
					     MAX_DEVICES);

	for (int i = 0; i < count; i++) {
		/* First the answer: the log may need the lock, too. */
		if (fail_request(devices[i]))
			fusd_log(LOG_WARNING,
				 "%s: a call of the driver's own process was "
				 "answered EDEADLK: its caller kept the "
				 "interpreter's lock, which the callback "
				 "needs. Run the driver in a process of its "
				 "own; the fixture fusd_device does with "
				 "process=True",
				 devices[i]->path);
		fusd_device_leave(devices[i]);
	}
}

static void *watch_lock(void *unused)
{
	const struct timespec interval = { .tv_sec = INTERVAL_SECONDS };
	int late = 0;

	for (;;) {
		nanosleep(&interval, NULL);
		if (is_lock_there(LIMIT_SECONDS)) {
			late = 0;
		} else if (++late >= MAX_LATE || is_every_thread_waiting()) {
			fail_all();
			late = 0;
		}
	}
	return unused;
}

/* A forked child has neither thread. */
static void forget_threads(void)
{
	pthread_mutex_init(&probe.lock, NULL);
	pthread_cond_init(&probe.change, NULL);
	probe.is_started = probe.is_inside = false;
	probe.asked = probe.gotten = 0;
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forget_threads);
}

void fusd_own_request_seen(struct fusd_device *device)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (!fusd_has_lock_probe())
		return;
	device->has_own_client = true;
	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&probe.lock);
	if (!probe.is_started) {
		probe.is_started = true;
		if (!fusd_thread_begin(ask_again_and_again))
			fusd_thread_begin(watch_lock);
	}
	pthread_mutex_unlock(&probe.lock);
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * The attendant: a thread for what must not wait for a callback.
 *
 * On FUSE a device's node is a file that its driver serves. So whoever lists a
 * directory, or opens the device, asks the driver, and would wait for the
 * callback that runs: "ls -l /dev" for that of somebody else's device. While
 * callbacks run for longer than a tick, the attendant receives, too. It answers
 * what needs no callback, and queues the rest for the threads that dispatch, in
 * order. The driver notices nothing: it is told of a queue by a message that
 * the kernel puts into the connection on request (a retrieval of nothing), so
 * that the descriptor is readable as long as something is queued.
 *
 * The thread sleeps unless a callback ran within the last ticks. A callback
 * costs two counts; one that begins when the thread sleeps wakes it.
 */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "open_file.h"

#define TICK_MS 50
/* The thread goes to sleep after so many without a callback. */
#define QUIET_TICKS 3
/* Each is some memory. Further ones stay with the kernel. */
#define MAX_QUEUED 256
/* How often a queue is looked after: poll(2) cannot, see post(). */
#define QUEUE_MS 10
/* Busy devices that one round attends to. */
#define MAX_DEVICES 64
/* A fork waits no longer for a round to end. */
#define FORK_SECONDS 1

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool is_started; /* lock */
	atomic_bool is_awake;
} attendant = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.change = PTHREAD_COND_INITIALIZER,
};

/*
 * The attendant has it, first of all locks, while it has others: so a forked
 * child finds none of them taken.
 */
static pthread_mutex_t round_lock = PTHREAD_MUTEX_INITIALIZER;
static bool fork_has_round; /* the forking thread's */

/* What one round attends to. Each device has a user more. */
struct round {
	struct fusd_device *devices[MAX_DEVICES];
	int count;
	bool is_tick; /* else it came early, for a message */
	bool is_quiet;
	struct fusd_request *passive; /* may need no callback */
};

static struct fusd_session *device_session(struct fusd_device *device)
{
	return device->transport_data;
}

void fusd_attendance_init(struct fusd_device *device,
			  struct fusd_attendance *attendance)
{
	pthread_mutexattr_t attributes;

	/* What is received under it may be the interrupt of what is queued. */
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&attendance->lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
	attendance->last = &attendance->first;
	device->attendance = attendance;
}

void fusd_attendance_destroy(struct fusd_device *device)
{
	pthread_mutex_destroy(&device->attendance->lock);
	device->attendance = NULL;
}

/* Under the attendance's lock. */
static void append(struct fusd_attendance *attendance,
		   struct fusd_request *request)
{
	request->is_queued = true;
	request->queue_next = NULL;
	*attendance->last = request;
	attendance->last = &request->queue_next;
	attendance->count++;
	attendance->is_attended = true;
}

/* Under the attendance's lock. */
static void take_off(struct fusd_attendance *attendance,
		     struct fusd_request **link)
{
	struct fusd_request *request = *link;

	*link = request->queue_next;
	if (!*link)
		attendance->last = link;
	attendance->count--;
	fusd_session_dequeue(request);
}

static struct fusd_request *take_first(struct fusd_attendance *attendance)
{
	struct fusd_request *request;

	pthread_mutex_lock(&attendance->lock);
	request = attendance->first;
	if (request)
		take_off(attendance, &attendance->first);
	else
		attendance->is_attended = false;
	pthread_mutex_unlock(&attendance->lock);
	return request;
}

int fusd_attendance_receive(struct fusd_device *device,
			    struct fusd_request **request)
{
	bool answered;

	if (!device->attendance->is_attended)
		return -EAGAIN;
	*request = take_first(device->attendance);
	if (!*request)
		return -EAGAIN;
	pthread_mutex_lock(&device->lock);
	answered = (*request)->state == FUSD_REQUEST_ANSWERED;
	pthread_mutex_unlock(&device->lock);
	if (!answered)
		return 0;
	/* By unregister, or a newer one took its place. */
	*request = fusd_request_drop(*request, EPIPE);
	return *request ? 0 : 1;
}

bool fusd_attendance_remove(struct fusd_request *request)
{
	struct fusd_attendance *attendance = request->device->attendance;
	struct fusd_request **link = &attendance->first;
	bool found;

	pthread_mutex_lock(&attendance->lock);
	while (*link && *link != request)
		link = &(*link)->queue_next;
	found = *link;
	if (found)
		take_off(attendance, link);
	pthread_mutex_unlock(&attendance->lock);
	return found;
}

/*
 * Makes the device's descriptor readable, as poll(2) sees it, until somebody
 * receives: the kernel sends what it has cached of the file, which is nothing.
 */
static void post(struct fusd_device *device)
{
	fuse_lowlevel_notify_retrieve(device_session(device)->fuse,
				      FUSE_ROOT_ID, 1, 0, NULL);
}

void fusd_attendance_wake(struct fusd_device *device)
{
	if (device->transport->callback_begins == fusd_attendance_begin)
		post(device);
}

void fusd_attendance_queue(struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	struct fusd_attendance *attendance = device->attendance;
	struct fusd_request *close;
	bool gone, interrupted = false;

	pthread_mutex_lock(&attendance->lock);
	/* Else unregister, which sets it first, finds the request there. */
	gone = device->gone;
	if (!gone) {
		append(attendance, request);
		interrupted = fusd_session_expect_interrupt(request);
	}
	pthread_mutex_unlock(&attendance->lock);
	if (gone) {
		fusd_request_refuse(request);
	} else if (interrupted && fusd_attendance_remove(request)) {
		close = fusd_request_drop(request, EINTR);
		if (close)
			fusd_attendance_queue(close);
	}
}

static bool is_busy(const struct fusd_attendance *attendance)
{
	return attendance->running > 0 &&
	       attendance->begun == attendance->watched;
}

/* Receives what waits for a busy device. Under the round lock. */
static void receive(struct round *round, struct fusd_device *device)
{
	struct fusd_attendance *attendance = device->attendance;
	struct fusd_request *request;
	int result = 0;

	pthread_mutex_lock(&attendance->lock);
	/* Before is_busy(): a callback that ends now sees what is queued. */
	attendance->is_attended = true;
	while (result >= 0 && attendance->count < MAX_QUEUED &&
	       is_busy(attendance)) {
		result = fusd_session_receive_message(device, &request);
		if (result != 0)
			continue;
		if (fusd_may_be_passive(request)) {
			request->queue_next = round->passive;
			round->passive = request;
		} else {
			fusd_attendance_queue(request);
		}
	}
	if (attendance->first)
		post(device);
	pthread_mutex_unlock(&attendance->lock);
}

/* Answers what needs no callback, and gives the rest to the dispatchers. */
static void answer_passive(struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	ssize_t result = fusd_call_passively(request);

	pthread_mutex_lock(&round_lock);
	if (result == -FUSD_RETRY) {
		fusd_attendance_queue(request);
		post(device);
	} else {
		fusd_request_returned(request, result);
		fusd_request_put(request);
	}
	pthread_mutex_unlock(&round_lock);
}

/* Under the registry's lock. */
static bool wants(struct fusd_device *device, void *data)
{
	struct round *round = data;
	struct fusd_attendance *attendance;
	bool busy;

	if (device->transport->callback_begins != fusd_attendance_begin)
		return false;
	attendance = device->attendance;
	busy = is_busy(attendance);
	if (attendance->running > 0 || attendance->begun != attendance->watched)
		round->is_quiet = false;
	if (round->is_tick)
		attendance->watched = attendance->begun;
	return busy;
}

/* Waits for messages of the round's devices, or the next tick. */
static void wait_for_messages(const struct round *round)
{
	struct pollfd polled[MAX_DEVICES];
	int timeout = TICK_MS;
	nfds_t count = 0;

	for (int i = 0; i < round->count; i++) {
		struct fusd_device *device = round->devices[i];

		/* Its descriptor is readable all the time. */
		if (device->attendance->count > 0)
			timeout = QUEUE_MS;
		else
			polled[count++] = (struct pollfd){ .fd = device->fd,
							   .events = POLLIN };
	}
	poll(polled, count, timeout);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* True if no callback ran since the last tick. */
static bool attend_once(bool is_tick)
{
	struct round round = { .is_tick = is_tick, .is_quiet = true };
	struct fusd_request *request;

	pthread_mutex_lock(&round_lock);
	round.count = fusd_registry_enter_each(wants, &round, round.devices,
					       MAX_DEVICES);
	for (int i = 0; i < round.count; i++)
		receive(&round, round.devices[i]);
	pthread_mutex_unlock(&round_lock);
	while ((request = round.passive)) {
		round.passive = request->queue_next;
		answer_passive(request);
	}
	wait_for_messages(&round);
	pthread_mutex_lock(&round_lock);
	for (int i = 0; i < round.count; i++)
		fusd_device_leave(round.devices[i]);
	pthread_mutex_unlock(&round_lock);
	return round.is_quiet;
}

static void attend_while_awake(void)
{
	long tick = now_ms();
	int quiet = 0;

	while (quiet < QUIET_TICKS) {
		bool is_tick = now_ms() >= tick + TICK_MS;

		if (is_tick)
			tick = now_ms();
		if (!attend_once(is_tick))
			quiet = 0;
		else if (is_tick)
			quiet++;
	}
}

static void *attend(void *unused)
{
	for (;;) {
		attend_while_awake();
		/* A callback that does not see this is seen by the look. */
		attendant.is_awake = false;
		if (!attend_once(false)) {
			attendant.is_awake = true;
			continue;
		}
		pthread_mutex_lock(&attendant.lock);
		while (!attendant.is_awake)
			pthread_cond_wait(&attendant.change, &attendant.lock);
		pthread_mutex_unlock(&attendant.lock);
	}
	return unused;
}

static void before_fork(void)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += FORK_SECONDS;
	fork_has_round = pthread_mutex_timedlock(&round_lock, &end) == 0;
}

static void after_fork_in_parent(void)
{
	if (fork_has_round)
		pthread_mutex_unlock(&round_lock);
}

/* A child that goes on as the driver starts an attendant of its own. */
static void after_fork_in_child(void)
{
	pthread_mutex_init(&round_lock, NULL);
	pthread_mutex_init(&attendant.lock, NULL);
	pthread_cond_init(&attendant.change, NULL);
	attendant.is_started = attendant.is_awake = false;
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void wake_attendant(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&attendant.lock);
	/* Without a thread, clients wait for the callback. */
	if (!attendant.is_started)
		attendant.is_started = !fusd_thread_begin(attend);
	attendant.is_awake = true;
	pthread_cond_signal(&attendant.change);
	pthread_mutex_unlock(&attendant.lock);
}

void fusd_attendance_begin(struct fusd_device *device)
{
	struct fusd_attendance *attendance = device->attendance;

	attendance->running++;
	attendance->begun++;
	if (!attendant.is_awake)
		wake_attendant();
}

void fusd_attendance_end(struct fusd_device *device)
{
	device->attendance->running--;
}

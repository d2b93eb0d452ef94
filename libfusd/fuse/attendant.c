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

#include "attendant.h"
#include "receive.h"
#include "session.h"

#define TICK_MS 50
/* The thread goes to sleep after so many without a callback. */
#define QUIET_TICKS 3
/* Each is some memory. Further ones stay with the kernel. */
#define MAX_QUEUED 256
/* How often a queue is looked after: then poll(2) always says readable. */
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

static bool is_busy(const struct fusd_attendance *attendance)
{
	return attendance->running > 0 &&
	       attendance->begun == attendance->watched;
}

/* Receives what waits for a busy device. Under the round lock. */
static void receive_early(struct round *round, struct fusd_device *device)
{
	struct fusd_attendance *attendance =
		&fusd_session_of(device)->attendance;
	struct fusd_queue *queue = &device->queue;
	struct fusd_request *request;
	int result = 0;

	pthread_mutex_lock(&queue->lock);
	/* Before is_busy(): a callback that ends now sees what is queued. */
	queue->may_be_filled = true;
	while (result >= 0 && queue->count < MAX_QUEUED &&
	       is_busy(attendance)) {
		result = fusd_receive_as_user(device, fusd_receive_message,
					      &request);
		if (result != 0)
			continue;
		if (fusd_may_be_passive(request)) {
			request->queue_next = round->passive;
			round->passive = request;
		} else {
			fusd_queue_put(request);
		}
	}
	if (queue->first)
		fusd_session_wake(device);
	pthread_mutex_unlock(&queue->lock);
}

/* Answers what needs no callback, and gives the rest to the dispatchers. */
static void answer_passive(struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	ssize_t result = fusd_call_passively(request);

	pthread_mutex_lock(&round_lock);
	if (result == -FUSD_RETRY) {
		fusd_queue_put(request);
		fusd_session_wake(device);
	} else {
		fusd_request_returned(request, result);
		fusd_request_put(request);
	}
	pthread_mutex_unlock(&round_lock);
}

/* Under the registry's lock. */
static bool is_to_be_attended(struct fusd_device *device, void *data)
{
	struct round *round = data;
	struct fusd_attendance *attendance;
	bool busy;

	if (device->transport->callback_begins != fusd_attendance_begin)
		return false;
	attendance = &fusd_session_of(device)->attendance;
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
		if (device->queue.count > 0)
			timeout = QUEUE_MS;
		else
			polled[count++] = (struct pollfd){ .fd = device->fd,
							   .events = POLLIN };
	}
	poll(polled, count, timeout);
}

/* True if no callback ran since the last tick. */
static bool attend_once(bool is_tick)
{
	struct round round = { .is_tick = is_tick, .is_quiet = true };
	struct fusd_request *request;

	pthread_mutex_lock(&round_lock);
	round.count = fusd_registry_enter_each(is_to_be_attended, &round,
					       round.devices, MAX_DEVICES);
	for (int i = 0; i < round.count; i++)
		receive_early(&round, round.devices[i]);
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
	int64_t tick = fusd_now_ms();
	int quiet = 0;

	while (quiet < QUIET_TICKS) {
		bool is_tick = fusd_now_ms() >= tick + TICK_MS;

		if (is_tick)
			tick = fusd_now_ms();
		if (!attend_once(is_tick))
			quiet = 0;
		else if (is_tick)
			quiet++;
	}
}

static void *run_attendant(void *unused)
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
		attendant.is_started = !fusd_thread_begin(run_attendant);
	attendant.is_awake = true;
	pthread_cond_signal(&attendant.change);
	pthread_mutex_unlock(&attendant.lock);
}

void fusd_attendance_begin(struct fusd_device *device)
{
	struct fusd_attendance *attendance =
		&fusd_session_of(device)->attendance;

	attendance->running++;
	attendance->begun++;
	if (!attendant.is_awake)
		wake_attendant();
}

void fusd_attendance_end(struct fusd_device *device)
{
	fusd_session_of(device)->attendance.running--;
}

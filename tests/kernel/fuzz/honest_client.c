/* SPDX-License-Identifier: BSD-3-Clause */
/* A client that checks each answer of an honest driver. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define MOST_BYTES 9000
/* No wake-up takes that long, however slow the machine. */
#define PATIENCE 120

static struct {
	int fd;
	unsigned int device;
	bool restarts; /* signals' handlers have SA_RESTART */
} client;

/* Whether a failed call may have failed so; says so if not. */
static bool is_fair(int error, const char *what)
{
	if (client.device == DEVICE_MORTAL &&
	    (error == EPIPE || error == ENXIO || error == ENOENT))
		return true;
	if (error == EINTR && !client.restarts)
		return true;
	if (error == SYNC_ERROR && client.device != DEVICE_PLAIN)
		return true;
	fail("device %u: %s: %s%s", client.device, what, strerror(error),
	     client.restarts ? " (with SA_RESTART)" : "");
	return false;
}

static void check_bytes(const unsigned char *data, ssize_t length,
			uint64_t position, const char *what)
{
	ssize_t i;

	for (i = 0; i < length; i++) {
		if (data[i] != pattern(position + i)) {
			fail("device %u: %s: byte %zd of %zd at %lu",
			     client.device, what, i, length, position);
			return;
		}
	}
	count(CHECKED);
}

static void check_read(unsigned char *data, ssize_t result, size_t length,
		       uint64_t position, const char *what)
{
	count(CALLS);
	if (result < 0)
		is_fair(errno, what);
	else if ((size_t)result > length || (length && !result))
		fail("device %u: %s of %zu gave %zd", client.device, what,
		     length, result);
	else
		check_bytes(data, result, position, what);
}

static void do_pread(void)
{
	unsigned char data[MOST_BYTES];
	size_t length = below(one_in(2) ? 100 : MOST_BYTES);
	uint64_t position = below(1 << 30);
	ssize_t result = pread(client.fd, data, length, position);

	check_read(data, result, length, position, "pread");
}

/* Where the next read begins; -1, and errno, if that cannot be known. */
static off_t find_position(void)
{
	off_t position;

	do
		position = lseek(client.fd, 0, SEEK_CUR);
	while (position < 0 && errno == EINTR && !client.restarts);
	if (position < 0)
		is_fair(errno, "lseek");
	return position;
}

static ssize_t try_read(void)
{
	unsigned char data[MOST_BYTES];
	size_t length = 1 + below(one_in(2) ? 100 : MOST_BYTES - 1);
	off_t after, position = find_position();
	ssize_t result;

	if (position < 0)
		return -1;
	result = read(client.fd, data, length);
	check_read(data, result, length, position, "read");
	if (result <= 0)
		return result;
	after = find_position();
	if (after >= 0 && after != position + result)
		fail("device %u: the position after a read", client.device);
	return result;
}

static void do_seek(void)
{
	const off_t begin[] = { 0, find_position(),
				client.device == DEVICE_PLAIN ? 0 :
								END_POSITION };
	unsigned int whence = below(3);
	off_t wanted = below(1 << 30);
	off_t result, after;

	if (begin[1] < 0)
		return;
	result = lseek(client.fd, wanted - begin[whence], whence);
	count(CALLS);
	if (result < 0) {
		is_fair(errno, "lseek");
		return;
	}
	after = find_position();
	if (result != wanted || (after >= 0 && after != wanted))
		fail("device %u: lseek to %ld gave %ld and then %ld",
		     client.device, wanted, result, after);
	else
		count(CHECKED);
}

static void do_sync(void)
{
	int result = one_in(2) ? fsync(client.fd) : fdatasync(client.fd);

	count(CALLS);
	if (client.device == DEVICE_PLAIN && (!result || errno != EINVAL))
		fail("device %u: a sync gave %d", client.device, result);
	else if (result && client.device != DEVICE_PLAIN)
		is_fair(errno, "sync");
	else
		count(CHECKED);
}

/* Nothing but a kill ends a close that waits. */
static void do_dup(void)
{
	int other = dup(client.fd);

	count(CALLS);
	if (!close(other))
		count(CHECKED);
	else if (errno == EINTR)
		fail("device %u: a close gave EINTR", client.device);
	else
		is_fair(errno, "close");
}

static void do_read(void)
{
	try_read();
}

static void do_write(void)
{
	unsigned char data[MOST_BYTES];
	size_t length = 1 + below(one_in(2) ? 100 : MOST_BYTES - 1);
	uint64_t position = below(1 << 30);
	ssize_t result;
	size_t i;

	for (i = 0; i < length; i++)
		data[i] = pattern(position + i);
	result = pwrite(client.fd, data, length, position);
	count(CALLS);
	if (result < 0)
		is_fair(errno, "pwrite");
	else if (!result || (size_t)result > length)
		fail("device %u: pwrite of %zu gave %zd", client.device, length,
		     result);
	else
		count(CHECKED);
}

static void do_ioctl(void)
{
	unsigned char data[5000];
	unsigned int number = one_in(3) ? EXCHANGE_LARGE : EXCHANGE_SMALL;
	size_t i;
	int result;

	memset(data, 0, sizeof(data));
	result = ioctl(client.fd, number, data);
	count(CALLS);
	if (result < 0) {
		is_fair(errno, "ioctl");
		return;
	}
	for (i = 0; i < _IOC_SIZE(number); i++) {
		if (data[i] != (unsigned char)((char)(number + i) ^ MASK)) {
			fail("device %u: byte %zu of an ioctl", client.device,
			     i);
			return;
		}
	}
	if (result != EXCHANGE_RESULT)
		fail("device %u: ioctl gave %d", client.device, result);
	count(CHECKED);
}

/* The parent is another open file, in between. */
static void do_child(void)
{
	int parent = client.fd;
	int child = ioctl(parent, OPEN_CHILD);

	count(CALLS);
	if (child < 0) {
		if (errno != EBUSY)
			is_fair(errno, "a child");
		return;
	}
	client.fd = child;
	do_pread();
	if (one_in(2))
		do_ioctl();
	client.fd = parent;
	if (close(child) && errno != EINTR)
		is_fair(errno, "close of a child");
}

static void do_mmap(void)
{
	char *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, client.fd, 0);

	count(CALLS);
	if (page == MAP_FAILED) {
		is_fair(errno, "mmap");
		return;
	}
	count(MMAPS);
	if (memcmp(page, MAGIC_PAGE, sizeof(MAGIC_PAGE)))
		fail("device %u: another page is mapped", client.device);
	else
		count(CHECKED);
	munmap(page, PAGE);
}

static void do_ring(void)
{
	unsigned char data[MOST_BYTES];
	struct ring_call call = {
		.opcode = IORING_OP_READ,
		.fd = client.fd,
		.buffer = data,
		.length = 1 + below(1000),
		.offset = below(1 << 30),
		.flags = one_in(2) ? IOSQE_ASYNC : 0,
		.wait = true,
	};

	/* It has no restarts, and gives up where a signal keeps it from a
	 * worker. */
	if (!ring_do(&call) || call.result == -EINTR ||
	    call.result == -ECANCELED)
		return;
	errno = -call.result;
	check_read(data, call.result < 0 ? -1 : call.result, call.length,
		   call.offset, "read through a ring");
}

static bool is_gone(unsigned int events)
{
	return client.device == DEVICE_MORTAL && (events & (POLLERR | POLLHUP));
}

/* The driver has both states in the end, in whatever order they come. */
static void do_poll(void)
{
	struct pollfd wanted = { .fd = client.fd,
				 .events = one_in(2) ? POLLIN : POLLOUT };
	double end = now() + PATIENCE;
	int result;

	count(POLLS);
	do {
		result = poll(&wanted, 1, 1000);
		beat();
		if (shared->stopping)
			return;
	} while (result <= 0 && now() < end);
	if (result <= 0)
		fail("device %u: a wake-up was lost (poll for %s)",
		     client.device, wanted.events == POLLIN ? "in" : "out");
	else if (!(wanted.revents & wanted.events) && !is_gone(wanted.revents))
		fail("device %u: poll gave %#x", client.device, wanted.revents);
}

/* Each read makes the state unknown, and its change a new edge. */
static void wait_for_edges(int poller)
{
	unsigned int rounds = 1 + below(4);

	while (rounds--) {
		struct epoll_event event;
		double end = now() + PATIENCE;
		int result;

		do {
			result = epoll_wait(poller, &event, 1, 1000);
			beat();
			if (shared->stopping)
				return;
		} while (result <= 0 && now() < end);
		if (result <= 0) {
			fail("device %u: an edge was lost", client.device);
			return;
		}
		if (is_gone(event.events))
			return;
		/* Who waits for edges takes what there is before. */
		while (event.events & EPOLLIN && try_read() < 0 &&
		       errno == EINTR)
			;
	}
}

static void do_edges(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int poller = epoll_create1(0);

	count(POLLS);
	if (!epoll_ctl(poller, EPOLL_CTL_ADD, client.fd, &event))
		wait_for_edges(poller);
	close(poller);
}

static void *thread_body(void *seed)
{
	seed_random((uintptr_t)seed);
	if (one_in(2))
		do_pread();
	else
		do_write();
	return NULL;
}

/* A thread that may be interrupted, and is gone after its one call. */
static void do_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_body,
			   (void *)(uintptr_t)random_bits()))
		return;
	sleep_us(below(10000));
	if (one_in(2)) {
		pthread_kill(thread, SIGUSR1);
		count(SIGNALS);
	}
	pthread_join(thread, NULL);
}

static void do_something(void)
{
	static void (*const actions[])(void) = {
		do_pread,  do_read,  do_write, do_ioctl, do_mmap,
		do_seek,   do_sync,  do_ring,  do_poll,	 do_edges,
		do_thread, do_child, do_dup,
	};

	actions[below(sizeof(actions) / sizeof(*actions))]();
	beat();
}

static void use_file(void)
{
	unsigned int rounds = 1 + below(20);

	while (rounds-- && !shared->stopping)
		do_something();
}

static void open_and_use(void)
{
	char path[40];

	client.device = below(HONEST_DEVICES);
	snprintf(path, sizeof(path), "/dev/fuzz-honest%u", client.device);
	client.fd = open(path, O_RDWR);
	beat();
	if (client.fd < 0) {
		if (errno != EBUSY)
			is_fair(errno, "open");
		return;
	}
	count(OPENS);
	use_file();
	if (close(client.fd) && errno != EINTR)
		is_fair(errno, "close");
}

void honest_client(unsigned int number)
{
	client.restarts = number % 2;
	handle(SIGALRM, client.restarts);
	handle(SIGUSR1, client.restarts);
	if (one_in(2))
		alarm_every(5 + below(40));
	while (!shared->stopping)
		open_and_use();
	exit(0);
}

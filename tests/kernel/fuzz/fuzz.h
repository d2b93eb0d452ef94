/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The module's fuzzer: what its processes share.
 *
 * Honest drivers serve clients that check every answer; hostile ones beside
 * them, and their clients, do what they can. main.c starts, torments and
 * counts.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fusd_control.h"
#include "fusd_msg.h"

#define HONEST_DEVICES 3
#define HOSTILE_DEVICES 3
#define MAX_PROCESSES 32
#define HOSTILE_USER \
	1000 /* half of the hostile clients; honest ones are root */
#define PAGE 4096UL

/* The honest devices, and what is special about them. */
#define DEVICE_PLAIN 0	/* a classic one; the others have all there is */
#define DEVICE_TOLD 1	/* asks for FUSD_UNBLOCK */
#define DEVICE_MORTAL 2 /* its driver is killed now and then */

/* What is counted, in the order of count_names. */
enum count {
	MESSAGES,
	REPLIES,
	HOSTILE_REPLIES,
	REFUSED,
	UNBLOCKS,
	REGISTRATIONS,
	OPENS,
	CALLS,
	CHECKED,
	POLLS,
	MMAPS,
	CHILDREN,
	SHOWN,
	SEEKS,
	SYNCS,
	FLUSHES,
	RINGS,
	FAULTS,
	SIGNALS,
	STOPS,
	KILLS,
	FAILURES,
	COUNTS
};

struct shared {
	_Atomic unsigned long counts[COUNTS];
	/* 1: clients are to end, 2: honest drivers, too */
	_Atomic int stopping;
	_Atomic pid_t pids[MAX_PROCESSES];
	_Atomic unsigned long beats[MAX_PROCESSES];
};

extern struct shared *shared;
extern int process_number; /* this process's, in the arrays above */

static inline void count(enum count what)
{
	shared->counts[what]++;
}

static inline void beat(void)
{
	shared->beats[process_number]++;
}

/* Says and counts what must not be. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Numbers from the seed, of each thread's own sequence. */
void seed_random(uint64_t seed);
uint64_t random_bits(void);
/* 0 <= number < bound */
unsigned long below(unsigned long bound);
bool one_in(unsigned int bound);

/* The byte that every honest device has at a position. */
unsigned char pattern(uint64_t position);

#define EXCHANGE_SMALL _IOC(_IOC_READ | _IOC_WRITE, 'z', 1, 64)
#define EXCHANGE_LARGE _IOC(_IOC_READ | _IOC_WRITE, 'z', 2, 5000)
#define EXCHANGE_RESULT 7
/* Its result is the descriptor of a new open file. */
#define OPEN_CHILD _IO('z', 3)
#define MASK 0x5a
/* Where SEEK_END is on those that answer that; what a sync or flush may fail
 * of. */
#define END_POSITION (1L << 31)
#define SYNC_ERROR EDQUOT
#define MAGIC_PAGE "this page is an honest driver's"

double now(void);
void sleep_us(unsigned long us);
/* Catches a signal; with or without SA_RESTART. */
void handle(int number, bool restart);
/* SIGALRM again and again, some milliseconds apart; 0 ends it. */
void alarm_every(unsigned int milliseconds);

/* An address where nothing is; the compiler does not know. */
void *no_memory(void);

/* slow.c: a page whose first access takes its time, and may fail */
void *slow_page(void);

/* control.c: a driver's raw messages */
int control_open(uint64_t options);
int control_register(int fd, const char *name, const char *class_name);
/* 0, or -errno; the data goes to buffer, of MAX_RW_SIZE + 1 bytes. */
int control_receive(int fd, fusd_msg_t *message, void *buffer);
int control_reply(int fd, const fusd_msg_t *message, ssize_t retval,
		  const void *data, size_t length);
/* The answer brings this descriptor, or, if it is -1, a new open file. */
int control_give(int fd, const fusd_msg_t *message, int descriptor,
		 uint64_t private_info, uint32_t flags, uint32_t offset);
/* The poll_diff is held. */
int control_hold(int fd, const fusd_msg_t *message);

/*
 * fast.c: the fast path of one device; control_receive() and control_reply()
 * use it from then on for that descriptor, whose requests remember their slot
 * in device_info.
 */
void fast_begin(int fd);
bool fast_is(int fd);
int fast_receive(fusd_msg_t *message, void *buffer);
bool fast_may_reply(const fusd_msg_t *message, size_t length);
int fast_reply(const fusd_msg_t *message, ssize_t retval, const void *data,
	       size_t length);
/* For a request that is answered by a classic reply. */
void fast_release(const fusd_msg_t *message);
/* hostile_fast.c: before a device is registered; and then, by any thread */
void hostile_fast_begin(int fd);
void hostile_fast_act(int fd);

/* hostile_sysfs.c: numbers, attributes and uevents of a device, and readers */
void tell_of_sysfs(int fd);
void look_at_sysfs(void);

/* What the processes run until they end. */
void honest_driver(unsigned int device);
void hostile_driver(unsigned int device);
void honest_client(unsigned int number);
void hostile_client(unsigned int number);

/* ring.c: a call through io_uring; false where there is none */
struct ring_call {
	int opcode;
	int fd;
	void *buffer;
	unsigned int length;
	uint64_t offset;
	unsigned int flags;
	bool wait; /* or leave it to the end of the ring */
	int result;
};
bool ring_do(struct ring_call *call);

#endif /* FUZZ_H */

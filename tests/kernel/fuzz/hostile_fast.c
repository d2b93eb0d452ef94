/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast path, as no driver should use it; several threads do at a time. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "fusd_ring.h"

#define HISTORY 32

/* Threads change all of it, and none minds. */
static struct {
	struct fusd_ring_setup setup;
	char *area; /* stays mapped, long after its device */
	struct fusd_ring_request history[HISTORY];
	unsigned int received;
} fast;

void hostile_fast_begin(int fd)
{
	struct fusd_ring_setup setup = { .size = sizeof(setup) };
	char *area;

	if (one_in(8))
		((char *)&setup)[below(sizeof(setup))] = random_bits();
	if (one_in(2))
		setup.max_transfer = below(FUSD_RING_MAX_TRANSFER + 2);
	if (one_in(4))
		setup.spin_us = random_bits();
	if (ioctl(fd, FUSD_RING_SETUP, &setup) < 0)
		return;
	area = mmap(NULL, setup.area_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
	if (area == MAP_FAILED)
		return;
	/* Now and then the old one stays, as that of a kept view. */
	if (fast.area && !one_in(16))
		munmap(fast.area, fast.setup.area_size);
	fast.setup = setup;
	fast.received = 0;
	fast.area = area;
}

static struct fusd_ring_shared *shared_page(void)
{
	return (struct fusd_ring_shared *)fast.area;
}

static void enter(int fd)
{
	struct fusd_ring_request given[8];
	struct fusd_ring_enter enter = {
		.requests = one_in(20) ? (uintptr_t)no_memory() :
			    one_in(20) ? (uintptr_t)slow_page() :
					 (uintptr_t)given,
		.count = one_in(20) ? 0 : 1 + below(8),
		.flags = one_in(3) ? FUSD_RING_WAIT : 0,
		.wakes = one_in(4) ? random_bits() : shared_page()->wakes,
		.timeout_ms = 1 + below(5),
	};
	int result;

	if (one_in(50))
		enter.flags = random_bits();
	result = ioctl(fd, FUSD_RING_ENTER, &enter);
	if (enter.requests != (uintptr_t)given)
		return;
	for (int i = 0; i < result; i++) {
		count(MESSAGES);
		fast.history[fast.received++ % HISTORY] = given[i];
	}
}

/* The memory of a slot that some request had; NULL if none did. */
static char *known_slot(const struct fusd_ring_request *given)
{
	char *slots = fast.area + FUSD_RING_SLOTS_OFFSET;

	if (given->slot < FUSD_RING_SMALL_SLOTS)
		return slots + given->slot * FUSD_RING_SMALL_SIZE;
	return NULL;
}

static void post(const struct fusd_ring_request *given)
{
	struct fusd_ring_shared *shared = shared_page();
	struct fusd_ring_reply reply = {
		.fusd_file = given->fusd_file,
		.transid = given->transid,
		.hint = given->hint,
		.subcmd = given->subcmd,
		.flags = given->flags,
		.private_info = given->private_info,
		.offset = given->offset,
	};

	if (given->subcmd == FUSD_READ || given->subcmd == FUSD_IOCTL)
		reply.datalen = below(given->length + 2);
	reply.retval =
		one_in(3) ? (ssize_t)random_bits() : (ssize_t)given->length;
	if (given->subcmd == FUSD_OPEN && !one_in(4))
		reply.retval = 0;
	while (one_in(3))
		((char *)&reply)[below(sizeof(reply))] ^= 1 << below(8);
	shared->replies[shared->posted % FUSD_RING_REPLIES] = reply;
	shared->posted += one_in(30) ? random_bits() : 1;
	count(HOSTILE_REPLIES);
}

static void scribble(const struct fusd_ring_request *given)
{
	unsigned int rounds = below(200);
	char *slot = known_slot(given);

	while (rounds--) {
		fast.area[below(one_in(4) ? 64 : PAGE)] = random_bits();
		if (slot)
			slot[below(FUSD_RING_SMALL_SIZE)] = random_bits();
	}
}

static void fetch(int fd, const struct fusd_ring_request *given)
{
	char buffer[8192];
	struct fusd_ring_fetch fetch = {
		.fusd_file = given->fusd_file,
		.transid = given->transid,
		.hint = given->hint,
		.datalen = given->datalen,
		.address =
			one_in(4) ? (uintptr_t)no_memory() : (uintptr_t)buffer,
	};

	if (given->datalen > sizeof(buffer))
		return;
	if (one_in(4))
		((char *)&fetch)[below(sizeof(fetch) - 8)] ^= 1 << below(8);
	ioctl(fd, FUSD_RING_FETCH, &fetch);
}

void hostile_fast_act(int fd)
{
	struct fusd_ring_request given = fast.history[below(HISTORY)];

	if (!fast.area)
		return;
	switch (below(16)) {
	case 0:
		ioctl(fd, FUSD_RING_WAKE);
		break;
	case 1:
		fetch(fd, &given);
		break;
	case 2:
		shared_page()->released[below(2)] = random_bits();
		break;
	case 3:
	case 4:
		if (fast.received)
			scribble(&given);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
		if (fast.received)
			post(&given);
		break;
	default:
		enter(fd);
	}
}

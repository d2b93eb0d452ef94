/* SPDX-License-Identifier: BSD-3-Clause */
/* One call through an io_uring of its own, without a library. */
#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"

#define ENTRIES 2

struct ring {
	int fd;
	struct io_uring_params parameters;
	char *submission, *completion;
	struct io_uring_sqe *entries;
};

static void *map(const struct ring *ring, size_t size, off_t offset)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    ring->fd, offset);

	return memory == MAP_FAILED ? NULL : memory;
}

static size_t submission_size(const struct ring *ring)
{
	return ring->parameters.sq_off.array + ENTRIES * sizeof(unsigned int);
}

static size_t completion_size(const struct ring *ring)
{
	return ring->parameters.cq_off.cqes +
	       2 * ENTRIES * sizeof(struct io_uring_cqe);
}

static bool open_ring(struct ring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(SYS_io_uring_setup, ENTRIES, &ring->parameters);
	if (ring->fd < 0)
		return false;
	ring->submission = map(ring, submission_size(ring), IORING_OFF_SQ_RING);
	ring->completion = map(ring, completion_size(ring), IORING_OFF_CQ_RING);
	ring->entries =
		map(ring, ENTRIES * sizeof(*ring->entries), IORING_OFF_SQES);
	return ring->submission && ring->completion && ring->entries;
}

static void close_ring(struct ring *ring)
{
	if (ring->submission)
		munmap(ring->submission, submission_size(ring));
	if (ring->completion)
		munmap(ring->completion, completion_size(ring));
	if (ring->entries)
		munmap(ring->entries, ENTRIES * sizeof(*ring->entries));
	if (ring->fd >= 0)
		close(ring->fd);
}

static void put(struct ring *ring, const struct ring_call *call)
{
	const struct io_sqring_offsets *at = &ring->parameters.sq_off;
	unsigned int *tail = (void *)(ring->submission + at->tail);
	unsigned int *array = (void *)(ring->submission + at->array);
	struct io_uring_sqe *entry = ring->entries;

	memset(entry, 0, sizeof(*entry));
	entry->opcode = call->opcode;
	entry->fd = call->fd;
	entry->flags = call->flags;
	entry->addr = (uintptr_t)call->buffer;
	entry->len = call->length;
	entry->off = call->offset;
	if (call->opcode == IORING_OP_POLL_ADD)
		entry->poll32_events = call->length;
	array[0] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
}

static bool take(struct ring *ring, struct ring_call *call)
{
	const struct io_cqring_offsets *at = &ring->parameters.cq_off;
	unsigned int *head = (void *)(ring->completion + at->head);
	unsigned int *tail = (void *)(ring->completion + at->tail);
	struct io_uring_cqe *entries = (void *)(ring->completion + at->cqes);

	if (*head == __atomic_load_n(tail, __ATOMIC_ACQUIRE))
		return false;
	call->result = entries[0].res;
	return true;
}

bool ring_do(struct ring_call *call)
{
	struct ring ring;
	bool done = open_ring(&ring);

	call->result = -EINTR;
	if (done) {
		count(RINGS);
		put(&ring, call);
		syscall(SYS_io_uring_enter, ring.fd, 1, 0, 0, NULL, 0);
		while (call->wait && !take(&ring, call))
			syscall(SYS_io_uring_enter, ring.fd, 0, 1,
				IORING_ENTER_GETEVENTS, NULL, 0);
	}
	close_ring(&ring);
	return done;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver's side of the fast path, as it should be: one device a process. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "fusd_ring.h"

static struct {
	int fd;
	struct fusd_ring_setup setup;
	struct fusd_ring_shared *shared;
} fast = { .fd = -1 };

bool fast_is(int fd)
{
	return fast.shared && fast.fd == fd;
}

void fast_begin(int fd)
{
	void *area;

	if (fast.shared)
		munmap(fast.shared, fast.setup.area_size);
	fast.shared = NULL;
	fast.setup = (struct fusd_ring_setup){ .size = sizeof(fast.setup) };
	if (ioctl(fd, FUSD_RING_SETUP, &fast.setup) < 0)
		return;
	area = mmap(NULL, fast.setup.area_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	if (area == MAP_FAILED)
		return;
	fast.fd = fd;
	fast.shared = area;
}

static char *slot_memory(unsigned int slot)
{
	char *slots = (char *)fast.shared + FUSD_RING_SLOTS_OFFSET;

	if (slot < FUSD_RING_SMALL_SLOTS)
		return slots + slot * FUSD_RING_SMALL_SIZE;
	return slots + FUSD_RING_SMALL_SLOTS * FUSD_RING_SMALL_SIZE +
	       (slot - FUSD_RING_SMALL_SLOTS) * (size_t)fast.setup.large_size;
}

static void make_message(fusd_msg_t *message,
			 const struct fusd_ring_request *given)
{
	fops_msg_t *fops = &message->parm.fops_msg;

	memset(message, 0, sizeof(*message));
	message->magic = FUSD_MSG_MAGIC;
	message->cmd = given->subcmd == FUSD_POLL_DIFF ||
				       given->subcmd == FUSD_UNBLOCK ?
			       FUSD_FOPS_NONBLOCK :
			       FUSD_FOPS_CALL;
	message->subcmd = (short)given->subcmd;
	message->datalen = (int)given->datalen;
	fops->pid = given->pid;
	fops->uid = given->uid;
	fops->gid = given->gid;
	fops->flags = given->flags;
	/* Where the slot is remembered; else nobody's. */
	fops->device_info =
		(void *)(given->slot == FUSD_RING_NO_SLOT ? 0UL :
							    given->slot + 1UL);
	fops->private_info = (void *)(uintptr_t)given->private_info;
	fops->length = given->length;
	fops->offset = given->offset;
	fops->cmd = given->cmd;
	fops->mmprot = given->mmprot;
	fops->mmflags = given->mmflags;
	fops->mmoffset = given->mmoffset;
	fops->arg.arg = given->argument;
	fops->fusd_file = (void *)(uintptr_t)given->fusd_file;
	fops->transid = given->transid;
	fops->hint = given->hint;
}

static unsigned long slot_of(const fusd_msg_t *message)
{
	return (unsigned long)message->parm.fops_msg.device_info;
}

int fast_receive(fusd_msg_t *message, void *buffer)
{
	struct fusd_ring_request given;
	const struct fusd_ring_enter enter = {
		.requests = (uintptr_t)&given,
		.count = 1,
	};
	struct fusd_ring_fetch fetch;

	if (ioctl(fast.fd, FUSD_RING_ENTER, &enter) < 0)
		return -errno;
	make_message(message, &given);
	if (!given.datalen)
		return 0;
	if (slot_of(message)) {
		memcpy(buffer, slot_memory(given.slot), given.datalen);
		return 0;
	}
	fetch = (struct fusd_ring_fetch){
		.fusd_file = given.fusd_file,
		.transid = given.transid,
		.hint = given.hint,
		.datalen = given.datalen,
		.address = (uintptr_t)buffer,
	};
	/* Its client may be gone: then nobody sees what is checked. */
	if (ioctl(fast.fd, FUSD_RING_FETCH, &fetch) < 0 && errno == EPIPE)
		message->datalen = 0;
	return 0;
}

bool fast_may_reply(const fusd_msg_t *message, size_t length)
{
	return message->subcmd != FUSD_MMAP && (!length || slot_of(message));
}

int fast_reply(const fusd_msg_t *message, ssize_t retval, const void *data,
	       size_t length)
{
	const fops_msg_t *fops = &message->parm.fops_msg;
	struct fusd_ring_shared *shared = fast.shared;
	struct fusd_ring_reply *reply =
		&shared->replies[shared->posted % FUSD_RING_REPLIES];
	const struct fusd_ring_enter enter = { .count = 0 };
	unsigned long slot = slot_of(message);

	if (length)
		memcpy(slot_memory(slot - 1), data, length);
	*reply = (struct fusd_ring_reply){
		.fusd_file = (uintptr_t)fops->fusd_file,
		.transid = fops->transid,
		.hint = fops->hint,
		.subcmd = (__u16)message->subcmd,
		.flags = (__u32)fops->flags,
		.datalen = (__u32)length,
		.private_info = (uintptr_t)fops->private_info,
		.retval = retval,
		.offset = fops->offset,
	};
	__atomic_store_n(&shared->posted, shared->posted + 1, __ATOMIC_RELEASE);
	while (ioctl(fast.fd, FUSD_RING_ENTER, &enter) < 0)
		if (errno != EINTR)
			return -errno;
	fast_release(message);
	return reply->result;
}

void fast_release(const fusd_msg_t *message)
{
	unsigned long slot = slot_of(message);

	if (slot)
		__atomic_fetch_or(&fast.shared->released[(slot - 1) / 32],
				  1u << (slot - 1) % 32, __ATOMIC_RELEASE);
}

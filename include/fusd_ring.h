/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fast path: one system call and one copy a request.
 *
 * A driver may ask for it, before its device is registered, beside the classic
 * messages of fusd_msg.h, which go on to work. It maps an area of the module's
 * memory. There a client's data is, at its slot, where the client's thread has
 * copied it, and what the client reads is taken from there. Replies are posted
 * into the area, too, and FUSD_RING_ENTER has the module take them and gives
 * the next requests.
 *
 * The area is the driver's to write to at any moment. So the module reads each
 * word of it once, and believes nothing: lengths, cookies and positions of what
 * is under way are in its own memory.
 */
#ifndef FUSD_RING_H
#define FUSD_RING_H

#ifdef __KERNEL__
#include <linux/ioctl.h>
#include <linux/stddef.h>
#include <linux/types.h>
#else
#include <linux/types.h>
#include <stddef.h>
#include <sys/ioctl.h>
#endif

/* Slots: the first ones are small, the others large. */
#define FUSD_RING_SLOTS 64
#define FUSD_RING_SMALL_SLOTS 48
#define FUSD_RING_NO_SLOT 0xffffffff
/* Each has room for a 0 after the data, and more. */
#define FUSD_RING_SMALL_SIZE 8192
#define FUSD_RING_SPARE_SIZE 4096

/* A read or write of so many bytes can be one request, if the driver asks. */
#define FUSD_RING_MAX_TRANSFER (1024 * 1024)

struct fusd_ring_setup {
	__u32 size;  /* of this structure; what is beyond is 0 */
	__u32 flags; /* 0 */
	/* Of a read or write, in bytes; 0: MAX_RW_SIZE. Back: what is so. */
	__u32 max_transfer;
	/* Microseconds to look for a message or an answer before waiting. */
	__u32 spin_us;
	__u64 area_size;  /* back: bytes to map, shared, at offset 0 */
	__u32 large_size; /* back: of a large slot */
	__u32 reserved;
};

/*
 * Before the device is registered: asks for the fast path.
 * Errors: EBUSY (it is registered, or has it), EINVAL (too large a transfer,
 * unknown flags or a size that is not this structure's), EFAULT, ENOMEM.
 */
#define FUSD_RING_SETUP _IOWR('F', 109, struct fusd_ring_setup)

/* A request, as FUSD_RING_ENTER gives it. */
struct fusd_ring_request {
	__u64 fusd_file; /* the cookies, as in fops_msg_t */
	__s64 transid;
	__s32 hint;
	__u16 subcmd;
	__u16 reserved;
	__s32 pid;
	__u32 uid;
	__u32 gid;
	__u32 flags;
	__u64 private_info;
	__u64 length;
	__u64 offset;
	__u64 argument;
	__u64 mmprot;
	__u64 mmflags;
	__u64 mmoffset;
	__u32 cmd;
	__u32 datalen; /* bytes of data that the client sends */
	/*
	 * Where they are, and where the reply's go; the driver's until it says
	 * that it is released. FUSD_RING_NO_SLOT: all were in use, or nothing
	 * goes either way. Then data is fetched by FUSD_RING_FETCH, and a reply
	 * that has any is a classic one.
	 */
	__u32 slot;
	__u32 reserved2;
};

/* A reply, posted into the area. */
struct fusd_ring_reply {
	__u64 fusd_file; /* the cookies, as they were received */
	__s64 transid;
	__s32 hint;
	__u16 subcmd;
	__u16 reserved;
	__u32 flags;
	__u32 datalen; /* bytes of data, in the request's slot */
	__u64 private_info;
	__s64 retval;
	__u64 offset;
	__s32 result; /* back: 0, or the negative errno of a classic reply */
	__u32 reserved2;
};

#define FUSD_RING_REPLIES 32 /* a power of two */

/* The area's first page; its slots begin after it. */
struct fusd_ring_shared {
	/* The driver's: replies that were posted, ever. */
	__u32 posted;
	/* The module's, which does not read it: those that it has taken. */
	__u32 taken;
	/* The module's: counts FUSD_RING_WAKE. */
	__u32 wakes;
	/*
	 * The module's. Replies to requests that came together may wait for the
	 * next FUSD_RING_ENTER. If that takes long, the module takes them, and
	 * counts here: what is posted from then on needs its own.
	 */
	__u32 rescues;
	/* The driver sets the bits of slots; the module takes all at once. */
	__u32 released[FUSD_RING_SLOTS / 32];
	__u32 reserved[10];
	/* Number n is at n % FUSD_RING_REPLIES. */
	struct fusd_ring_reply replies[FUSD_RING_REPLIES];
};

#define FUSD_RING_SLOTS_OFFSET 4096

struct fusd_ring_enter {
	__u64 requests; /* the address of an array */
	__u32 count;	/* of entries there; 0: replies are taken, no more */
	__u32 flags;
	__u32 wakes;	  /* of FUSD_RING_WAIT */
	__u32 timeout_ms; /* of FUSD_RING_WAIT; 0: none */
};

/*
 * Waits for a request, unless wakes is not the area's any more: ECANCELED. So
 * nothing is missed that happens between a look and the wait.
 */
#define FUSD_RING_WAIT 0x1

/*
 * Takes the replies that are posted, and then gives requests that wait, in
 * order: how many is the result. All replies are taken whatever comes of the
 * rest, and none is taken twice if this is called again after an error.
 * Errors: EAGAIN (none waits), ECANCELED, ETIMEDOUT, EINTR, ENODEV (the device
 * is gone, or was never registered), EINVAL (no ring, unknown flags, more
 * replies than there is room for), EFAULT.
 */
#define FUSD_RING_ENTER _IOW('F', 110, struct fusd_ring_enter)
/* Ends the waits of all threads. Errors: EINVAL. */
#define FUSD_RING_WAKE _IO('F', 111)

struct fusd_ring_fetch {
	__u64 fusd_file; /* the cookies, as they were received */
	__s64 transid;
	__s32 hint;
	__u32 datalen;
	__u64 address; /* of memory for as many bytes */
};

/*
 * Copies the data of a request without a slot. Errors: EPIPE (nobody waits for
 * an answer), EINVAL (it has other data), EFAULT.
 */
#define FUSD_RING_FETCH _IOW('F', 112, struct fusd_ring_fetch)

/* The layout is the same for all programs, 32-bit ones among them. */
#define FUSD_RING_ASSERT(type, bytes) \
	_Static_assert(sizeof(struct type) == (bytes), #type)

#ifndef __cplusplus
FUSD_RING_ASSERT(fusd_ring_setup, 32);
FUSD_RING_ASSERT(fusd_ring_request, 112);
FUSD_RING_ASSERT(fusd_ring_reply, 64);
FUSD_RING_ASSERT(fusd_ring_shared, 64 + 64 * FUSD_RING_REPLIES);
FUSD_RING_ASSERT(fusd_ring_enter, 24);
FUSD_RING_ASSERT(fusd_ring_fetch, 32);
_Static_assert(offsetof(struct fusd_ring_request, length) == 48, "length");
_Static_assert(offsetof(struct fusd_ring_request, slot) == 104, "slot");
_Static_assert(offsetof(struct fusd_ring_reply, retval) == 40, "retval");
_Static_assert(offsetof(struct fusd_ring_shared, replies) == 64, "replies");
_Static_assert(sizeof(struct fusd_ring_shared) <= FUSD_RING_SLOTS_OFFSET,
	       "the first page");
#endif
#undef FUSD_RING_ASSERT

#endif /* FUSD_RING_H */

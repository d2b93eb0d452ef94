/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The classic FUSD messages: what the kernel module and the library exchange.
 *
 * Every structure is packed, native endian and sized for 64-bit Linux. A
 * request travels from the kernel to the driver, its reply goes back with the
 * three cookies (fusd_file, transid, hint) untouched. The layout is fixed
 * since FUSD 1.0; the assertions at the end keep it so.
 */
#ifndef FUSD_MSG_H
#define FUSD_MSG_H

/*
 * Programs of 2003 define __KERNEL__ to reach what kernel headers hid. This is
 * the kernel only if it is built as that.
 */
#if defined(__KERNEL__) && defined(KBUILD_MODNAME)
#define FUSD_IN_KERNEL
#endif

#ifdef FUSD_IN_KERNEL
#include <linux/ioctl.h>
#include <linux/stddef.h>
#include <linux/types.h>
#else
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#endif

/** Longest device name, class and devname, without the terminating 0: bytes. */
#define FUSD_MAX_NAME_LENGTH 47

#define FUSD_MSG_MAGIC 0x7a6b93cd

/** Most bytes that one read or write request carries: 128 KiB. */
#define MAX_RW_SIZE (128 * 1024)

#define DEFAULT_DEV_ROOT "/dev/"
#define FUSD_CONTROL_FILENAME "fusd/control"
#define FUSD_STATUS_FILENAME "fusd/status"
#define FUSD_CONTROL_DEVNAME DEFAULT_DEV_ROOT FUSD_CONTROL_FILENAME
#define FUSD_STATUS_DEVNAME DEFAULT_DEV_ROOT FUSD_STATUS_FILENAME

/* On the status descriptor: reads give fusd_status_t records, not text. */
#define FUSD_STATUS_USE_BINARY _IO('F', 100)

/* fusd_msg_t.cmd; a reply's is its call's + 1. The last is never sent. */
#define FUSD_REGISTER_DEVICE 0
#define FUSD_UNREGISTER_DEVICE 1
#define FUSD_FOPS_CALL 2
#define FUSD_FOPS_REPLY 3
#define FUSD_FOPS_NONBLOCK 4
#define FUSD_FOPS_NONBLOCK_REPLY 5
#define FUSD_FOPS_CALL_DROPREPLY 6

/* fusd_msg_t.subcmd */
#define FUSD_OPEN 100
#define FUSD_CLOSE 101
#define FUSD_READ 102
#define FUSD_WRITE 103
#define FUSD_IOCTL 104
#define FUSD_POLL_DIFF 105
#define FUSD_UNBLOCK 106
#define FUSD_MMAP 107
#define FUSD_SEEK 108
#define FUSD_FLUSH 109
#define FUSD_FSYNC 110

/**
 * A callback that returns -FUSD_NOREPLY keeps its client blocked, until the
 * driver answers with fusd_return() or fusd_return_data().
 */
#define FUSD_NOREPLY 0x1000

/* Poll states, or-ed together. */

/** There is something to read: to a client POLLIN. */
#define FUSD_NOTIFY_INPUT 0x1
/** A write finds room: POLLOUT. */
#define FUSD_NOTIFY_OUTPUT 0x2
/** Something out of the ordinary: POLLPRI. */
#define FUSD_NOTIFY_EXCEPT 0x4
/** It broke: POLLERR, which every poll shows, whatever it asks for. */
#define FUSD_NOTIFY_ERROR 0x8
/** It was unplugged: POLLHUP, which every poll shows, too. */
#define FUSD_NOTIFY_HANGUP 0x10
#define FUSD_NOTIFY_ALL                                                \
	(FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT | FUSD_NOTIFY_EXCEPT | \
	 FUSD_NOTIFY_ERROR | FUSD_NOTIFY_HANGUP)

/* Not a pragma: sparse, which checks the module, knows only the attribute. */
#define FUSD_PACKED __attribute__((packed))

/* Registers the device that the control descriptor stands for from then on. */
typedef struct {
	char name[FUSD_MAX_NAME_LENGTH + 1];
	char clazz[FUSD_MAX_NAME_LENGTH + 1];
	char devname[FUSD_MAX_NAME_LENGTH + 1];
	mode_t mode;
	void *device_info;
} FUSD_PACKED register_msg_t;

/* One file operation: the call, and, sent back, its result. */
typedef struct {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	unsigned long flags; /* the open file's f_flags */
	void *device_info;   /* as given at registration */
	void *private_info;  /* the driver's value for this open file */
	ssize_t retval;
	unsigned long length; /* bytes asked for, or sent along */
	unsigned long offset; /* file position, both ways */
	unsigned int cmd; /* ioctl request, cached poll state; fusd_control.h */
	unsigned long mmprot;
	unsigned long mmflags;
	unsigned long mmoffset;
	union {
		unsigned long arg;
		void *ptr_arg;
	} FUSD_PACKED arg;
	void *fusd_file; /* cookie */
	long transid;	 /* cookie */
	int hint;	 /* cookie */
} FUSD_PACKED fops_msg_t;

typedef struct {
	int magic;
	short int cmd;
	short int subcmd;
	char *data; /* each side's own; means nothing to the other */
	int datalen;
	union {
		register_msg_t register_msg;
		fops_msg_t fops_msg;
	} FUSD_PACKED parm;
} FUSD_PACKED fusd_msg_t;

/* One device in a binary read of the status file. */
typedef struct {
	char name[FUSD_MAX_NAME_LENGTH + 1];
	int zombie; /* its driver is gone, files are still open */
	pid_t pid;
	int num_open;
} FUSD_PACKED fusd_status_t;

#if defined(FUSD_IN_KERNEL) || (defined(__cplusplus) && __cplusplus >= 201103L)
#define FUSD_ASSERT_LAYOUT(condition) static_assert(condition, #condition)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define FUSD_ASSERT_LAYOUT(condition) _Static_assert(condition, #condition)
#else
#define FUSD_ASSERT_LAYOUT(condition) \
	extern int fusd_layout_assertion[(condition) ? 1 : -1]
#endif

#define FUSD_ASSERT_OFFSET(type, member, bytes) \
	FUSD_ASSERT_LAYOUT(offsetof(type, member) == (bytes))

#if defined(__LP64__)
FUSD_ASSERT_LAYOUT(sizeof(register_msg_t) == 156);
FUSD_ASSERT_OFFSET(register_msg_t, name, 0);
FUSD_ASSERT_OFFSET(register_msg_t, clazz, 48);
FUSD_ASSERT_OFFSET(register_msg_t, devname, 96);
FUSD_ASSERT_OFFSET(register_msg_t, mode, 144);
FUSD_ASSERT_OFFSET(register_msg_t, device_info, 148);

FUSD_ASSERT_LAYOUT(sizeof(fops_msg_t) == 116);
FUSD_ASSERT_OFFSET(fops_msg_t, pid, 0);
FUSD_ASSERT_OFFSET(fops_msg_t, uid, 4);
FUSD_ASSERT_OFFSET(fops_msg_t, gid, 8);
FUSD_ASSERT_OFFSET(fops_msg_t, flags, 12);
FUSD_ASSERT_OFFSET(fops_msg_t, device_info, 20);
FUSD_ASSERT_OFFSET(fops_msg_t, private_info, 28);
FUSD_ASSERT_OFFSET(fops_msg_t, retval, 36);
FUSD_ASSERT_OFFSET(fops_msg_t, length, 44);
FUSD_ASSERT_OFFSET(fops_msg_t, offset, 52);
FUSD_ASSERT_OFFSET(fops_msg_t, cmd, 60);
FUSD_ASSERT_OFFSET(fops_msg_t, mmprot, 64);
FUSD_ASSERT_OFFSET(fops_msg_t, mmflags, 72);
FUSD_ASSERT_OFFSET(fops_msg_t, mmoffset, 80);
FUSD_ASSERT_OFFSET(fops_msg_t, arg, 88);
FUSD_ASSERT_OFFSET(fops_msg_t, fusd_file, 96);
FUSD_ASSERT_OFFSET(fops_msg_t, transid, 104);
FUSD_ASSERT_OFFSET(fops_msg_t, hint, 112);

FUSD_ASSERT_LAYOUT(sizeof(fusd_msg_t) == 176);
FUSD_ASSERT_OFFSET(fusd_msg_t, magic, 0);
FUSD_ASSERT_OFFSET(fusd_msg_t, cmd, 4);
FUSD_ASSERT_OFFSET(fusd_msg_t, subcmd, 6);
FUSD_ASSERT_OFFSET(fusd_msg_t, data, 8);
FUSD_ASSERT_OFFSET(fusd_msg_t, datalen, 16);
FUSD_ASSERT_OFFSET(fusd_msg_t, parm, 20);

FUSD_ASSERT_LAYOUT(sizeof(fusd_status_t) == 60);
FUSD_ASSERT_OFFSET(fusd_status_t, name, 0);
FUSD_ASSERT_OFFSET(fusd_status_t, zombie, 48);
FUSD_ASSERT_OFFSET(fusd_status_t, pid, 52);
FUSD_ASSERT_OFFSET(fusd_status_t, num_open, 56);
#endif

#undef FUSD_PACKED
#undef FUSD_ASSERT_OFFSET
#undef FUSD_ASSERT_LAYOUT

#endif /* FUSD_MSG_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a request asks, from inside its callback or while it is held; a part of
 * fusd.h, which includes it.
 */
#ifndef FUSD_GET_H
#define FUSD_GET_H

#include "fusd.h"

#ifdef __cplusplus
extern "C" {
#endif

/** FUSD_OPEN, FUSD_READ ... */
static inline int fusd_get_call_type(struct fusd_file_info *file)
{
	return file->fusd_msg->subcmd;
}

/** Of a read: where the answer goes; fusd_get_length() bytes. */
static inline char *fusd_get_read_buffer(struct fusd_file_info *file)
{
	return file->fusd_msg->data;
}

/** Of a write: the client's bytes; fusd_get_length() of them, then a 0. */
static inline const char *fusd_get_write_buffer(struct fusd_file_info *file)
{
	return file->fusd_msg->data;
}

/** Of a read, write or ioctl: how many bytes its buffer has; of an mmap, how
 * many the client maps. */
static inline size_t fusd_get_length(struct fusd_file_info *file)
{
	return file->fusd_msg->parm.fops_msg.length;
}

/** Of a read or write: the file position, to be read and changed; of a seek, to
 * be read. */
static inline loff_t *fusd_get_offset(struct fusd_file_info *file)
{
	return (loff_t *)(void *)((char *)file->fusd_msg +
				  offsetof(fusd_msg_t, parm) +
				  offsetof(fops_msg_t, offset));
}

/** Of an ioctl: the request number. */
static inline int fusd_get_ioctl_request(struct fusd_file_info *file)
{
	return (int)file->fusd_msg->parm.fops_msg.cmd;
}

#ifndef FUSD_KOR_API
/**
 * Of an ioctl: the raw argument, cut to an int as it was in FUSD 1.10; with
 * FUSD_KOR_API the whole of it, an unsigned long, as in the fork.
 */
static inline int fusd_get_ioctl_arg(struct fusd_file_info *file)
{
	return (int)file->fusd_msg->parm.fops_msg.arg.arg;
}
#else
static inline unsigned long fusd_get_ioctl_arg(struct fusd_file_info *file)
{
	return file->fusd_msg->parm.fops_msg.arg.arg;
}
#endif

/**
 * Of an ioctl: the request number as _IOR() and its siblings make it. A switch
 * over it compiles without a warning, which one over the callback's int does
 * not: half of these numbers do not fit into an int.
 */
static inline unsigned int fusd_get_ioctl_number(struct fusd_file_info *file)
{
	return file->fusd_msg->parm.fops_msg.cmd;
}

/**
 * Of an ioctl: the client's argument as it is, whatever it points at. Of a
 * 32-bit client it has 32 bits.
 */
static inline unsigned long fusd_get_ioctl_argument(struct fusd_file_info *file)
{
	return file->fusd_msg->parm.fops_msg.arg.arg;
}

/**
 * Of an ioctl: 1 if its client is a 32-bit program, so that pointers and longs
 * in its data have 4 bytes, and structures may have other sizes and so other
 * numbers; else 0, also on a module kfusd that does not tell. In 0.2.
 */
int fusd_is_32bit(struct fusd_file_info *file);

/** Of an ioctl with _IOC_READ or _IOC_WRITE, or that struct fusd_ioctl says has
 * data: that data. */
static inline void *fusd_get_ioctl_buffer(struct fusd_file_info *file)
{
	return file->fusd_msg->data;
}

/** Of a poll_diff: the state the client side believes in. */
static inline int fusd_get_poll_diff_cached_state(struct fusd_file_info *file)
{
	return (int)file->fusd_msg->parm.fops_msg.cmd;
}

/** A number that no other pending request of the device has; in an unblock
 * callback, that of the request whose client was interrupted. */
static inline long fusd_get_transaction(struct fusd_file_info *file)
{
	return file->fusd_msg->parm.fops_msg.transid;
}

#ifdef __cplusplus
}
#endif

#endif /* FUSD_GET_H */

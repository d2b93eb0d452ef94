/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the argument of an ioctl really is, where its number does not say so:
 * EVIOCGRAB codes four bytes and takes a value, TCGETS codes nothing and takes
 * an address. A part of fusd.h, and of what the module is told.
 */
#ifndef FUSD_IOCTL_H
#define FUSD_IOCTL_H

#ifdef __KERNEL__
#include <linux/ioctl.h>
#include <linux/types.h>
#else
#include <linux/types.h>
#include <sys/ioctl.h>
#endif

/**
 * What the ioctls of one number, or of several that differ in some bits, really
 * are. struct fusd_options has a table of these.
 */
struct fusd_ioctl {
	/** As _IOR() and its siblings make it. */
	__u32 number;
	/**
	 * The bits of a client's number that are to be number's: 0 for all, or
	 * FUSD_IOCTL_ANY_SIZE.
	 */
	__u32 mask;
	/** FUSD_IOCTL_VALUE, FUSD_IOCTL_IN, FUSD_IOCTL_OUT, FUSD_IOCTL_INOUT */
	__u32 direction;
	/** Bytes at the address, at most MAX_RW_SIZE; 0: as the number codes.
	 */
	__u32 size;
};

/** The argument is a number, or an address that nobody looks at. */
#define FUSD_IOCTL_VALUE 0
/** It is the address of data for the driver. */
#define FUSD_IOCTL_IN 1
/** It is the address of memory for the driver's data. */
#define FUSD_IOCTL_OUT 2
/** Both: the driver's data replaces the client's. */
#define FUSD_IOCTL_INOUT 3

/** A mask, for a number and its siblings that code other sizes. */
#define FUSD_IOCTL_ANY_SIZE (~((__u32)_IOC_SIZEMASK << _IOC_SIZESHIFT))

/** So many entries may a device's table have. */
#define FUSD_IOCTLS_MAX 256

#endif /* FUSD_IOCTL_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that an ioctl or a read gives its client, as those of GPIO lines,
 * KVM and fanotify do; a part of fusd.h, which includes it.
 */
#ifndef FUSD_DESCRIPTOR_H
#define FUSD_DESCRIPTOR_H

#include "fusd.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Instead of an offset: the client's number is the ioctl's result. */
#define FUSD_AS_RESULT (-1)

/**
 * Opens the device for the client of an ioctl or a read, whose answer brings it
 * the new open file's descriptor.
 *
 * Inside the request's callback, or while it is held, before it is answered.
 * The open file is one like any other, with the client as its opener, but open
 * is not called for it.
 *
 * @private_data  what its callbacks get as theirs, and the driver's to free in
 *                close
 * @flags         O_RDONLY, O_WRONLY or O_RDWR, and O_NONBLOCK, of the open
 *                file; O_CLOEXEC, of the client's descriptor
 * @offset        where in the data that goes to the client it finds the
 *                descriptor's number, an int, in bytes; or, of an ioctl,
 *                FUSD_AS_RESULT
 *
 * If the answer is an error, there has never been such an open file,
 * and the driver frees private_data itself. After any other answer close is
 * called exactly once, also if the client was gone, or could have no more
 * descriptors: but not any more once the device was unregistered. So such a
 * request is to be answered even if its client is gone, by an error perhaps;
 * fusd_destroy() leaves it in the module until the device's end.
 *
 * The data of a read is taken whole, with what comes along, or stays for the
 * open file's next read: if there is room for fewer bytes (the client gets
 * EINVAL, as from splice(2) and sendfile(2)) or for no more descriptors. A read
 * whose answer has less data than the number needs gives EIO.
 *
 * Only the kfusd transport can. Errors:
 *   ENOTTY  the device's transport, or the module that is loaded, cannot;
 *           fusd_error() says what can
 *   EPIPE   nobody waits for the answer any more
 *   EINVAL  no ioctl and no read; unknown flags; the data that goes back to the
 * client has no int at offset E2BIG   more than 16 descriptors in one answer
 *   ENFILE  the client's user has as many open files of the device as it may
 *   ENOMEM  no memory
 *
 * Any thread may call it, one at a time for one request.
 */
int fusd_open_child(struct fusd_file_info *file, void *private_data, int flags,
		    ssize_t offset);

/**
 * Gives the client of an ioctl or a read a descriptor of the driver's own, such
 * as one of a memfd, a pipe or a socket, with the answer.
 *
 * As fusd_open_child(), but flags is O_CLOEXEC or 0. The client gets the open
 * file that fd stands for at this call. fd stays the driver's, who may close it
 * at once.
 *
 * Errors: those of fusd_open_child(); EBADF (fd is no descriptor, or one of
 * O_PATH); EINVAL for a device's descriptor as fusd_register() returns it.
 */
int fusd_give_descriptor(struct fusd_file_info *file, int fd, int flags,
			 ssize_t offset);

#ifdef __cplusplus
}
#endif

#endif /* FUSD_DESCRIPTOR_H */

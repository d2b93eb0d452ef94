/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * What clients' and drivers' system calls become, and how a device is
 * registered. What these are made of is in kfusd.h.
 */
#ifndef KFUSD_OPERATIONS_H
#define KFUSD_OPERATIONS_H

#include "kfusd.h"

/* transfer.c */
ssize_t kfusd_client_read(struct kiocb *iocb, struct iov_iter *to);
ssize_t kfusd_client_write(struct kiocb *iocb, struct iov_iter *from);
/* Calls the driver, unless filling the request has failed with an error. */
struct kfusd_request *kfusd_call_filled(struct kfusd_request *request,
					int error);
/* Ends an answered call. Takes over the reference; returns the result. */
ssize_t kfusd_end_call(struct file *filp, struct kfusd_request *request);
/* Makes a read of at most length bytes: its answer, or ERR_PTR. */
struct kfusd_request *kfusd_call_read(struct file *filp, loff_t position,
				      size_t length);
/*
 * Ends a read, of whose answer's data consumed bytes reached the client. What
 * its memory did not take, or a shorter read than the one that was answered, is
 * kept. Takes over the reference; moves the position; returns the read's
 * result.
 */
ssize_t kfusd_end_read(struct file *filp, struct kfusd_request *answer,
		       size_t consumed, loff_t *position);

/* splice.c */
ssize_t kfusd_client_splice_read(struct file *filp, loff_t *position,
				 struct pipe_inode_info *pipe, size_t length,
				 unsigned int flags);

/* seek.c, sync.c */
loff_t kfusd_client_llseek(struct file *filp, loff_t offset, int whence);
int kfusd_client_fsync(struct file *filp, loff_t start, loff_t end,
		       int datasync);
int kfusd_client_flush(struct file *filp, fl_owner_t owner);

/* descriptor.c: descriptors that an answer brings its client */
/* FUSD_CONTROL_DESCRIPTOR of the driver's control file. 0 or its -errno. */
int kfusd_add_descriptor(struct file *control,
			 const struct fusd_control_descriptor __user *user);
/*
 * In the client, whose call was answered: puts the descriptors' numbers where
 * it finds them. -EMFILE, -ENOMEM; -EIO (the answer has no room for them): all
 * is as before, and the client may try again.
 */
int kfusd_reserve_numbers(struct kfusd_request *request);
/*
 * After that, for a call on filp: makes the files of new open files. 0 or what
 * making a file gives; kfusd_end_descriptors() has to follow.
 */
int kfusd_make_files(const struct file *filp, struct kfusd_request *request);
/*
 * Gives the client its descriptors, if error is 0; or takes them back. None are
 * the request's afterwards, which may end in the driver: that must not wait for
 * its own answer to a close.
 */
void kfusd_end_descriptors(struct kfusd_request *request, int error);

/* ioctl.c */
/* FUSD_CONTROL_IOCTLS of a device. 0, -EBUSY, -EFAULT, -EINVAL, -ENOMEM. */
int kfusd_set_ioctls(struct kfusd_device *device,
		     const struct fusd_control_ioctls __user *user);
long kfusd_client_ioctl(struct file *filp, unsigned int number,
			unsigned long argument);
long kfusd_client_compat_ioctl(struct file *filp, unsigned int number,
			       unsigned long argument);

/* receive.c */
/* The next header, or the data that belongs to the last one. */
ssize_t kfusd_receive_message(struct kfusd_device *device, char __user *buffer,
			      size_t length, bool nonblocking);
bool kfusd_may_receive(struct kfusd_device *device);
/*
 * The next message, with a reference to its request, whose slot is the driver's
 * then, if it is given that; NULL if none waits. One of the next two follows.
 */
struct kfusd_message *kfusd_take_message(struct kfusd_device *device,
					 bool gives_slot);
/*
 * The driver has the message. Only an unblock can be queued again; and with
 * that a flush is over for which nobody waits.
 */
void kfusd_message_arrived(struct kfusd_device *device,
			   struct kfusd_message *message);
/* Puts a message back that did not reach the driver, to be the next again. */
void kfusd_put_back_message(struct kfusd_device *device,
			    struct kfusd_message *message);
/* Forgets a message half received. Under receive_lock, or the last user. */
void kfusd_drop_partial(struct kfusd_device *device);

/* reply.c */
/*
 * A reply whose header is message; its data comes next, or, without data, is in
 * the request's slot. Bytes or -errno.
 */
ssize_t kfusd_take_reply(struct kfusd_device *device, const fusd_msg_t *message,
			 struct iov_iter *data);

/* enter.c: the fast path */
/* Of a device that is being made. */
void kfusd_enter_prepare(struct kfusd_device *device);
/* FUSD_RING_ENTER, FUSD_RING_WAKE, FUSD_RING_FETCH. */
long kfusd_ring_ioctl(struct kfusd_device *device, unsigned int number,
		      void __user *argument);

/* number.c */
int kfusd_numbers_init(const struct file_operations *client_operations);
void kfusd_numbers_exit(void);
/* FUSD_CONTROL_NUMBER. 0, -EBUSY, -EFAULT, -EINVAL, -EPERM. */
int kfusd_ask_number(struct kfusd_device *device,
		     const struct fusd_control_number __user *user);
/* Gives the device the number that it chose or any, by which opens find it. */
int kfusd_number_take(struct kfusd_device *device);
void kfusd_number_give(struct kfusd_device *device);
/* The live device of a number, with a reference; NULL if there is none. */
struct kfusd_device *kfusd_device_find(dev_t number);

/* register.c: what makes a device visible, its class, node and name */
int kfusd_register_init(void);
void kfusd_register_exit(void);
/*
 * Makes the node. 0, -EINVAL, -EEXIST, -ENOSPC, -ENOMEM ... If it fails after
 * clients could have seen the node, the device is gone, not new again.
 */
int kfusd_device_register(struct kfusd_device *device,
			  const register_msg_t *message);
/* FUSD_CONTROL_ATTRIBUTE. */
int kfusd_tell_attribute(struct kfusd_device *device,
			 const struct fusd_control_attribute __user *user);
/* FUSD_CONTROL_CHANGE. */
int kfusd_device_change(struct kfusd_device *device,
			const struct fusd_control_variables __user *user);
/* Takes the node away and ends every request with EPIPE. -ENODEV: no device. */
int kfusd_device_unregister(struct kfusd_device *device);

/* client.c: the file operations of /dev/NAME */
extern const struct file_operations kfusd_client_operations;

/* control.c: the driver's side */
int kfusd_control_init(void);
void kfusd_control_exit(void);

/* status.c */
int kfusd_status_init(void);
void kfusd_status_exit(void);

#endif /* KFUSD_OPERATIONS_H */

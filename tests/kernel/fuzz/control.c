/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver's raw messages, as they should be. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuzz.h"

int control_open(uint64_t options)
{
	int fd = open("/dev/fusd/control", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	__u64 wanted = options;

	if (fd < 0)
		return -errno;
	if (options)
		ioctl(fd, FUSD_CONTROL_OPTIONS, &wanted);
	return fd;
}

int control_register(int fd, const char *name, const char *class_name)
{
	fusd_msg_t message = { .magic = FUSD_MSG_MAGIC,
			       .cmd = FUSD_REGISTER_DEVICE };

	strncpy(message.parm.register_msg.name, name, FUSD_MAX_NAME_LENGTH);
	if (class_name)
		strncpy(message.parm.register_msg.clazz, class_name,
			FUSD_MAX_NAME_LENGTH);
	message.parm.register_msg.mode = 0666;
	if (write(fd, &message, sizeof(message)) != sizeof(message))
		return -errno;
	count(REGISTRATIONS);
	return 0;
}

int control_receive(int fd, fusd_msg_t *message, void *buffer)
{
	ssize_t got;

	if (fast_is(fd)) {
		got = fast_receive(message, buffer);
		if (got)
			return got;
		count(MESSAGES);
		if (message->subcmd == FUSD_UNBLOCK)
			count(UNBLOCKS);
		return 0;
	}
	got = read(fd, message, sizeof(*message));
	if (got != sizeof(*message))
		return got < 0 ? -errno : -EIO;
	count(MESSAGES);
	if (message->subcmd == FUSD_UNBLOCK)
		count(UNBLOCKS);
	if (!message->datalen)
		return 0;
	do
		got = read(fd, buffer, message->datalen);
	while (got < 0 && errno == EINTR);
	return got == message->datalen ? 0 : got < 0 ? -errno : -EIO;
}

int control_reply(int fd, const fusd_msg_t *message, ssize_t retval,
		  const void *data, size_t length)
{
	fusd_msg_t answer = *message;
	struct iovec parts[2] = { { &answer, sizeof(answer) },
				  { (void *)data, length } };

	if (fast_is(fd) && fast_may_reply(message, length))
		return fast_reply(message, retval, data, length);
	if (fast_is(fd))
		fast_release(message);
	answer.cmd++;
	answer.parm.fops_msg.retval = retval;
	answer.datalen = length;
	if (writev(fd, parts, length ? 2 : 1) < 0)
		return -errno;
	return 0;
}

int control_give(int fd, const fusd_msg_t *message, int descriptor,
		 uint64_t private_info, uint32_t flags, uint32_t offset)
{
	const fops_msg_t *fops = &message->parm.fops_msg;
	const struct fusd_control_descriptor told = {
		.fusd_file = (uintptr_t)fops->fusd_file,
		.transid = fops->transid,
		.hint = fops->hint,
		.descriptor = descriptor,
		.private_info = private_info,
		.flags = flags,
		.offset = offset,
	};

	return ioctl(fd, FUSD_CONTROL_DESCRIPTOR, &told) < 0 ? -errno : 0;
}

int control_hold(int fd, const fusd_msg_t *message)
{
	const fops_msg_t *fops = &message->parm.fops_msg;
	const struct fusd_control_held told = {
		.fusd_file = (uintptr_t)fops->fusd_file,
		.transid = fops->transid,
		.hint = fops->hint,
	};

	return ioctl(fd, FUSD_CONTROL_HELD, &told) < 0 ? -errno : 0;
}

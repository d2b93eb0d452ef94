/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver that keeps the contract, at its leisure: it holds some calls,
 * answers them in another order, and checks what it is sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define MOST_HELD 64
#define MOST_FILES 4096

struct held {
	bool used;
	fusd_msg_t message;
	double due; /* 0: until something happens */
};

static struct {
	int fd;
	unsigned int device;
	struct held held[MOST_HELD];
	/* Those with an open that succeeded and no close yet. */
	unsigned long files[MOST_FILES];
	unsigned int open_files;
	char *page;
	char buffer[MAX_RW_SIZE + 2];
	char answer[MAX_RW_SIZE];
} driver;

static unsigned long *find_file(unsigned long id)
{
	unsigned int i;

	for (i = 0; i < MOST_FILES; i++) {
		if (driver.files[i] == id)
			return &driver.files[i];
	}
	return NULL;
}

/* A child's is what the driver gave it: no cookie counts up so far. */
#define CHILD (1UL << 60)

static unsigned long file_of(const fusd_msg_t *message)
{
	const fops_msg_t *fops = &message->parm.fops_msg;

	return (unsigned long)(fops->private_info ? fops->private_info :
						    fops->fusd_file);
}

/* The reply; one to a client that is gone may be refused. */
static bool reply(const fusd_msg_t *message, ssize_t retval, size_t length)
{
	int error = control_reply(driver.fd, message, retval, driver.answer,
				  length);

	if (!error) {
		count(REPLIES);
		return true;
	}
	if (error != -EPIPE)
		fail("device %u: reply to %d: %s", driver.device,
		     message->subcmd, strerror(-error));
	return false;
}

static void answer_open(const fusd_msg_t *message)
{
	unsigned long *slot = find_file(0);
	bool refuse = one_in(10);

	if (!slot) {
		reply(message, -EBUSY, 0);
		return;
	}
	if (!reply(message, refuse ? -EBUSY : 0, 0) || refuse)
		return;
	*slot = file_of(message);
	driver.open_files++;
}

static void drop_held(unsigned long file, short subcmd)
{
	unsigned int i;

	for (i = 0; i < MOST_HELD; i++) {
		struct held *one = &driver.held[i];

		if (!one->used || file_of(&one->message) != file ||
		    (subcmd && one->message.subcmd != subcmd))
			continue;
		one->used = false;
		/* Its client is gone; the module waits for an answer. */
		if (one->message.data)
			reply(&one->message, -EIO, 0);
	}
}

static void answer_close(const fusd_msg_t *message)
{
	unsigned long *slot = find_file(file_of(message));

	drop_held(file_of(message), 0);
	if (slot && file_of(message)) {
		*slot = 0;
		driver.open_files--;
	} else {
		fail("device %u: close of file %#lx, which is not open",
		     driver.device, file_of(message));
	}
	reply(message, 0, 0);
}

static void answer_read(fusd_msg_t *message)
{
	fops_msg_t *fops = &message->parm.fops_msg;
	size_t length = fops->length ? 1 + below(fops->length) : 0;
	size_t i;

	for (i = 0; i < length; i++)
		driver.answer[i] = pattern(fops->offset + i);
	fops->offset += length;
	reply(message, length, length);
}

static void check_written(const fusd_msg_t *message)
{
	const fops_msg_t *fops = &message->parm.fops_msg;
	size_t i;

	for (i = 0; i < fops->length; i++) {
		if ((unsigned char)driver.buffer[i] !=
		    pattern(fops->offset + i)) {
			fail("device %u: byte %zu of a write of %lu at %lu",
			     driver.device, i, fops->length, fops->offset);
			return;
		}
	}
}

static void answer_write(fusd_msg_t *message)
{
	fops_msg_t *fops = &message->parm.fops_msg;
	size_t length = fops->length ? 1 + below(fops->length) : 0;

	fops->offset += length;
	reply(message, length, 0);
}

/* Notes the child in the message, whose data is this side's own. */
static void add_child(fusd_msg_t *message)
{
	static unsigned long last;
	unsigned long child = CHILD + ++last;
	int error;

	if (message->subcmd != FUSD_IOCTL || message->data ||
	    message->parm.fops_msg.cmd != OPEN_CHILD)
		return;
	error = control_give(driver.fd, message, -1, child, O_RDWR,
			     FUSD_CONTROL_RESULT);
	if (!error)
		message->data = (char *)child;
	else if (error != -EPIPE)
		fail("device %u: a child: %s", driver.device, strerror(-error));
}

/* Once it is there, an answer is taken, and a close follows. */
static void answer_child(fusd_msg_t *message)
{
	unsigned long *slot = find_file(0);

	add_child(message);
	if (!message->data || !slot || one_in(4)) {
		reply(message, -EBUSY, 0);
		return;
	}
	if (!reply(message, 0, 0)) {
		fail("device %u: a child is refused", driver.device);
		return;
	}
	*slot = (unsigned long)message->data;
	driver.open_files++;
	count(CHILDREN);
}

/* The argument is what it was at the answer's end, too: nothing is kept. */
static void answer_ioctl(const fusd_msg_t *message)
{
	unsigned int number = message->parm.fops_msg.cmd;
	size_t size = _IOC_SIZE(number);
	size_t i;

	if (number != EXCHANGE_SMALL && number != EXCHANGE_LARGE) {
		reply(message, -ENOTTY, 0);
		return;
	}
	for (i = 0; i < size; i++)
		driver.answer[i] = (char)(number + i) ^ MASK;
	reply(message, EXCHANGE_RESULT, size);
}

static void answer_mmap(fusd_msg_t *message)
{
	fops_msg_t *fops = &message->parm.fops_msg;

	fops->arg.arg = (unsigned long)driver.page;
	fops->length = PAGE;
	reply(message, 0, 0);
}

static void answer_seek(const fusd_msg_t *message)
{
	const fops_msg_t *fops = &message->parm.fops_msg;
	long position = (long)fops->arg.arg;

	if (fops->cmd == SEEK_CUR)
		position += (long)fops->offset;
	else if (fops->cmd == SEEK_END)
		position += END_POSITION;
	count(SEEKS);
	reply(message, position < 0 ? -EINVAL : position, 0);
}

/* An fsync or a flush. */
static void answer_sync(const fusd_msg_t *message)
{
	count(message->subcmd == FUSD_FSYNC ? SYNCS : FLUSHES);
	reply(message, one_in(4) ? -SYNC_ERROR : 0, 0);
}

/* One more bit than is known, until there is none. */
static void answer_poll(const fusd_msg_t *message)
{
	const unsigned int all = FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT;
	unsigned int known = message->parm.fops_msg.cmd & all;
	unsigned int state = known ? all : 1 + below(3);

	reply(message, state, 0);
}

static void answer(fusd_msg_t *message)
{
	switch (message->subcmd) {
	case FUSD_OPEN:
		answer_open(message);
		break;
	case FUSD_CLOSE:
		answer_close(message);
		break;
	case FUSD_READ:
		answer_read(message);
		break;
	case FUSD_WRITE:
		answer_write(message);
		break;
	case FUSD_IOCTL:
		if (message->parm.fops_msg.cmd == OPEN_CHILD)
			answer_child(message);
		else
			answer_ioctl(message);
		break;
	case FUSD_MMAP:
		answer_mmap(message);
		break;
	case FUSD_POLL_DIFF:
		answer_poll(message);
		break;
	case FUSD_SEEK:
		answer_seek(message);
		break;
	case FUSD_FSYNC:
	case FUSD_FLUSH:
		answer_sync(message);
		break;
	default:
		fail("device %u: message %d", driver.device, message->subcmd);
	}
}

/* Another state than all bits is known, or there is nothing to tell. */
static bool is_all_known(const fusd_msg_t *message)
{
	const unsigned int all = FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT;

	return message->subcmd == FUSD_POLL_DIFF &&
	       (message->parm.fops_msg.cmd & all) == all;
}

static void hold(const fusd_msg_t *message, double due)
{
	unsigned int i;

	for (i = 0; i < MOST_HELD; i++) {
		if (driver.held[i].used)
			continue;
		driver.held[i].used = true;
		driver.held[i].message = *message;
		driver.held[i].due = due;
		return;
	}
	driver.answer[0] = 0;
	if (!is_all_known(message)) {
		fusd_msg_t copy = *message;

		answer(&copy);
	}
}

static void unblock(const fusd_msg_t *message)
{
	unsigned int i;

	if (driver.device != DEVICE_TOLD)
		fail("device %u: told of a signal", driver.device);
	for (i = 0; i < MOST_HELD; i++) {
		struct held *one = &driver.held[i];

		if (!one->used || one->message.parm.fops_msg.transid !=
					  message->parm.fops_msg.transid)
			continue;
		switch (below(3)) {
		case 0:
			one->used = false;
			reply(&one->message, -EINTR, 0);
			return;
		case 1:
			one->used = false;
			answer(&one->message);
			return;
		default:
			return;
		}
	}
}

static void take(fusd_msg_t *message)
{
	unsigned long file = file_of(message);

	if (message->subcmd == FUSD_UNBLOCK) {
		unblock(message);
		return;
	}
	if (message->subcmd != FUSD_OPEN && (!file || !find_file(file)))
		fail("device %u: message %d of file %#lx, which is not open",
		     driver.device, message->subcmd, file);
	if (message->subcmd >= FUSD_SEEK && driver.device == DEVICE_PLAIN)
		fail("device %u: was not to be asked", driver.device);
	if (message->subcmd == FUSD_WRITE &&
	    message->parm.fops_msg.uid != HOSTILE_USER)
		check_written(message);
	if (message->subcmd == FUSD_POLL_DIFF)
		drop_held(file, FUSD_POLL_DIFF);
	if (is_all_known(message)) {
		hold(message, 0);
	} else if (message->subcmd != FUSD_CLOSE && one_in(2)) {
		if (one_in(2))
			add_child(message);
		hold(message, now() + below(30) / 1e3);
	} else {
		answer(message);
	}
}

static void answer_due(void)
{
	double time = now();
	unsigned int i;

	for (i = 0; i < MOST_HELD; i++) {
		struct held *one = &driver.held[i];

		if (!one->used || !one->due || one->due > time)
			continue;
		one->used = false;
		answer(&one->message);
	}
}

static void serve_once(void)
{
	struct pollfd ready = { .fd = driver.fd, .events = POLLIN };
	fusd_msg_t message;
	int error;

	poll(&ready, 1, 5);
	answer_due();
	if (!ready.revents)
		return;
	error = control_receive(driver.fd, &message, driver.buffer);
	if (!error)
		take(&message);
	else if (error != -EAGAIN)
		fail("device %u: receive: %s", driver.device, strerror(-error));
}

/* Memory that nobody may write through the driver's mapping. */
static void *make_page(void)
{
	int writable = memfd_create("page", 0);
	char path[40];
	int readable;

	pwrite(writable, MAGIC_PAGE, sizeof(MAGIC_PAGE), 0);
	ftruncate(writable, PAGE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", writable);
	readable = open(path, O_RDONLY);
	return mmap(NULL, PAGE, PROT_READ, MAP_SHARED, readable, 0);
}

void honest_driver(unsigned int device)
{
	char name[20];
	uint64_t options = 0;
	double end = 0;
	int error;

	driver.device = device;
	driver.page = make_page();
	if (device != DEVICE_PLAIN)
		options |= FUSD_OPTION_SEEK | FUSD_OPTION_FLUSH |
			   FUSD_OPTION_FSYNC;
	if (device == DEVICE_TOLD)
		options |= FUSD_OPTION_UNBLOCK;
	driver.fd = control_open(options);
	if (device != DEVICE_PLAIN && driver.fd >= 0)
		fast_begin(driver.fd);
	snprintf(name, sizeof(name), "fuzz-honest%u", device);
	error = driver.fd < 0 ? driver.fd :
				control_register(driver.fd, name, NULL);
	if (error) {
		fail("device %u: register: %s", device, strerror(-error));
		exit(1);
	}
	for (;;) {
		serve_once();
		beat();
		if (shared->stopping < 2)
			continue;
		/* Clients are gone; each open has its close before long. */
		if (!end)
			end = now() + 60;
		if (!driver.open_files && now() > end - 55)
			exit(0);
		if (now() > end) {
			fail("device %u: %u files without a close", device,
			     driver.open_files);
			exit(0);
		}
	}
}

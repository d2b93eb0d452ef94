// SPDX-License-Identifier: BSD-3-Clause
/*
 * A log in a ring: writes are appended, the newest 64 KiB are kept, and every
 * reader follows the log from its oldest byte on, as "tail -f" does.
 *
 * A request can be looked at without its callback's arguments, through the
 * fusd_get_ functions: one function answers a read at once or much later.
 *
 * Try it:  ./logring &         (prints where the device is)
 *          ls -l / > /dev/logring
 *          cat /dev/logring &
 *          date > /dev/logring
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "example.h"

#define RING_SIZE (64 * 1024)

/* One open file. Positions count all bytes ever written. */
struct reader {
	unsigned long position;
	struct fusd_file_info *read; /* held, or NULL */
	struct fusd_file_info *poll; /* held, or NULL */
	struct reader *next;
};

static char ring[RING_SIZE];
static unsigned long written;
static struct reader *readers;

static unsigned long oldest(void)
{
	return written > RING_SIZE ? written - RING_SIZE : 0;
}

static int log_open(struct fusd_file_info *file)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return -ENOMEM;
	reader->position = oldest();
	reader->next = readers;
	readers = reader;
	file->private_data = reader;
	return 0;
}

static void drop(struct fusd_file_info **held)
{
	if (*held)
		fusd_destroy(*held);
	*held = NULL;
}

static int log_close(struct fusd_file_info *file)
{
	struct reader *reader = file->private_data;
	struct reader **link = &readers;

	drop(&reader->read);
	drop(&reader->poll);
	while (*link != reader)
		link = &(*link)->next;
	*link = reader->next;
	free(reader);
	return 0;
}

/* The answer to a read now, or -FUSD_NOREPLY if there is nothing new. */
static ssize_t read_answer(struct fusd_file_info *file)
{
	struct reader *reader = file->private_data;
	char *buffer = fusd_get_read_buffer(file);
	size_t length = fusd_get_length(file);
	size_t start, count;

	if (reader->position < oldest())
		reader->position = oldest();
	start = reader->position % RING_SIZE;
	count = written - reader->position;
	if (count == 0)
		return -FUSD_NOREPLY;
	if (count > length)
		count = length;
	if (count > RING_SIZE - start)
		count = RING_SIZE - start;
	memcpy(buffer, ring + start, count);
	reader->position += count;
	return (ssize_t)count;
}

static ssize_t log_read(struct fusd_file_info *file, char *buffer,
			size_t length, loff_t *offset)
{
	struct reader *reader = file->private_data;
	ssize_t answer = read_answer(file);

	(void)buffer;
	(void)length;
	(void)offset;
	if (answer != -FUSD_NOREPLY)
		return answer;
	/* One read of an open file waits; a second one is told to come back. */
	if (file->flags & O_NONBLOCK || reader->read)
		return -EAGAIN;
	reader->read = file;
	return -FUSD_NOREPLY;
}

/* A signal ended a held read: it must not swallow what is written next. */
static int log_unblock(struct fusd_file_info *file)
{
	struct reader *reader = file->private_data;

	if (reader->read &&
	    fusd_get_transaction(reader->read) == fusd_get_transaction(file)) {
		fusd_return(reader->read, -EINTR);
		reader->read = NULL;
	}
	return 0;
}

static int poll_state(const struct reader *reader)
{
	if (reader->position < written)
		return FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT;
	return FUSD_NOTIFY_OUTPUT;
}

static int log_poll_diff(struct fusd_file_info *file, unsigned int cached)
{
	struct reader *reader = file->private_data;
	int state = poll_state(reader);

	drop(&reader->poll);
	if (state != (int)cached)
		return state;
	reader->poll = file;
	return -FUSD_NOREPLY;
}

static void wake(struct reader *reader)
{
	struct fusd_file_info *file = reader->read;
	unsigned long position = reader->position;

	if (!(poll_state(reader) & FUSD_NOTIFY_INPUT))
		return;
	if (file) {
		reader->read = NULL;
		/* EPIPE: a signal ended that read, and the client saw nothing.
		 */
		if (fusd_return(file, read_answer(file)) < 0)
			reader->position = position;
	}
	file = reader->poll;
	if (file) {
		reader->poll = NULL;
		fusd_return(file, poll_state(reader));
	}
}

static ssize_t log_write(struct fusd_file_info *file, const char *buffer,
			 size_t length, loff_t *offset)
{
	(void)file;
	(void)offset;
	for (size_t i = 0; i < length; i++)
		ring[written++ % RING_SIZE] = buffer[i];
	for (struct reader *reader = readers; reader; reader = reader->next)
		wake(reader);
	return (ssize_t)length;
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "logring");

	example_started(
		"logring",
		fusd_simple_register(name, 0666, NULL, .open = log_open,
				     .close = log_close, .read = log_read,
				     .write = log_write, .unblock = log_unblock,
				     .poll_diff = log_poll_diff));
	fusd_run();
	return 0;
}

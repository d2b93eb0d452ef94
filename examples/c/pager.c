// SPDX-License-Identifier: BSD-3-Clause
/*
 * A pager: a read waits until somebody writes, and a write pages everybody.
 *
 * Held requests (-FUSD_NOREPLY) keep a client blocked while the driver serves
 * others. What a client has seen is kept per open file, and poll_diff tells
 * those who wait with poll, select or epoll.
 *
 * Try it:  ./pager &           (prints where the device is)
 *          cat /dev/pager &    (waits; start as many as you like)
 *          echo lunch > /dev/pager
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "example.h"

#define PAGE_SIZE 1024

/* One open file: which page it has seen, and the requests of its that wait. */
struct client {
	unsigned long seen;
	struct fusd_file_info *poll; /* held, or NULL */
	struct client *next;
};

/* A held read, of any client. */
struct waiting {
	struct fusd_file_info *file;
	struct waiting *next;
};

static char page[PAGE_SIZE];
static size_t page_size;
static unsigned long page_number;
static struct client *clients;
static struct waiting *readers;

static int pager_open(struct fusd_file_info *file)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->seen = page_number;
	client->next = clients;
	clients = client;
	file->private_data = client;
	return 0;
}

/* Its reads are over too, if the client was killed while they waited. */
static int pager_close(struct fusd_file_info *file)
{
	struct client *client = file->private_data;
	struct client **link = &clients;

	for (struct waiting **reader = &readers; *reader;) {
		struct waiting *one = *reader;

		if (one->file->private_data != client) {
			reader = &one->next;
			continue;
		}
		*reader = one->next;
		fusd_destroy(one->file);
		free(one);
	}
	if (client->poll)
		fusd_destroy(client->poll);
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	free(client);
	return 0;
}

/* Fills the buffer of a read, which may have been held for long. */
static ssize_t give_page(struct fusd_file_info *file)
{
	struct client *client = file->private_data;
	size_t length = fusd_get_length(file);
	size_t count = length < page_size ? length : page_size;

	client->seen = page_number;
	memcpy(fusd_get_read_buffer(file), page, count);
	return (ssize_t)count;
}

static ssize_t pager_read(struct fusd_file_info *file, char *buffer,
			  size_t length, loff_t *offset)
{
	struct client *client = file->private_data;
	struct waiting *waiting;

	(void)buffer;
	(void)length;
	(void)offset;
	if (client->seen != page_number)
		return give_page(file);
	if (file->flags & O_NONBLOCK)
		return -EAGAIN;
	waiting = malloc(sizeof(*waiting));
	if (!waiting)
		return -ENOMEM;
	waiting->file = file;
	waiting->next = readers;
	readers = waiting;
	return -FUSD_NOREPLY;
}

static int poll_state(const struct client *client)
{
	if (client->seen != page_number)
		return FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT;
	return FUSD_NOTIFY_OUTPUT;
}

static int pager_poll_diff(struct fusd_file_info *file, unsigned int cached)
{
	struct client *client = file->private_data;
	int state = poll_state(client);

	/* A new question replaces one that is still held. */
	if (client->poll)
		fusd_destroy(client->poll);
	client->poll = NULL;
	if (state != (int)cached)
		return state;
	client->poll = file;
	return -FUSD_NOREPLY;
}

/* Answers a held read. */
static void send_page(struct fusd_file_info *file)
{
	struct client *client = file->private_data;
	unsigned long seen = client->seen;

	/* EPIPE: a signal ended that read, and the client saw nothing. */
	if (fusd_return(file, give_page(file)) < 0)
		client->seen = seen;
}

static ssize_t pager_write(struct fusd_file_info *file, const char *buffer,
			   size_t length, loff_t *offset)
{
	(void)file;
	(void)offset;
	page_size = length < PAGE_SIZE ? length : PAGE_SIZE;
	memcpy(page, buffer, page_size);
	page_number++;
	while (readers) {
		struct waiting *one = readers;

		readers = one->next;
		send_page(one->file);
		free(one);
	}
	for (struct client *client = clients; client; client = client->next) {
		if (!client->poll)
			continue;
		fusd_return(client->poll, poll_state(client));
		client->poll = NULL;
	}
	return (ssize_t)length;
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "pager");

	example_started(
		"pager",
		fusd_simple_register(name, 0666, NULL, .open = pager_open,
				     .close = pager_close, .read = pager_read,
				     .write = pager_write,
				     .poll_diff = pager_poll_diff));
	fusd_run();
	return 0;
}

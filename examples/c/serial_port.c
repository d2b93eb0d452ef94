// SPDX-License-Identifier: BSD-3-Clause
/*
 * A serial port with a loopback plug: the terminal interface (termios, modem
 * lines), held reads and poll.
 *
 * What is sent is received; RTS is wired to CTS, and DTR to DSR and CD.
 *
 * Try it:  ./serial_port &     (prints where the device is)
 *          stty -F /dev/ttyMOCK0 115200 raw -echo
 *          echo hello > /dev/ttyMOCK0
 *          head -n 1 /dev/ttyMOCK0
 */
#include <fcntl.h>
#include <asm/ioctls.h>
#include <asm/termbits.h>

#include "client_memory.h"
#include "example.h"

#define BUFFER_SIZE 65536
#define OUTPUT_LINES (TIOCM_DTR | TIOCM_RTS)
#define MAX_WAITING 64

/* One open file; a read that waits is in the list of all. */
struct client {
	struct fusd_file_info *poll; /* held, or NULL */
	struct client *next;
};

static char received[BUFFER_SIZE];
static size_t received_size;
static struct fusd_file_info *waiting[MAX_WAITING]; /* in the order they came */
static size_t waiting_count;
static struct client *clients;
static int lines;
static struct termios2 settings = {
	.c_iflag = ICRNL | IXON,
	.c_oflag = OPOST | ONLCR,
	.c_cflag = B9600 | CS8 | CREAD | HUPCL | CLOCAL,
	.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE |
		   IEXTEN,
	.c_cc = { 3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22 },
	.c_ispeed = 9600,
	.c_ospeed = 9600,
};

static int poll_state(void)
{
	return (received_size ? FUSD_NOTIFY_INPUT : 0) |
	       (received_size < BUFFER_SIZE ? FUSD_NOTIFY_OUTPUT : 0);
}

static void poll_changed(void)
{
	for (struct client *client = clients; client; client = client->next) {
		if (!client->poll)
			continue;
		fusd_return(client->poll, poll_state());
		client->poll = NULL;
	}
}

static int port_open(struct fusd_file_info *file)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->next = clients;
	clients = client;
	file->private_data = client;
	lines |= OUTPUT_LINES;
	return 0;
}

/* Takes a held read out of the list. */
static void remove_waiting(size_t index)
{
	waiting_count--;
	memmove(waiting + index, waiting + index + 1,
		(waiting_count - index) * sizeof(*waiting));
}

static int port_close(struct fusd_file_info *file)
{
	struct client *client = file->private_data;
	struct client **link = &clients;

	for (size_t i = waiting_count; i-- > 0;)
		if (waiting[i]->private_data == client) {
			fusd_destroy(waiting[i]);
			remove_waiting(i);
		}
	if (client->poll)
		fusd_destroy(client->poll);
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	free(client);
	return 0;
}

/* Gives a read what came first, and stays. */
static size_t copy_received(struct fusd_file_info *file)
{
	size_t length = fusd_get_length(file);
	size_t count = length < received_size ? length : received_size;

	memcpy(fusd_get_read_buffer(file), received, count);
	return count;
}

static void remove_received(size_t count)
{
	received_size -= count;
	memmove(received, received + count, received_size);
}

/* Answers the read that has waited longest. */
static void answer_waiting(void)
{
	struct fusd_file_info *reader = waiting[0];
	size_t count = copy_received(reader);

	remove_waiting(0);
	/* EPIPE: a signal ended that read, and the next one gets the bytes. */
	if (fusd_return(reader, (ssize_t)count) == 0)
		remove_received(count);
}

static ssize_t port_read(struct fusd_file_info *file, char *buffer,
			 size_t length, loff_t *offset)
{
	(void)buffer;
	(void)length;
	(void)offset; /* a port has no positions */
	if (received_size) {
		size_t count = copy_received(file);

		remove_received(count);
		poll_changed();
		return (ssize_t)count;
	}
	if (file->flags & O_NONBLOCK || waiting_count == MAX_WAITING)
		return -EAGAIN;
	waiting[waiting_count++] = file;
	return -FUSD_NOREPLY;
}

static ssize_t port_write(struct fusd_file_info *file, const char *buffer,
			  size_t length, loff_t *offset)
{
	size_t room = BUFFER_SIZE - received_size;
	size_t count = length < room ? length : room;

	(void)file;
	(void)offset;
	if (room == 0)
		return -EAGAIN;
	memcpy(received + received_size, buffer, count);
	received_size += count;
	while (waiting_count && received_size)
		answer_waiting();
	poll_changed();
	return (ssize_t)count;
}

/* A signal ended a held read: it must not swallow what comes next. */
static int port_unblock(struct fusd_file_info *file)
{
	for (size_t i = 0; i < waiting_count; i++)
		if (fusd_get_transaction(waiting[i]) ==
		    fusd_get_transaction(file)) {
			fusd_return(waiting[i], -EINTR);
			remove_waiting(i);
			break;
		}
	return 0;
}

static int port_poll_diff(struct fusd_file_info *file, unsigned int cached)
{
	struct client *client = file->private_data;

	if (client->poll)
		fusd_destroy(client->poll);
	client->poll = NULL;
	if (poll_state() != (int)cached)
		return poll_state();
	client->poll = file;
	return -FUSD_NOREPLY;
}

static int flush(unsigned long queue)
{
	if (queue != TCIFLUSH && queue != TCOFLUSH && queue != TCIOFLUSH)
		return -EINVAL;
	if (queue != TCOFLUSH) {
		received_size = 0;
		poll_changed();
	}
	return 0;
}

/* TCGETS and its siblings mean a struct termios, without the speeds. */
static int settings_ioctl(struct fusd_file_info *file, unsigned int request,
			  void *data)
{
	int error = 0;

	switch (request) {
	case TCGETS:
		return give(file, data, &settings, sizeof(struct termios));
	case TCGETS2:
		*(struct termios2 *)data = settings;
		return 0;
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		error = take(file, data, &settings, sizeof(struct termios));
		break;
	default:
		settings = *(struct termios2 *)data;
	}
	if (!error && (request == TCSETSF || request == TCSETSF2))
		flush(TCIFLUSH);
	return error;
}

/* What the plug makes of the lines that the port sets. */
static int wired_lines(void)
{
	return lines | (lines & TIOCM_RTS ? TIOCM_CTS : 0) |
	       (lines & TIOCM_DTR ? TIOCM_DSR | TIOCM_CD : 0);
}

/* Modem lines and counts: ints that the argument points at. */
static int lines_ioctl(struct fusd_file_info *file, unsigned int request,
		       void *data)
{
	int value = 0;
	int error;

	switch (request) {
	case TIOCMGET:
		value = wired_lines();
		return give(file, data, &value, sizeof(value));
	case TIOCINQ:
		value = (int)received_size;
		return give(file, data, &value, sizeof(value));
	case TIOCOUTQ:
		return give(file, data, &value, sizeof(value));
	}
	error = take(file, data, &value, sizeof(value));
	if (error)
		return error;
	if (request == TIOCMSET)
		lines = value & OUTPUT_LINES;
	else if (request == TIOCMBIS)
		lines |= value & OUTPUT_LINES;
	else
		lines &= ~value;
	return 0;
}

static int port_ioctl(struct fusd_file_info *file, int number, void *data)
{
	const struct winsize none = { 0 };
	unsigned int request = (unsigned int)number;

	switch (request) {
	case TCGETS:
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCGETS2:
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return settings_ioctl(file, request, data);
	case TIOCMGET:
	case TIOCMSET:
	case TIOCMBIS:
	case TIOCMBIC:
	case TIOCINQ:
	case TIOCOUTQ:
		return lines_ioctl(file, request, data);
	case TCFLSH:
		return flush((uintptr_t)data);
	case TIOCGWINSZ: /* stty(1) asks; a serial port has no size */
		return give(file, data, &none, sizeof(none));
	case TCSBRK: /* all is sent at once, and breaks go unnoticed */
	case TCSBRKP:
	case TIOCSBRK:
	case TIOCCBRK:
	case TCXONC:
	case TIOCEXCL:
	case TIOCNXCL:
		return 0;
	default:
		return -ENOTTY;
	}
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "ttyMOCK0");

	example_started(
		"serial_port",
		fusd_simple_register(name, 0666, NULL, .open = port_open,
				     .close = port_close, .read = port_read,
				     .write = port_write, .ioctl = port_ioctl,
				     .unblock = port_unblock,
				     .poll_diff = port_poll_diff));
	fusd_run();
	return 0;
}

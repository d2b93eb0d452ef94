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
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <asm/ioctls.h>
#include <asm/termbits.h>

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

static int settings_ioctl(unsigned int request, void *data)
{
	switch (request) {
	case TCGETS:
		memcpy(data, &settings, sizeof(struct termios));
		return 0;
	case TCGETS2:
		memcpy(data, &settings, sizeof(settings));
		return 0;
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		memcpy(&settings, data, sizeof(struct termios));
		break;
	default:
		memcpy(&settings, data, sizeof(settings));
	}
	if (request == TCSETSF || request == TCSETSF2)
		flush(TCIFLUSH);
	return 0;
}

/* What the plug makes of the lines that the port sets. */
static int wired_lines(void)
{
	return lines | (lines & TIOCM_RTS ? TIOCM_CTS : 0) |
	       (lines & TIOCM_DTR ? TIOCM_DSR | TIOCM_CD : 0);
}

/* Modem lines and counts. */
static int lines_ioctl(unsigned int request, int *value)
{
	switch (request) {
	case TIOCMGET:
		*value = wired_lines();
		break;
	case TIOCINQ:
		*value = (int)received_size;
		break;
	case TIOCOUTQ:
		*value = 0;
		break;
	case TIOCMSET:
		lines = *value & OUTPUT_LINES;
		break;
	case TIOCMBIS:
		lines |= *value & OUTPUT_LINES;
		break;
	case TIOCMBIC:
		lines &= ~*value;
		break;
	}
	return 0;
}

static int port_ioctl(struct fusd_file_info *file, int number, void *data)
{
	unsigned int request = (unsigned int)number;

	(void)file;
	switch (request) {
	case TCGETS:
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCGETS2:
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return settings_ioctl(request, data);
	case TIOCMGET:
	case TIOCMSET:
	case TIOCMBIS:
	case TIOCMBIC:
	case TIOCINQ:
	case TIOCOUTQ:
		return lines_ioctl(request, data);
	case TCFLSH:
		return flush((uintptr_t)data);
	case TIOCGWINSZ: /* stty(1) asks; a serial port has no size */
		memset(data, 0, sizeof(struct winsize));
		return 0;
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

/*
 * These are older than numbers that code what they point at. TCGETS and its
 * siblings mean a struct termios, without the speeds.
 */
#define POINTS_AT(number_, direction_, type)                    \
	{                                                       \
		.number = (number_), .direction = (direction_), \
		.size = sizeof(type)                            \
	}

static const struct fusd_ioctl ioctls[] = {
	POINTS_AT(TCGETS, FUSD_IOCTL_OUT, struct termios),
	POINTS_AT(TCSETS, FUSD_IOCTL_IN, struct termios),
	POINTS_AT(TCSETSW, FUSD_IOCTL_IN, struct termios),
	POINTS_AT(TCSETSF, FUSD_IOCTL_IN, struct termios),
	POINTS_AT(TIOCGWINSZ, FUSD_IOCTL_OUT, struct winsize),
	POINTS_AT(TIOCMGET, FUSD_IOCTL_OUT, int),
	POINTS_AT(TIOCMSET, FUSD_IOCTL_IN, int),
	POINTS_AT(TIOCMBIS, FUSD_IOCTL_IN, int),
	POINTS_AT(TIOCMBIC, FUSD_IOCTL_IN, int),
	POINTS_AT(TIOCINQ, FUSD_IOCTL_OUT, int),
	POINTS_AT(TIOCOUTQ, FUSD_IOCTL_OUT, int),
};

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "ttyMOCK0");
	const struct fusd_options options = {
		.size = sizeof(options),
		.ioctls = ioctls,
		.ioctl_count = sizeof(ioctls) / sizeof(ioctls[0]),
		/* It sends while it waits for what comes. */
		.stream = 1,
	};
	int fd = fusd_register_with(
		name, 0666, NULL,
		FUSD_OPS(.open = port_open, .close = port_close,
			 .read = port_read, .write = port_write,
			 .ioctl = port_ioctl, .unblock = port_unblock,
			 .poll_diff = port_poll_diff),
		&options);

	if (fd < 0)
		fprintf(stderr, "serial_port: %s\n", fusd_error());
	example_started("serial_port", fd);
	fusd_run();
	return 0;
}

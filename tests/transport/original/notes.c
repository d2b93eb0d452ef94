// SPDX-License-Identifier: BSD-3-Clause
/*
 * A program as they were written for FUSD 1.10: its read and write callbacks
 * are declared int, and it looks into its requests' messages.
 *
 * usage: notes NAME
 *
 * Prints "ready PATH", then a line for each callback:
 *
 *   read DATALEN LENGTH            poll FLAGS POSITION CACHED
 *   ioctl FLAGS POSITION           close FLAGS POSITION
 *
 * A client writes a letter that says what reads do from then on: (f)ill the
 * buffer, (l)ast: once, and hold then, (r)efuse, (h)old, (o)wn buffer,
 * (t)ext that has an end, while each ioctl answers 47; (a)nswer the held one;
 * (n)o: the write itself is refused. "i" and "-" say whether there is input for
 * poll.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fusd.h>

static char mode = 'f';
static int has_input;
static struct fusd_file_info *held_read, *held_poll;
static const char text[] = "hello, world\n";
static char own[] = "the driver's own buffer";

static fops_msg_t *message(struct fusd_file_info *file)
{
	return &file->fusd_msg->parm.fops_msg;
}

static void say(const char *what, struct fusd_file_info *file)
{
	printf("%s %#x %ld\n", what, file->flags, (long)message(file)->offset);
	fflush(stdout);
}

int notes_read(struct fusd_file_info *file, char *buffer, size_t length,
	       loff_t *offset)
{
	printf("read %d %lu\n", file->fusd_msg->datalen, message(file)->length);
	fflush(stdout);
	switch (mode) {
	case 'r':
		return -EACCES;
	case 'h':
		held_read = file;
		return -FUSD_NOREPLY;
	case 'o':
		file->fusd_msg->data = own;
		break;
	case 't':
		if (*offset >= (loff_t)strlen(text))
			return 0;
		if (length > strlen(text + *offset))
			length = strlen(text + *offset);
		memcpy(buffer, text + *offset, length);
		break;
	case 'l':
		mode = 'h';
		/* fall through */
	default:
		memset(buffer, 'x', length);
	}
	*offset += (loff_t)length;
	return (int)length;
}

static void answer_poll(void)
{
	if (held_poll)
		fusd_return(held_poll, has_input ? FUSD_NOTIFY_INPUT : 0);
	held_poll = NULL;
}

int notes_write(struct fusd_file_info *file, const char *buffer, size_t length,
		loff_t *offset)
{
	(void)file;
	(void)offset;
	switch (buffer[0]) {
	case 'n':
		return -EPERM;
	case 'a':
		strcpy(fusd_get_read_buffer(held_read), "late");
		fusd_return(held_read, 4);
		break;
	case 'i':
	case '-':
		has_input = buffer[0] == 'i';
		answer_poll();
		break;
	default:
		mode = buffer[0];
	}
	return (int)length;
}

int notes_ioctl(struct fusd_file_info *file, int request, void *data)
{
	(void)request;
	if (mode == 't')
		return 47;
	if (_IOC_DIR((unsigned int)request) & _IOC_READ)
		file->fusd_msg->data = own;
	else
		say("ioctl", file);
	return data == NULL;
}

int notes_poll_diff(struct fusd_file_info *file, unsigned int cached_state)
{
	unsigned int state = has_input ? FUSD_NOTIFY_INPUT : 0;

	printf("poll %#x %ld %u\n", file->flags, (long)message(file)->offset,
	       cached_state);
	fflush(stdout);
	if (state != cached_state)
		return (int)state;
	if (held_poll)
		fusd_destroy(held_poll);
	held_poll = file;
	return -FUSD_NOREPLY;
}

int notes_close(struct fusd_file_info *file)
{
	say("close", file);
	if (held_poll)
		fusd_destroy(held_poll);
	held_poll = NULL;
	return 0;
}

int main(int argc, char **argv)
{
	struct fusd_file_operations operations;
	char path[4096];
	int fd;

	memset(&operations, 0, sizeof(operations));
	operations.read = (void *)notes_read;
	operations.write = (void *)notes_write;
	operations.ioctl = notes_ioctl;
	operations.poll_diff = notes_poll_diff;
	operations.close = notes_close;
	fd = argc < 2 ? -1 : fusd_register(argv[1], 0666, NULL, &operations);
	if (fd < 0) {
		perror("fusd_register");
		return 1;
	}
	fusd_device_path(fd, path, sizeof(path));
	printf("ready %s\n", path);
	fflush(stdout);
	fusd_run();
	return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * The contract suite's driver in C; driver.py is the same in Python.
 *
 * usage: driver KIND:NAME...
 *
 * Registers a device of each kind, prints "ready PATH" for each, then one line
 * for each callback. Reads commands from standard input, in a thread of its
 * own, so that answers come from another thread than the callbacks':
 *
 *   answer N [DATA]  answers the oldest held request, a read with DATA
 *   destroy          drops the oldest held request
 *   end              ends a read or close callback of the devices "closing",
 *                    and a read callback of the devices "renewing"
 *   state N          the poll state of the devices "hold"
 *   silent N         as state, but no held poll_diff is answered
 *   result N         what the callbacks of the devices "result" answer, and
 *                    seek, flush and fsync of the devices "sync"
 *   position N       where their reads and writes leave the position; -1: there
 *   unregister N     takes the Nth device away
 *
 * End of input ends the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fusd.h>

#define MEMORY_SIZE (4u << 20)
#define MAP_SIZE (16u << 10)
#define MAX_HELD 1024

#define EXCHANGE _IOWR('T', 1, char[8])
#define FILL _IOR('T', 2, char[8])
#define TAKE _IOW('T', 3, char[8])
#define BY_VALUE _IO('T', 4)
#define FAIL _IOR('T', 5, char[8])
#define EXCHANGE_BIG _IOWR('T', 6, char[16000])
#define UNTOUCHED _IOR('T', 7, char[8])
#define NESTED 0x0707 /* I2C_RDWR, for which the same holds */

struct nested {
	unsigned long address;
	size_t length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fusd_file_info *held[MAX_HELD];	    /* lock; a queue */
static int held_first, held_end;		    /* lock */
static struct fusd_file_info *held_polls[MAX_HELD]; /* lock */
static unsigned int poll_state;			    /* lock */
static ssize_t result;
static long long position = -1;
static char memory[MEMORY_SIZE];

/* Each line is one write, so that threads do not mix them. */
#define say(...)                                                         \
	do {                                                             \
		char line_[256];                                         \
		int size_ = snprintf(line_, sizeof(line_), __VA_ARGS__); \
		if (write(1, line_, (size_t)size_) < 0)                  \
			_exit(3);                                        \
	} while (0)

static int say_open(struct fusd_file_info *file)
{
	say("open %d %u %u %x\n", (int)file->pid, file->uid, file->gid,
	    file->flags);
	file->private_data = malloc(1);
	return 0;
}

static int say_close(struct fusd_file_info *file)
{
	free(file->private_data);
	say("close\n");
	return 0;
}

/* memory: a file of MEMORY_SIZE bytes. */

static ssize_t memory_read(struct fusd_file_info *file, char *buffer,
			   size_t length, loff_t *offset)
{
	size_t start =
		(size_t)*offset < MEMORY_SIZE ? (size_t)*offset : MEMORY_SIZE;

	say("read %zu %lld %x\n", length, (long long)*offset, file->flags);
	if (length > MEMORY_SIZE - start)
		length = MEMORY_SIZE - start;
	memcpy(buffer, memory + start, length);
	*offset += (loff_t)length;
	return (ssize_t)length;
}

static ssize_t memory_write(struct fusd_file_info *file, const char *buffer,
			    size_t length, loff_t *offset)
{
	say("write %zu %lld %x %d\n", length, (long long)*offset, file->flags,
	    buffer[length]);
	if (*offset + (loff_t)length > MEMORY_SIZE)
		return -ENOSPC;
	memcpy(memory + *offset, buffer, length);
	*offset += (loff_t)length;
	return (ssize_t)length;
}

static void invert(char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (char)~data[i];
}

/* The argument points at a structure, which points at what is inverted. */
static int invert_nested(struct fusd_file_info *file, unsigned long argument)
{
	const struct nested *nested;
	char *data = NULL;

	say("nested\n");
	nested = fusd_client_memory(file, argument, sizeof(*nested),
				    FUSD_CLIENT_READ);
	if (nested)
		data = fusd_client_memory(file, nested->address, nested->length,
					  FUSD_CLIENT_WRITE);
	if (!data)
		return errno == EAGAIN ? -FUSD_RETRY : -errno;
	invert(data, nested->length);
	return 3;
}

static int memory_ioctl(struct fusd_file_info *file, int request, void *data)
{
	switch ((unsigned int)request) {
	case EXCHANGE:
	case EXCHANGE_BIG:
		invert(data, _IOC_SIZE((unsigned int)request));
		return 0;
	case FILL:
		memcpy(data, "readdata", 8);
		return 7;
	case TAKE:
		say("take %.8s\n", (char *)data);
		return 0;
	case BY_VALUE:
		say("value %lx\n", (unsigned long)data);
		return (int)((unsigned long)data & 0xff);
	case FAIL:
		memcpy(data, "readdata", 8);
		return -ENODATA;
	case UNTOUCHED:
		return 0;
	case NESTED:
		return invert_nested(file, (unsigned long)data);
	case 0x5401: /* TCGETS: no size, so the raw argument */
		say("value %lx\n", (unsigned long)data);
		return 0;
	default:
		return -ENOTTY;
	}
}

static struct fusd_file_operations memory_ops = {
	.open = say_open,
	.close = say_close,
	.read = memory_read,
	.write = memory_write,
	.ioctl = memory_ioctl,
};

/* hold: everything but close waits for a command. */

static int hold(struct fusd_file_info *file, const char *operation)
{
	pthread_mutex_lock(&lock);
	held[held_end++ % MAX_HELD] = file;
	pthread_mutex_unlock(&lock);
	say("hold %s\n", operation);
	return -FUSD_NOREPLY;
}

static ssize_t hold_read(struct fusd_file_info *file, char *buffer,
			 size_t length, loff_t *offset)
{
	(void)buffer;
	(void)length;
	(void)offset;
	return hold(file, "read");
}

static ssize_t hold_write(struct fusd_file_info *file, const char *buffer,
			  size_t length, loff_t *offset)
{
	(void)buffer;
	(void)length;
	(void)offset;
	return hold(file, "write");
}

static int hold_ioctl(struct fusd_file_info *file, int request, void *data)
{
	(void)request;
	(void)data;
	return hold(file, "ioctl");
}

static int hold_unblock(struct fusd_file_info *file)
{
	(void)file;
	say("unblock\n");
	return 0;
}

static void forget_polls(const void *private_data)
{
	for (int i = 0; i < MAX_HELD; i++)
		if (held_polls[i] &&
		    held_polls[i]->private_data == private_data) {
			fusd_destroy(held_polls[i]);
			held_polls[i] = NULL;
		}
}

static int hold_poll_diff(struct fusd_file_info *file, unsigned int cached)
{
	int answer = -FUSD_NOREPLY;

	pthread_mutex_lock(&lock);
	forget_polls(file->private_data);
	if (cached != poll_state)
		answer = (int)poll_state;
	for (int i = 0; answer < 0 && i < MAX_HELD; i++)
		if (!held_polls[i]) {
			held_polls[i] = file;
			break;
		}
	pthread_mutex_unlock(&lock);
	return answer;
}

static int hold_close(struct fusd_file_info *file)
{
	pthread_mutex_lock(&lock);
	forget_polls(file->private_data);
	pthread_mutex_unlock(&lock);
	return say_close(file);
}

static struct fusd_file_operations hold_ops = {
	.open = say_open,
	.close = hold_close,
	.read = hold_read,
	.write = hold_write,
	.ioctl = hold_ioctl,
	.poll_diff = hold_poll_diff,
	.unblock = hold_unblock,
};

#ifdef FUSD_SEEK /* The header of 0.1.0 has none of that. */
#include "sync_ops.h"
#endif

static int late_open(struct fusd_file_info *file)
{
	return hold(file, "open");
}

static int late_close(struct fusd_file_info *file)
{
	(void)file;
	say("close\n");
	return 0;
}

static struct fusd_file_operations late_ops = {
	.open = late_open,
	.close = late_close,
};

/* closing: its read and close callbacks wait for the command "end". */

static sem_t may_end;

static int closing_close(struct fusd_file_info *file)
{
	(void)file;
	say("closing\n");
	sem_wait(&may_end);
	return 0;
}

static ssize_t closing_read(struct fusd_file_info *file, char *buffer,
			    size_t length, loff_t *offset)
{
	(void)file, (void)buffer, (void)length, (void)offset;
	say("reading\n");
	sem_wait(&may_end);
	return 0;
}

static struct fusd_file_operations closing_ops = {
	.read = closing_read,
	.close = closing_close,
};

/*
 * renewing: a read waits for the command "end", and has new private_data then;
 * close says how many reads that were.
 */

static int renew(struct fusd_file_info *file, int reads)
{
	free(file->private_data);
	file->private_data = malloc(sizeof(reads));
	if (!file->private_data)
		return -ENOMEM;
	*(int *)file->private_data = reads;
	return 0;
}

static int renewing_open(struct fusd_file_info *file)
{
	return renew(file, 0);
}

static ssize_t renewing_read(struct fusd_file_info *file, char *buffer,
			     size_t length, loff_t *offset)
{
	(void)buffer, (void)length, (void)offset;
	say("reading\n");
	sem_wait(&may_end);
	return renew(file, *(int *)file->private_data + 1);
}

static int renewing_close(struct fusd_file_info *file)
{
	say("close %d\n", *(int *)file->private_data);
	free(file->private_data);
	return 0;
}

static struct fusd_file_operations renewing_ops = {
	.open = renewing_open,
	.read = renewing_read,
	.close = renewing_close,
};

/* selfish: a write names a file, which the callback opens. */

static ssize_t selfish_write(struct fusd_file_info *file, const char *buffer,
			     size_t length, loff_t *offset)
{
	int fd, error;

	(void)file;
	(void)offset;
	say("opening\n");
	fd = open(buffer, O_RDONLY);
	error = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	say("opened %d\n", error);
	return (ssize_t)length;
}

static struct fusd_file_operations selfish_ops = { .write = selfish_write };

/* result: answers what it was told to. */

static int result_open(struct fusd_file_info *file)
{
	(void)file;
	return result < 0 ? (int)result : 0;
}

static ssize_t result_read(struct fusd_file_info *file, char *buffer,
			   size_t length, loff_t *offset)
{
	(void)file;
	memset(buffer, 'r', length);
	*offset = position >= 0 ? position : *offset + result;
	return result;
}

static ssize_t result_write(struct fusd_file_info *file, const char *buffer,
			    size_t length, loff_t *offset)
{
	(void)file;
	(void)buffer;
	(void)length;
	*offset = position >= 0 ? position : *offset + result;
	return result;
}

static int result_ioctl(struct fusd_file_info *file, int request, void *data)
{
	(void)file;
	(void)request;
	(void)data;
	return (int)result;
}

static struct fusd_file_operations result_ops = {
	.open = result_open,
	.close = late_close,
	.read = result_read,
	.write = result_write,
	.ioctl = result_ioctl,
};

/* map, and private: memory that clients map, and such as they must not. */

static int give_mapping(void *memory, size_t length, void **address,
			size_t *out_length)
{
	if (memory == MAP_FAILED)
		return -ENOMEM;
	*address = memory;
	*out_length = length;
	return 0;
}

static int shared_mmap(struct fusd_file_info *file, int offset, size_t length,
		       int protection, int flags, void **address,
		       size_t *out_length)
{
	static char *shared;

	(void)file;
	if (!shared)
		shared = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	say("mmap %d %zu %d %d\n", offset, length, protection,
	    flags & MAP_SHARED);
	if (offset < 0 || (size_t)offset >= MAP_SIZE)
		return -EINVAL;
	return give_mapping(shared + offset, MAP_SIZE - (size_t)offset, address,
			    out_length);
}

static int private_mmap(struct fusd_file_info *file, int offset, size_t length,
			int protection, int flags, void **address,
			size_t *out_length)
{
	static char *private;

	(void)file, (void)offset, (void)length, (void)protection, (void)flags;
	if (!private)
	private = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return give_mapping(private, MAP_SIZE, address, out_length);
}

static struct fusd_file_operations map_ops = { .mmap = shared_mmap };
static struct fusd_file_operations private_ops = { .mmap = private_mmap };

static struct fusd_file_operations bare_ops;

/* nonblocking: its open files become that, and their close says whose it is. */

static int nonblocking_open(struct fusd_file_info *file)
{
	file->flags |= O_NONBLOCK;
	return 0;
}

static int nonblocking_close(struct fusd_file_info *file)
{
	say("close %d %u %u\n", (int)file->pid, file->uid, file->gid);
	return 0;
}

static struct fusd_file_operations nonblocking_ops = {
	.open = nonblocking_open,
	.close = nonblocking_close,
};

/* registrar: a write registers "+NAME", or takes all of those away, "-". */

static int registered[64];
static int registered_count;

static ssize_t registrar_write(struct fusd_file_info *file, const char *buffer,
			       size_t length, loff_t *offset)
{
	(void)offset;
	if (buffer[0] == '!') {
		fusd_unregister(file->fd);
	} else if (buffer[0] == '-') {
		while (registered_count > 0)
			fusd_unregister(registered[--registered_count]);
	} else {
		int fd = fusd_register(buffer + 1, 0666, NULL, &memory_ops);

		if (fd < 0)
			return -errno;
		registered[registered_count++] = fd;
	}
	return (ssize_t)length;
}

static struct fusd_file_operations registrar_ops = { .write = registrar_write };

static const struct {
	const char *name;
	struct fusd_file_operations *ops;
} kinds[] = {
	{ "memory", &memory_ops },	 { "hold", &hold_ops },
	{ "late", &late_ops },		 { "closing", &closing_ops },
	{ "renewing", &renewing_ops },	 { "selfish", &selfish_ops },
	{ "result", &result_ops },	 { "bare", &bare_ops },
	{ "registrar", &registrar_ops }, { "map", &map_ops },
	{ "private", &private_ops },	 { "nonblocking", &nonblocking_ops },
#ifdef FUSD_SEEK
	{ "sync", &sync_ops },		 { "held-sync", &held_sync_ops },
#endif
};

static struct fusd_file_info *next_held(void)
{
	struct fusd_file_info *file = NULL;

	pthread_mutex_lock(&lock);
	if (held_first < held_end)
		file = held[held_first++ % MAX_HELD];
	pthread_mutex_unlock(&lock);
	return file;
}

static void answer(const char *argument)
{
	struct fusd_file_info *file = next_held();
	ssize_t retval = strtol(argument, NULL, 0);
	const char *data = strchr(argument, ' ');
	int error;

	if (!file) {
		say("nothing held\n");
		return;
	}
	if (data && fusd_get_call_type(file) == FUSD_READ)
		memcpy(fusd_get_read_buffer(file), data + 1, strlen(data + 1));
	error = fusd_return(file, retval) < 0 ? errno : 0;
	say("answered %d\n", error);
}

static void set_state(unsigned int state, bool is_silent)
{
	pthread_mutex_lock(&lock);
	poll_state = state;
	for (int i = 0; i < MAX_HELD && !is_silent; i++)
		if (held_polls[i] && fusd_get_poll_diff_cached_state(
					     held_polls[i]) != (int)state) {
			fusd_return(held_polls[i], state);
			held_polls[i] = NULL;
		}
	pthread_mutex_unlock(&lock);
	say("state %u\n", state);
}

static void *obey(void *descriptors)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "answer ", 7)) {
			answer(line + 7);
		} else if (!strcmp(line, "destroy")) {
			fusd_destroy(next_held());
			say("destroyed\n");
		} else if (!strcmp(line, "end")) {
			sem_post(&may_end);
			say("ended\n");
		} else if (!strncmp(line, "state ", 6)) {
			set_state((unsigned int)atoi(line + 6), false);
		} else if (!strncmp(line, "silent ", 7)) {
			set_state((unsigned int)atoi(line + 7), true);
		} else if (!strncmp(line, "result ", 7)) {
			result = strtol(line + 7, NULL, 0);
			say("result\n");
		} else if (!strncmp(line, "position ", 9)) {
			position = strtoll(line + 9, NULL, 0);
			say("position\n");
		} else if (!strncmp(line, "unregister ", 11)) {
			fusd_unregister(((int *)descriptors)[atoi(line + 11)]);
			say("unregistered\n");
		}
	}
	exit(0);
}

static struct fusd_file_operations *find_kind(const char *kind, size_t length)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i].name) == length &&
		    !strncmp(kinds[i].name, kind, length))
			return kinds[i].ops;
	return NULL;
}

int main(int argc, char **argv)
{
	static int descriptors[2048];
	static char path[4096];
	pthread_t thread;

	for (int i = 1; i < argc && i < 2048; i++) {
		size_t length = strcspn(argv[i], ":");
		struct fusd_file_operations *ops = find_kind(argv[i], length);
		int fd = fusd_register_with(argv[i] + length + 1, 0666, NULL,
					    ops, NULL);

		if (fd < 0) {
			say("error %d %.200s\n", errno, fusd_error());
			return 2;
		}
		descriptors[i - 1] = fd;
		fusd_device_path(fd, path, sizeof(path));
		say("ready %.240s\n", path);
	}
	sem_init(&may_end, 0, 0);
	pthread_create(&thread, NULL, obey, descriptors);
	for (;;) {
		fusd_run();
		pause();
	}
}

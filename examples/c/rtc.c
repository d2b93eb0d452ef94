// SPDX-License-Identifier: BSD-3-Clause
/*
 * A real-time clock that hwclock reads and sets: ioctls of fixed size, held
 * reads that wait for the next second, and a loop with a timer that wakes
 * clients in poll.
 *
 * Try it:  ./rtc &             (prints where the device is)
 *          hwclock --rtc /dev/rtc-mock --utc --noadjfile -r
 *          hwclock --rtc /dev/rtc-mock --utc --noadjfile \
 *                  --set --date "2001-02-03 04:05"
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <linux/rtc.h>

#include "example.h"

/* One open file: whether it wants update interrupts, and who waits for them. */
struct client {
	bool wants_updates;
	unsigned long ticks;	     /* since the last read */
	struct fusd_file_info *read; /* held, or NULL */
	struct fusd_file_info *poll; /* held, or NULL */
	struct client *next;
};

static struct client *clients;
static double ahead; /* of the system's clock, in seconds */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9 + ahead;
}

static int rtc_open(struct fusd_file_info *file)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->next = clients;
	clients = client;
	file->private_data = client;
	return 0;
}

static void drop(struct fusd_file_info **held)
{
	if (*held)
		fusd_destroy(*held);
	*held = NULL;
}

static int rtc_close(struct fusd_file_info *file)
{
	struct client *client = file->private_data;
	struct client **link = &clients;

	drop(&client->read);
	drop(&client->poll);
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	free(client);
	return 0;
}

static void read_time(struct rtc_time *result)
{
	time_t seconds = (time_t)now();
	struct tm tm;

	gmtime_r(&seconds, &tm);
	*result = (struct rtc_time){
		.tm_sec = tm.tm_sec,
		.tm_min = tm.tm_min,
		.tm_hour = tm.tm_hour,
		.tm_mday = tm.tm_mday,
		.tm_mon = tm.tm_mon,
		.tm_year = tm.tm_year,
		.tm_wday = tm.tm_wday,
		.tm_yday = tm.tm_yday,
	};
}

/* Years are from 1970 to 9999. */
static bool is_valid(const struct rtc_time *time)
{
	return time->tm_sec >= 0 && time->tm_sec < 60 && time->tm_min >= 0 &&
	       time->tm_min < 60 && time->tm_hour >= 0 && time->tm_hour < 24 &&
	       time->tm_mday >= 1 && time->tm_mday <= 31 && time->tm_mon >= 0 &&
	       time->tm_mon < 12 && time->tm_year >= 70 && time->tm_year < 8100;
}

static int set_time(const struct rtc_time *wanted)
{
	struct tm tm = {
		.tm_sec = wanted->tm_sec,
		.tm_min = wanted->tm_min,
		.tm_hour = wanted->tm_hour,
		.tm_mday = wanted->tm_mday,
		.tm_mon = wanted->tm_mon,
		.tm_year = wanted->tm_year,
	};

	if (!is_valid(wanted))
		return -EINVAL;
	ahead += (double)timegm(&tm) - now();
	return 0;
}

static int rtc_ioctl(struct fusd_file_info *file, int request, void *data)
{
	struct client *client = file->private_data;

	switch ((unsigned int)request) {
	case RTC_RD_TIME:
		read_time(data);
		return 0;
	case RTC_SET_TIME:
		return set_time(data);
	case RTC_UIE_ON:
	case RTC_UIE_OFF:
		client->wants_updates = (unsigned int)request == RTC_UIE_ON;
		return 0;
	default:
		return -ENOTTY;
	}
}

/* What a read gets: how many interrupts there were, and which. */
static ssize_t take_ticks(struct fusd_file_info *file)
{
	struct client *client = file->private_data;
	unsigned long value = client->ticks << 8 | RTC_UF | RTC_IRQF;

	memcpy(fusd_get_read_buffer(file), &value, sizeof(value));
	client->ticks = 0;
	return sizeof(value);
}

static ssize_t rtc_read(struct fusd_file_info *file, char *buffer,
			size_t length, loff_t *offset)
{
	struct client *client = file->private_data;

	(void)buffer;
	(void)offset;
	if (length < sizeof(client->ticks))
		return -EINVAL;
	if (client->ticks)
		return take_ticks(file);
	if (file->flags & O_NONBLOCK || client->read)
		return -EAGAIN;
	client->read = file;
	return -FUSD_NOREPLY;
}

/* A signal ended a held read: it must not swallow the next interrupt. */
static int rtc_unblock(struct fusd_file_info *file)
{
	struct client *client = file->private_data;

	if (client->read &&
	    fusd_get_transaction(client->read) == fusd_get_transaction(file)) {
		fusd_return(client->read, -EINTR);
		client->read = NULL;
	}
	return 0;
}

static int rtc_poll_diff(struct fusd_file_info *file, unsigned int cached)
{
	struct client *client = file->private_data;
	int state = client->ticks ? FUSD_NOTIFY_INPUT : 0;

	drop(&client->poll);
	if (state != (int)cached)
		return state;
	client->poll = file;
	return -FUSD_NOREPLY;
}

static void tick(struct client *client)
{
	client->ticks++;
	if (client->read) {
		struct fusd_file_info *file = client->read;
		unsigned long ticks = client->ticks;

		client->read = NULL;
		/* EPIPE: a signal ended that read, and the client saw nothing.
		 */
		if (fusd_return(file, take_ticks(file)) < 0)
			client->ticks = ticks;
	}
	if (client->poll) {
		fusd_return(client->poll,
			    client->ticks ? FUSD_NOTIFY_INPUT : 0);
		client->poll = NULL;
	}
}

/* Milliseconds to the next second, rounded up; -1 if nobody waits for it. */
static int until_tick(void)
{
	for (struct client *client = clients; client; client = client->next) {
		double time = now();

		if (client->wants_updates)
			return 1 + (int)(1000 * (1 - (time - (long)time)));
	}
	return -1;
}

/* Until the device is taken away from outside, for example by umount(8). */
static void serve(int device)
{
	struct pollfd fd = { .fd = device, .events = POLLIN };
	long last = (long)now();

	for (;;) {
		poll(&fd, 1, until_tick());
		if ((long)now() != last) {
			last = (long)now();
			for (struct client *client = clients; client;
			     client = client->next)
				if (client->wants_updates)
					tick(client);
		}
		if (fusd_dispatch(device) < 0 && errno == ENODEV)
			return;
	}
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "rtc-mock");
	int device = example_started(
		"rtc",
		fusd_simple_register(name, 0666, NULL, .open = rtc_open,
				     .close = rtc_close, .read = rtc_read,
				     .ioctl = rtc_ioctl, .unblock = rtc_unblock,
				     .poll_diff = rtc_poll_diff));

	serve(device);
	return example_gone("rtc", device);
}

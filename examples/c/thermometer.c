// SPDX-License-Identifier: BSD-3-Clause
/*
 * A thermometer on the network as a device: each read asks the sensor, and
 * while it waits for the answer others are served.
 *
 * A read is held while its connection is in a poll(2) loop of the driver's
 * own. So that it can be tried, the sensor is here too, a server on 127.0.0.1
 * in the same loop.
 *
 * Try it:  ./thermometer &     (prints where the device is)
 *          cat /dev/thermometer
 *   also:  thermometer NAME PORT   (a sensor of yours on 127.0.0.1)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "example.h"

#define SENSOR_SECONDS 5
#define LINE_SIZE 64 /* of a sensor's line, without its newline */
#define MAX_READINGS 64

/* A held read, and the connection that its answer comes from. */
struct reading {
	struct fusd_file_info *file;
	int socket;
	time_t deadline;
	char line[LINE_SIZE + 1];
	size_t size; /* received so far */
};

static struct reading readings[MAX_READINGS];
static size_t reading_count;
static struct sockaddr_in sensor = { .sin_family = AF_INET };

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static ssize_t thermometer_read(struct fusd_file_info *file, char *buffer,
				size_t length, loff_t *offset)
{
	struct reading *reading = &readings[reading_count];
	int fd;

	(void)buffer;
	(void)length;
	if (*offset > 0)
		return 0;
	if (reading_count == MAX_READINGS)
		return -EBUSY;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sensor, sizeof(sensor)) < 0 &&
	    errno != EINPROGRESS) {
		int error = errno;

		close(fd);
		return -error;
	}
	reading->file = file;
	reading->socket = fd;
	reading->deadline = now() + SENSOR_SECONDS;
	reading->size = 0;
	reading_count++;
	return -FUSD_NOREPLY;
}

/* The answer to a read, or -FUSD_NOREPLY until its line is complete. */
static ssize_t read_answer(struct reading *reading)
{
	char *part = reading->line + reading->size;
	size_t room = sizeof(reading->line) - reading->size;
	size_t length = fusd_get_length(reading->file);
	ssize_t count = recv(reading->socket, part, room, 0);
	const char *end;
	size_t size;

	if (count < 0)
		return errno == EAGAIN ? -FUSD_NOREPLY : -errno;
	reading->size += (size_t)count;
	end = memchr(part, '\n', (size_t)count);
	if (!end)
		return count > 0 && (size_t)count < room ? -FUSD_NOREPLY :
							   -EPROTO;
	size = (size_t)(end + 1 - reading->line);
	if (size > length)
		size = length;
	memcpy(fusd_get_read_buffer(reading->file), reading->line, size);
	*fusd_get_offset(reading->file) += (loff_t)size;
	return (ssize_t)size;
}

/* Answers a read, whatever became of it. */
static void finish(struct reading *reading, ssize_t result)
{
	/* EPIPE, if the client is gone: nothing to do. */
	fusd_return(reading->file, result);
	close(reading->socket);
	*reading = readings[--reading_count];
}

/* Finishes a read if it is complete, failed, or took too long. */
static void go_on(struct reading *reading, bool is_ready)
{
	ssize_t result = is_ready ? read_answer(reading) : -FUSD_NOREPLY;

	if (result == -FUSD_NOREPLY && reading->deadline <= now())
		result = -ETIMEDOUT;
	if (result != -FUSD_NOREPLY)
		finish(reading, result);
}

/* A signal ended a held read. */
static int thermometer_unblock(struct fusd_file_info *file)
{
	for (size_t i = 0; i < reading_count; i++)
		if (fusd_get_transaction(readings[i].file) ==
		    fusd_get_transaction(file)) {
			finish(&readings[i], -EINTR);
			break;
		}
	return 0;
}

/* Makes the sensor, unless there is one on that port. */
static int start_sensor(const char *port)
{
	socklen_t size = sizeof(sensor);
	int fd;

	sensor.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sensor.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (sensor.sin_port)
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&sensor, sizeof(sensor)) < 0 ||
	    listen(fd, MAX_READINGS) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sensor, &size) < 0) {
		perror("thermometer");
		exit(1);
	}
	return fd;
}

/* Sends a line to whoever connects; it gets warmer with each. */
static void sensor_answer(int listener)
{
	static double celsius = 20.0;
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return;
	dprintf(fd, "%.1f\n", celsius);
	celsius += 0.1;
	close(fd);
}

/* Until the device is taken away from outside, for example by umount(8). */
static void serve(int device, int listener)
{
	struct pollfd fds[2 + MAX_READINGS] = {
		{ .fd = device, .events = POLLIN },
		{ .fd = listener, .events = POLLIN },
	};

	for (;;) {
		size_t count = reading_count;

		for (size_t i = 0; i < count; i++) {
			fds[2 + i].fd = readings[i].socket;
			fds[2 + i].events = POLLIN;
		}
		if (poll(fds, 2 + count, count ? 1000 : -1) < 0)
			continue;
		/* Backwards: the last one takes the place of one that ends. */
		for (size_t i = count; i-- > 0;)
			go_on(&readings[i], fds[2 + i].revents);
		if (fds[1].revents)
			sensor_answer(listener);
		if (fds[0].revents && fusd_dispatch(device) < 0 &&
		    errno == ENODEV)
			return;
	}
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "thermometer";
	const char *port = argc > 2 ? argv[2] : "0";
	int listener, device;

	if (argc > 3 || *name == '-' || port[strspn(port, "0123456789")] ||
	    strtoul(port, NULL, 10) > UINT16_MAX) {
		fprintf(stderr, "usage: %s [NAME [PORT]]\n", argv[0]);
		return 1;
	}
	listener = start_sensor(port);
	device = example_started(
		"thermometer",
		fusd_simple_register(name, 0444, NULL, .read = thermometer_read,
				     .unblock = thermometer_unblock));
	serve(device, listener);
	return example_gone("thermometer", device);
}

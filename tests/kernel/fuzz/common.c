/* SPDX-License-Identifier: BSD-3-Clause */
/* Random numbers, time, signals, and what a failure is told with. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

struct shared *shared;
int process_number;

static _Thread_local uint64_t random_state = 1;

void fail(const char *format, ...)
{
	char text[300];
	int length = snprintf(text, sizeof(text),
			      "fuzz: FAILED: process %d: ", process_number);
	va_list arguments;

	va_start(arguments, format);
	length += vsnprintf(text + length, sizeof(text) - length - 1, format,
			    arguments);
	va_end(arguments);
	if (length > (int)sizeof(text) - 2)
		length = sizeof(text) - 2;
	text[length++] = '\n';
	/* The first ones tell the most. */
	if (shared->counts[FAILURES]++ < 50 && write(1, text, length) < 0)
		return;
}

void seed_random(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15 | 1;
	random_bits();
	random_bits();
}

/* xorshift64* */
uint64_t random_bits(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1d;
}

unsigned long below(unsigned long bound)
{
	return (random_bits() >> 11) % bound;
}

bool one_in(unsigned int bound)
{
	return below(bound) == 0;
}

unsigned char pattern(uint64_t position)
{
	return (position * 0x9e3779b97f4a7c15) >> 56;
}

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

void sleep_us(unsigned long us)
{
	struct timespec left = { us / 1000000, us % 1000000 * 1000 };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

void *no_memory(void)
{
	static void *volatile address = (void *)8;

	return address;
}

static void nothing(int number)
{
	(void)number;
}

void handle(int number, bool restart)
{
	struct sigaction action = { .sa_handler = nothing,
				    .sa_flags = restart ? SA_RESTART : 0 };

	sigaction(number, &action, NULL);
}

void alarm_every(unsigned int milliseconds)
{
	struct timeval every = { 0, milliseconds * 1000L };
	struct itimerval timer = { every, every };

	setitimer(ITIMER_REAL, &timer, NULL);
}

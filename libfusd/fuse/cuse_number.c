// SPDX-License-Identifier: BSD-3-Clause
/*
 * The kernel has some 150 major numbers to give away, and CUSE takes one for
 * each device that does not ask for a number. So all devices of a process
 * share the major number that its first device was given: it stays theirs
 * while one of them is there.
 */
#include <pthread.h>
#include <sys/sysmacros.h>

#include "cuse_number.h"

#define MINOR_COUNT (1u << 20)

static pthread_mutex_t numbers_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int shared_major; /* numbers_lock */
static unsigned int next_minor;	  /* numbers_lock */
static int users;		  /* numbers_lock; devices with shared_major */

dev_t fusd_cuse_number_take(void)
{
	dev_t number = 0;

	pthread_mutex_lock(&numbers_lock);
	if (users > 0) {
		number = makedev(shared_major, next_minor);
		next_minor = (next_minor + 1) % MINOR_COUNT;
	}
	pthread_mutex_unlock(&numbers_lock);
	return number;
}

void fusd_cuse_number_keep(dev_t number)
{
	pthread_mutex_lock(&numbers_lock);
	if (users == 0) {
		shared_major = major(number);
		next_minor = minor(number) + 1;
	}
	if (major(number) == shared_major)
		users++;
	pthread_mutex_unlock(&numbers_lock);
}

void fusd_cuse_number_forget(void)
{
	pthread_mutex_init(&numbers_lock, NULL);
	users = 0;
}

void fusd_cuse_number_release(dev_t number)
{
	pthread_mutex_lock(&numbers_lock);
	if (users > 0 && major(number) == shared_major)
		users--;
	pthread_mutex_unlock(&numbers_lock);
}

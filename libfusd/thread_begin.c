// SPDX-License-Identifier: BSD-3-Clause
/* Threads of the library's own, beside the driver's. */
#include <signal.h>

#include "internal.h"

#define STACK_SIZE (512 * 1024)

int fusd_thread_begin(void *(*run)(void *unused))
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	/* Signals are the driver's own threads'. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	error = pthread_create(&thread, &attributes, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -error;
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * Which transport a device uses, and whether each of them works here. Why one
 * does not is said by its check(), in kfusd/kfusd.c, fuse/cuse.c and
 * fuse/fuse.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

extern const struct fusd_transport fusd_transport_kfusd;
extern const struct fusd_transport fusd_transport_cuse;
extern const struct fusd_transport fusd_transport_fuse;

/* The list of transports, in the order in which "auto" tries them. */
static const struct fusd_transport *const transports[] = {
	&fusd_transport_kfusd,
	&fusd_transport_cuse,
	&fusd_transport_fuse,
};

#define TRANSPORT_COUNT (sizeof(transports) / sizeof(transports[0]))

#define REASONS_SIZE 1024

/* Writes "auto, kfusd, cuse or fuse". */
static void list_names(char *names, size_t size)
{
	size_t used = (size_t)snprintf(names, size, "auto");

	for (size_t i = 0; i < TRANSPORT_COUNT && used < size; i++)
		used += (size_t)snprintf(names + used, size - used, "%s%s",
					 i + 1 < TRANSPORT_COUNT ? ", " :
								   " or ",
					 transports[i]->name);
}

static const struct fusd_transport *find_transport(const char *name)
{
	char names[128];

	for (size_t i = 0; i < TRANSPORT_COUNT; i++)
		if (!strcmp(transports[i]->name, name))
			return transports[i];
	errno = EINVAL;
	list_names(names, sizeof(names));
	fusd_fail(EINVAL, "unknown transport \"%s\": use %s", name, names);
	return NULL;
}

/* An error that says nothing about the transport: others would have it, too. */
static bool is_of_process(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

static const struct fusd_transport *refuse_transport(int error)
{
	if (is_of_process(error))
		fusd_fail(-error,
			  "nothing is free for a device (%s): close files, or "
			  "raise the limit (\"ulimit -n\")",
			  strerror(-error));
	errno = -error;
	return NULL;
}

/* Without a word to the log hook: whoever asked has the answer. */
static int check_quietly(const struct fusd_transport *transport)
{
	bool was_quiet = fusd_fail_quietly(true);
	int error = transport->check();

	fusd_fail_quietly(was_quiet);
	return error;
}

/* The last that was tried asks the least of a machine: it comes first. */
static void prepend_reason(char reasons[REASONS_SIZE], const char *name)
{
	char others[REASONS_SIZE];

	strcpy(others, reasons);
	if (snprintf(reasons, REASONS_SIZE, "%s: %s%s%s", name, fusd_error(),
		     *others ? "; " : "", others) >= REASONS_SIZE)
		strcpy(reasons, others);
}

static const struct fusd_transport *find_first_that_works(void)
{
	char reasons[REASONS_SIZE] = "";

	for (size_t i = 0; i < TRANSPORT_COUNT; i++) {
		int error = check_quietly(transports[i]);

		if (!error)
			return transports[i];
		if (is_of_process(error))
			return refuse_transport(error);
		prepend_reason(reasons, transports[i]->name);
	}
	fusd_fail(ENOPKG, "no transport works here: %s", reasons);
	errno = ENOPKG;
	return NULL;
}

const struct fusd_transport *fusd_transport_choose(const char *name)
{
	const struct fusd_transport *transport;
	int error;

	if (!name)
		name = secure_getenv("FUSD_TRANSPORT");
	if (!name || !*name || !strcmp(name, "auto"))
		return find_first_that_works();
	transport = find_transport(name);
	if (!transport)
		return NULL;
	error = transport->check();
	return error ? refuse_transport(error) : transport;
}

const struct fusd_transport *fusd_transport_at(size_t index)
{
	return index < TRANSPORT_COUNT ? transports[index] : NULL;
}

void fusd_transport_forget_all(void)
{
	for (size_t i = 0; i < TRANSPORT_COUNT; i++)
		if (transports[i]->forget)
			transports[i]->forget();
}

FUSD_PUBLIC int fusd_transport_check(const char *name, char *reason,
				     size_t size)
{
	const struct fusd_transport *transport =
		name ? find_transport(name) : NULL;
	int error = transport ? check_quietly(transport) : -EINVAL;

	if (size > 0)
		snprintf(reason, size, "%s", error ? fusd_error() : "");
	return fusd_result(error);
}

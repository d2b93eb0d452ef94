// SPDX-License-Identifier: BSD-3-Clause
/*
 * Whose bytes a request's memory holds. Requests of all open files of all
 * devices share a pool of memory, and a driver may answer with more than it
 * wrote: no reply may show one open file's bytes to another.
 */
#include "internal.h"

void fusd_payload_isolate(struct fusd_request *request, uint64_t file_id,
			  size_t length)
{
	char *payload = request->payload;
	size_t end = length < request->dirty ? length : request->dirty;

	if (request->dirty_file != file_id)
		request->clean = 0;
	if (request->clean < end)
		memset(payload + request->clean, 0, end - request->clean);
	request->dirty_file = file_id;
	if (request->clean < length)
		request->clean = length;
	if (request->dirty < length)
		request->dirty = length;
}

void fusd_payload_overwritten(struct fusd_request *request, uint64_t file_id,
			      size_t length)
{
	if (request->dirty_file != file_id || request->clean < length)
		request->clean = length;
	request->dirty_file = file_id;
	if (request->dirty < length)
		request->dirty = length;
}

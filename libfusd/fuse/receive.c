// SPDX-License-Identifier: BSD-3-Clause
/* What the kernel, or another thread, has for a thread that dispatches. */
#include <errno.h>

#include "interrupt.h"
#include "receive.h"
#include "session.h"

int fusd_receive_message(struct fusd_device *device,
			 struct fusd_request **request)
{
	struct fusd_request *interrupted = NULL;
	int result = fusd_session_read_message(device, request, &interrupted);

	if (!interrupted)
		return result;
	*request = fusd_interrupt_begin(interrupted);
	return *request ? 0 : 1;
}

int fusd_receive(struct fusd_device *device, struct fusd_request **request)
{
	int result = fusd_queue_receive(device, request);

	return result == -EAGAIN ? fusd_receive_message(device, request) :
				   result;
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Tracepoints, the events "kfusd" of tracefs: what a device's requests go
 * through, whatever its driver is. transid tells the requests of a device
 * apart; pid and uid are as the driver is told them. The device's name, which
 * may have any characters but control characters, is at the end of the text.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kfusd

#if !defined(KFUSD_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KFUSD_TRACE_H

#include <linux/sched.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>

#include "kfusd.h"

/* define_trace.h reads this file again, for the events alone. */
#ifndef TRACE_HEADER_MULTI_READ
/* 0 unless both moments are known: the tracepoint was on at each of them. */
static inline u64 kfusd_trace_elapsed(u64 from, u64 to)
{
	return from && to > from ? to - from : 0;
}
#endif

/* clang-format off */
#define kfusd_show_operation(subcmd)                                           \
	__print_symbolic(subcmd,                                               \
			 { FUSD_OPEN, "open" },                                \
			 { FUSD_CLOSE, "close" },                              \
			 { FUSD_READ, "read" },                                \
			 { FUSD_WRITE, "write" },                              \
			 { FUSD_IOCTL, "ioctl" },                              \
			 { FUSD_POLL_DIFF, "poll" },                           \
			 { FUSD_UNBLOCK, "unblock" },                          \
			 { FUSD_MMAP, "mmap" },                                \
			 { FUSD_SEEK, "seek" },                                \
			 { FUSD_FLUSH, "flush" },                              \
			 { FUSD_FSYNC, "fsync" })

/* A client's call, or what tells of its signal, waits for the driver. */
TRACE_EVENT(kfusd_request_queued,
	TP_PROTO(const struct kfusd_message *message),
	TP_ARGS(message),
	TP_STRUCT__entry(
		__array(char, device, FUSD_MAX_NAME_LENGTH + 1)
		__array(char, command, TASK_COMM_LEN)
		__field(short, subcmd)
		__field(unsigned long, transid)
		__field(pid_t, pid)
		__field(size_t, length)
	),
	TP_fast_assign(
		strscpy(__entry->device, message->request->file->device->name,
			sizeof(__entry->device));
		memcpy(__entry->command, current->comm, TASK_COMM_LEN);
		__entry->subcmd = message->subcmd;
		__entry->transid = message->request->transid;
		__entry->pid = message->request->ids.pid;
		__entry->length = message->request->length;
	),
	TP_printk("operation=%s transid=%lu pid=%d length=%zu command=%s device=%s",
		  kfusd_show_operation(__entry->subcmd), __entry->transid,
		  __entry->pid, __entry->length, __entry->command,
		  __entry->device)
);

/* The driver has it, after it waited for waited_ns. */
TRACE_EVENT(kfusd_request_received,
	TP_PROTO(const struct kfusd_message *message),
	TP_ARGS(message),
	TP_STRUCT__entry(
		__array(char, device, FUSD_MAX_NAME_LENGTH + 1)
		__field(short, subcmd)
		__field(unsigned long, transid)
		__field(u64, waited)
	),
	TP_fast_assign(
		strscpy(__entry->device, message->request->file->device->name,
			sizeof(__entry->device));
		__entry->subcmd = message->subcmd;
		__entry->transid = message->request->transid;
		__entry->waited = message->subcmd == FUSD_UNBLOCK ? 0 :
			kfusd_trace_elapsed(message->request->queued_at,
					    message->request->received_at);
	),
	TP_printk("operation=%s transid=%lu waited_ns=%llu device=%s",
		  kfusd_show_operation(__entry->subcmd), __entry->transid,
		  __entry->waited, __entry->device)
);

/*
 * It is over: the driver has answered, served_ns after it received it (0 if it
 * never did), or its end has.
 */
TRACE_EVENT(kfusd_request_answered,
	TP_PROTO(const struct kfusd_request *request),
	TP_ARGS(request),
	TP_STRUCT__entry(
		__array(char, device, FUSD_MAX_NAME_LENGTH + 1)
		__field(short, subcmd)
		__field(unsigned long, transid)
		__field(pid_t, pid)
		__field(uid_t, uid)
		__field(unsigned int, flags)
		__field(size_t, length)
		__field(loff_t, offset)
		__field(unsigned int, number)
		__field(unsigned long, argument)
		__field(ssize_t, result)
		__field(u64, waited)
		__field(u64, served)
	),
	TP_fast_assign(
		strscpy(__entry->device, request->file->device->name,
			sizeof(__entry->device));
		__entry->subcmd = request->call.subcmd;
		__entry->transid = request->transid;
		__entry->pid = request->ids.pid;
		__entry->uid = request->ids.uid;
		__entry->flags = request->flags;
		__entry->length = request->length;
		__entry->offset = request->offset;
		__entry->number = request->ioctl_number;
		__entry->argument = request->argument;
		__entry->result = request->retval;
		__entry->waited = kfusd_trace_elapsed(request->queued_at,
						      request->received_at);
		__entry->served = kfusd_trace_elapsed(request->received_at,
						      ktime_get_ns());
	),
	TP_printk("operation=%s transid=%lu pid=%d uid=%u flags=%#x length=%zu offset=%lld number=%#x argument=%#lx result=%zd waited_ns=%llu served_ns=%llu device=%s",
		  kfusd_show_operation(__entry->subcmd), __entry->transid,
		  __entry->pid, __entry->uid, __entry->flags, __entry->length,
		  __entry->offset, __entry->number, __entry->argument,
		  __entry->result, __entry->waited, __entry->served,
		  __entry->device)
);
/* clang-format on */

#ifndef TRACE_HEADER_MULTI_READ
/* What a request's queued_at and received_at are set to: 0 if nobody looks. */
static inline u64 kfusd_trace_clock(void)
{
	return trace_kfusd_request_received_enabled() ||
			       trace_kfusd_request_answered_enabled() ?
		       ktime_get_ns() :
		       0;
}
#endif

#endif /* KFUSD_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

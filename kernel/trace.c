// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* What the tracepoints of trace.h are made of. */
#define CREATE_TRACE_POINTS
#include "trace.h"

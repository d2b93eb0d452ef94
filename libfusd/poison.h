/* SPDX-License-Identifier: BSD-3-Clause */
/* For AddressSanitizer: memory that nobody may use for now. */
#ifndef FUSD_POISON_H
#define FUSD_POISON_H

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) \
	((void)(address), (void)(size))
#endif

#endif /* FUSD_POISON_H */

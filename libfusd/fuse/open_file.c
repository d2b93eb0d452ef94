// SPDX-License-Identifier: BSD-3-Clause
/* The open files of a session. */
#include <stdlib.h>

#include "open_file.h"

/* Devices share the pool of memory blocks, so no two files share an id. */
static _Atomic uint64_t last_file_id;

struct fusd_open_file *fusd_open_file_new(unsigned long flags)
{
	struct fusd_open_file *file = calloc(1, sizeof(*file));

	if (file) {
		file->flags = flags;
		file->id = ++last_file_id;
	}
	return file;
}

void fusd_open_file_link(struct fusd_open_file *file,
			 struct fusd_open_file **files)
{
	file->next = *files;
	file->link = files;
	if (file->next)
		file->next->link = &file->next;
	*files = file;
}

void fusd_open_file_unlink(struct fusd_open_file *file)
{
	*file->link = file->next;
	if (file->next)
		file->next->link = file->link;
}

void fusd_open_file_free(struct fusd_open_file *file)
{
	fusd_retry_free_all(file->retries);
	free(file);
}

// SPDX-License-Identifier: BSD-3-Clause
#include <search.h>
#include <stdlib.h>
#include <syslog.h>

#include "internal.h"
#include "private_data.h"

/* An open file whose private_data the kernel does not have. */
struct noted_file {
	uint64_t file_id; /* first: the key */
	void *value;
};

static int compare_files(const void *one, const void *other)
{
	uint64_t first = *(const uint64_t *)one;
	uint64_t second = *(const uint64_t *)other;

	return (first > second) - (first < second);
}

static struct noted_file *find_file(const struct fusd_private_data *data,
				    uint64_t file_id)
{
	struct noted_file **found =
		tfind(&file_id, &data->files, compare_files);

	return found ? *found : NULL;
}

static struct noted_file *add_file(struct fusd_private_data *data,
				   uint64_t file_id)
{
	struct noted_file *file = malloc(sizeof(*file));

	if (!file)
		return NULL;
	file->file_id = file_id;
	if (tsearch(file, &data->files, compare_files))
		return file;
	free(file);
	return NULL;
}

void fusd_private_data_note(struct fusd_private_data *data, uint64_t file_id,
			    void *value)
{
	struct noted_file *file = find_file(data, file_id);

	if (!file)
		file = add_file(data, file_id);
	if (file)
		file->value = value;
	else
		fusd_log(LOG_WARNING, "no memory to note private_data: it is "
				      "lost if the client is killed");
}

void *fusd_private_data_find(const struct fusd_private_data *data,
			     uint64_t file_id, void *value)
{
	const struct noted_file *file;

	if (!data->files)
		return value;
	file = find_file(data, file_id);
	return file ? file->value : value;
}

void fusd_private_data_forget(struct fusd_private_data *data, uint64_t file_id)
{
	struct noted_file *file;

	if (!data->files)
		return;
	file = find_file(data, file_id);
	if (!file)
		return;
	tdelete(file, &data->files, compare_files);
	free(file);
}

void fusd_private_data_forget_all(struct fusd_private_data *data)
{
	tdestroy(data->files, free);
	data->files = NULL;
}

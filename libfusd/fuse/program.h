/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that libfusd runs, and what they are told. */
#ifndef FUSD_PROGRAM_H
#define FUSD_PROGRAM_H

#include <stddef.h>

/*
 * Finds fusermount3: where distributions have it, and, unless this process has
 * privileges that whoever started it had not, in PATH. Writes its path and
 * returns 0, or returns -ENOENT.
 */
int fusd_program_fusermount(char *path, size_t size);

/*
 * The environment of a program: this process's own, or, in a process with such
 * privileges, nothing but a PATH of the system's directories. Of the process.
 */
char **fusd_program_environment(void);

#endif /* FUSD_PROGRAM_H */

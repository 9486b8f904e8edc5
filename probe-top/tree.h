/* SPDX-License-Identifier: MIT */
/*
 * The files of the tree at the path TREE. Nothing is kept open between calls: the tree can be
 * unmounted, and mounted again, while it is looked at. What fails returns -errno.
 */
#ifndef PROBE_TOP_TREE_H
#define PROBE_TOP_TREE_H

#include "rows.h"

enum { SENTENCE_SIZE = 512 };

bool tree_is_at(const char *tree);

/*
 * Reads that process, or (0) all: rows sorted by COLUMN_PID, and how many processes could not be
 * read.
 */
int tree_look(const char *tree, pid_t pid, struct rows *rows, size_t *unread);

/* Writes TEXT to FILE of the probe. */
int tree_write(const char *tree, pid_t pid, const char *probe, const char *file, const char *text);

/* What the process's error_log says last: of a write that failed with ERRNUM. */
void tree_explain(const char *tree, pid_t pid, int errnum, char sentence[SENTENCE_SIZE]);

#endif

/* SPDX-License-Identifier: MIT */
/* What the kernel makes of a file that is executed, found out from the file alone. */
#ifndef ENGINE_PROGRAM_FILE_H
#define ENGINE_PROGRAM_FILE_H

#include "error.h"

#include <sys/stat.h>

/* The bytes at the beginning of a file that exec looks at; the room for a path in a sentence. */
enum { PROGRAM_HEAD = 256, PROGRAM_SHOWN = 200 };

struct program_file {
    int fd; /* open for reading */
    char *path;
    struct stat status; /* when it was opened */
    bool unknown; /* the kernel may not know the format, and shells would run it as a script */
};

/* PATH as messages have it, in SHOWN, which is returned. */
const char *program_show(const char *path, char shown[PROGRAM_SHOWN]);

/*
 * Finds NAME as a shell does: along $PATH, unless there is a slash in it. The caller frees PATH.
 * Errors: ENOENT; EACCES it may not be executed; ENOMEM.
 */
int program_file_find(const char *name, char **path, struct probe_error *error);

/*
 * Opens the file that the kernel runs when PATH is executed: PATH itself, or its interpreter.
 * Errors: those of open(); EACCES it is no regular file; ELOOP too many interpreters of
 * interpreters; ENOMEM.
 */
int program_file_open(const char *path, struct program_file *file, struct probe_error *error);
void program_file_done(struct program_file *file);

/* Does the program get other privileges than the caller's? (setuid, setgid, capabilities) */
bool program_file_is_privileged(int fd);

/* Do A and B tell of the same file, and of the same contents and mode? */
bool program_file_is_same(const struct stat *a, const struct stat *b);

#endif

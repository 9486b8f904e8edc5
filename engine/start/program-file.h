/* SPDX-License-Identifier: MIT */
/* What the kernel makes of a file that is executed, found out from the file alone. */
#ifndef ENGINE_PROGRAM_FILE_H
#define ENGINE_PROGRAM_FILE_H

#include "error.h"

/* The bytes at the beginning of a file that exec looks at. */
enum { PROGRAM_HEAD = 256 };

struct program_file {
    int fd;
    char *path;
};

/*
 * Finds NAME as a shell does: along $PATH, unless there is a slash in it. The caller frees PATH.
 * Errors: ENOENT; EACCES it may not be executed; ENOMEM.
 */
int program_file_find(const char *name, char **path, struct probe_error *error);

/*
 * Opens the file that the kernel runs when PATH is executed: PATH itself, or its interpreter.
 * UNKNOWN: the kernel may not know the format of PATH, and shells would run it as a script.
 * Errors: those of open(); ELOOP too many interpreters of interpreters; ENOMEM.
 */
int program_file_open(const char *path, struct program_file *file, bool *unknown,
                      struct probe_error *error);
void program_file_done(struct program_file *file);

/* Does the program get other privileges than the caller's? (setuid, setgid, capabilities) */
bool program_file_is_privileged(int fd);

/*
 * The path of the loader that an ELF program names (PT_INTERP), freed by the caller; NULL if it
 * names none. Errors: ENOMEM.
 */
int program_file_loader(int fd, char **loader);

#endif

/* SPDX-License-Identifier: MIT */
/* What the kernel will make of a file that is executed, told from the file alone. */
#ifndef ENGINE_PROGRAM_FILE_H
#define ENGINE_PROGRAM_FILE_H

#include "error.h"

/* What exec looks at: the beginning of a file. */
enum { PROGRAM_HEAD = 256 };

struct program_file {
    int fd;
    char *path;
};

/*
 * Finds NAME as a shell does: along PATH, unless there is a slash in it. The path is to be freed.
 * Errors: ENOENT; EACCES there is one, but it may not be executed; ENOMEM.
 */
int program_file_find(const char *name, char **path, struct probe_error *error);

/*
 * Opens the file that the kernel runs when PATH is executed: PATH itself, or what interprets it.
 * UNKNOWN says that the kernel may not know the format of PATH, so that shells run it as a script.
 * Errors: those of opening; ELOOP interpreters that interpret each other; ENOMEM.
 */
int program_file_open(const char *path, struct program_file *file, bool *unknown,
                      struct probe_error *error);
void program_file_done(struct program_file *file);

/* Has its process other privileges than the caller? (setuid, setgid, capabilities) */
bool program_file_is_privileged(int fd);

/*
 * The loader that an ELF program asks for (PT_INTERP), to be freed; NULL where it asks for none.
 * Errors: ENOMEM.
 */
int program_file_loader(int fd, char **loader);

#endif

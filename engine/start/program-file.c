/* SPDX-License-Identifier: MIT */
#include "start/program-file.h"

#include "names/name.h"
#include "start/regular-file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* How many interpreters of interpreters the kernel follows. */
enum { DEPTH_MAX = 5 };

#define DEFAULT_PATH  "/bin:/usr/bin"
#define DEFAULT_SHELL "/bin/sh"

const char *program_show(const char *path, char shown[PROGRAM_SHOWN])
{
    text_escape(path, strlen(path), false, shown, PROGRAM_SHOWN);
    return shown;
}

/* ---- finding ---------------------------------------------------------------------------- */

static int check_executable(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Tries NAME in each of the DIRECTORIES; an empty one is the working directory. */
static int search_path(const char *name, const char *directories, char **result)
{
    int worst = -ENOENT;
    for (const char *start = directories;; start++) {
        size_t length = strcspn(start, ":");
        char *path = NULL;
        if (asprintf(&path, "%.*s/%s", length ? (int)length : 1, length ? start : ".", name) < 0)
            return -ENOMEM;
        int status = check_executable(path);
        if (status == 0) {
            *result = path;
            return 0;
        }
        free(path);
        if (status == -EACCES)
            worst = status;
        start += length;
        if (!*start)
            return worst;
    }
}

int program_file_find(const char *name, char **result, struct probe_error *error)
{
    const char *directories = getenv("PATH");
    char shown[PROGRAM_SHOWN];
    int status = -ENOENT;
    char *path = NULL;
    if (strchr(name, '/')) {
        status = check_executable(name);
        path = status == 0 ? strdup(name) : NULL;
        if (status == 0 && !path)
            status = -ENOMEM;
    } else if (*name) {
        status = search_path(name, directories ? directories : DEFAULT_PATH, &path);
    }
    if (status < 0)
        return error_set(error, -status, "cannot run '%s': %s", program_show(name, shown),
                         strerror(-status));
    *result = path;
    return 0;
}

/* ---- interpreters ----------------------------------------------------------------------- */

/* The interpreter in a script's first line, freed by the caller. */
static char *script_interpreter(const char *head)
{
    const char *path = head + 2 + strspn(head + 2, " \t");
    return strndup(path, strcspn(path, " \t\n"));
}

static int open_head(const char *path, struct program_file *file, char head[PROGRAM_HEAD])
{
    memset(head, 0, PROGRAM_HEAD);
    int fd = regular_file_open(path, &file->status);
    if (fd < 0)
        return fd;
    if (pread(fd, head, PROGRAM_HEAD - 1, 0) < 0) {
        int status = -errno;
        close(fd);
        return status;
    }
    file->fd = fd;
    return 0;
}

/* One step: opens PATH, or finds its interpreter (NEXT, freed by the caller). */
static int open_step(const char *path, bool first, struct program_file *file, char **next)
{
    char head[PROGRAM_HEAD];
    int status = open_head(path, file, head);
    if (status < 0)
        return status;
    bool elf = memcmp(head, ELFMAG, SELFMAG) == 0;
    bool script = strncmp(head, "#!", 2) == 0 && head[2 + strspn(head + 2, " \t\n")];
    if (!elf && (script || first)) {
        close(file->fd);
        file->fd = -1;
        file->unknown = file->unknown || !script;
        *next = script ? script_interpreter(head) : strdup(DEFAULT_SHELL);
        return *next ? 0 : -ENOMEM;
    }
    file->path = strdup(path);
    return file->path ? 0 : -ENOMEM;
}

static int explain_step(const char *path, const char *step, int status, struct probe_error *error)
{
    char shown[PROGRAM_SHOWN];
    char shown_step[PROGRAM_SHOWN];
    return error_set(error, -status, "cannot read '%s', which running '%s' needs: %s",
                     program_show(step, shown_step), program_show(path, shown), strerror(-status));
}

int program_file_open(const char *path, struct program_file *file, struct probe_error *error)
{
    char *at = strdup(path);
    int status = 0;
    *file = (struct program_file){.fd = -1};
    if (!at)
        return error_memory(error);
    for (int depth = 0; status == 0; depth++) {
        char *next = NULL;
        status = depth > DEPTH_MAX ? -ELOOP : open_step(at, depth == 0, file, &next);
        if (status == 0 && !next)
            break;
        if (status < 0) {
            explain_step(path, at, status, error);
            break;
        }
        free(at);
        at = next;
    }
    free(at);
    if (status < 0)
        program_file_done(file);
    return status;
}

void program_file_done(struct program_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    *file = (struct program_file){.fd = -1};
}

/* ---- privileges ------------------------------------------------------------------------- */

bool program_file_is_privileged(int fd)
{
    struct stat status;
    struct statvfs system;
    if (fstat(fd, &status) < 0 || fstatvfs(fd, &system) < 0)
        return false;
    if ((system.f_flag & ST_NOSUID) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return false;
    bool user = (status.st_mode & S_ISUID) && status.st_uid != geteuid();
    /* Without execution for the group, the bit means mandatory locking. */
    bool group =
        (status.st_mode & S_ISGID) && (status.st_mode & S_IXGRP) && status.st_gid != getegid();
    return user || group || fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool program_file_is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           is_same_time(&a->st_mtim, &b->st_mtim) && is_same_time(&a->st_ctim, &b->st_ctim);
}

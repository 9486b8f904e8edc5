/* SPDX-License-Identifier: MIT */
#include "start/program-file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
        return error_set(error, -status, "cannot run '%s': %s", name, strerror(-status));
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

static int open_head(const char *path, int *fd, char head[PROGRAM_HEAD])
{
    struct stat status;
    memset(head, 0, PROGRAM_HEAD);
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0)
        return -errno;
    if (fstat(*fd, &status) == 0 && S_ISREG(status.st_mode) &&
        pread(*fd, head, PROGRAM_HEAD - 1, 0) >= 0)
        return 0;
    close(*fd);
    return -EACCES;
}

/* One step: opens PATH, or finds its interpreter (NEXT, freed by the caller). */
static int open_step(const char *path, bool first, struct program_file *file, char **next,
                     bool *unknown)
{
    char head[PROGRAM_HEAD];
    int fd = -1;
    int status = open_head(path, &fd, head);
    if (status < 0)
        return status;
    bool elf = memcmp(head, ELFMAG, SELFMAG) == 0;
    bool script = strncmp(head, "#!", 2) == 0;
    if (!elf && (script || first)) {
        close(fd);
        *unknown = *unknown || !script;
        *next = script ? script_interpreter(head) : strdup(DEFAULT_SHELL);
        return *next ? 0 : -ENOMEM;
    }
    file->fd = fd;
    file->path = strdup(path);
    return file->path ? 0 : -ENOMEM;
}

int program_file_open(const char *path, struct program_file *file, bool *unknown,
                      struct probe_error *error)
{
    char *at = strdup(path);
    int status = 0;
    *unknown = false;
    if (!at)
        return error_memory(error);
    for (int depth = 0; status == 0; depth++) {
        char *next = NULL;
        status = depth > DEPTH_MAX ? -ELOOP : open_step(at, depth == 0, file, &next, unknown);
        if (status == 0 && !next)
            break;
        if (status < 0) {
            error_set(error, -status, "cannot read '%s', which running '%s' needs: %s", at, path,
                      strerror(-status));
            break;
        }
        free(at);
        at = next;
    }
    free(at);
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

/* ---- the loader ------------------------------------------------------------------------- */

static bool read_exactly(int fd, void *bytes, size_t length, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, bytes, length, (off_t)offset) == (ssize_t)length;
}

/* The program header of the loader's path; its size is 0 if there is none. */
static Elf64_Phdr find_interpreter(int fd)
{
    Elf64_Ehdr file;
    Elf64_Phdr found = {0};
    if (!read_exactly(fd, &file, sizeof(file), 0) || memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 ||
        file.e_ident[EI_CLASS] != ELFCLASS64 || file.e_phentsize != sizeof(found))
        return found;
    for (unsigned int i = 0; i < file.e_phnum; i++) {
        Elf64_Phdr header;
        uint64_t offset = 0;
        if (__builtin_add_overflow(file.e_phoff, (uint64_t)i * sizeof(header), &offset) ||
            !read_exactly(fd, &header, sizeof(header), offset))
            break;
        if (header.p_type == PT_INTERP && header.p_filesz > 1 && header.p_filesz <= PATH_MAX)
            return header;
    }
    return found;
}

int program_file_loader(int fd, char **loader)
{
    Elf64_Phdr header = find_interpreter(fd);
    *loader = NULL;
    if (header.p_filesz == 0)
        return 0;
    char *path = calloc(1, header.p_filesz + 1);
    if (!path)
        return -ENOMEM;
    if (read_exactly(fd, path, header.p_filesz, header.p_offset))
        *loader = path;
    else
        free(path);
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "start/libraries.h"

#include "start/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * What the loaders of glibc and musl print:
 *
 *     	linux-vdso.so.1 (0x00007ffd5d1f2000)
 *     	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f3c0e000000)
 *     	libgone.so => not found
 *     	/lib64/ld-linux-x86-64.so.2 (0x00007f3c0e3f2000)
 */
char *libraries_path(char *line)
{
    char *end = NULL;
    for (char *at = strstr(line, " (0x"); at; at = strstr(at + 1, " (0x"))
        end = at;
    if (!end)
        return NULL;
    *end = '\0';
    char *arrow = strstr(line, " => ");
    char *path = arrow ? arrow + strlen(" => ") : line + strspn(line, " \t");
    return strchr(path, '/') ? path : NULL;
}

/* In the child; returns only if the loader cannot be executed. */
static void run_loader(const char *loader, const char *program, char *const *environment,
                       int output, const sigset_t *mask)
{
    char *const arguments[] = {(char *)loader, "--list", (char *)program, NULL};
    /* Where standard descriptors are closed, the pipe itself may be one of them. */
    int high = fcntl(output, F_DUPFD_CLOEXEC, 3);
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDERR_FILENO);
    dup2(high, STDOUT_FILENO);
    child_restore_signals(mask);
    execve(loader, arguments, environment);
}

static int read_list(FILE *list, int (*found)(void *data, const char *path, struct probe_error *),
                     void *data, struct probe_error *error)
{
    char *line = NULL;
    size_t room = 0;
    int status = 0;
    while (status == 0 && getline(&line, &room, list) >= 0) {
        const char *path = libraries_path(line);
        if (path)
            status = found(data, path, error);
    }
    free(line);
    return status;
}

int libraries_list(const char *loader, const char *program, char *const *environment,
                   int (*found)(void *data, const char *path, struct probe_error *error),
                   void *data, struct probe_error *error)
{
    int ends[2];
    sigset_t mask;
    struct child_quiet quiet;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(error, errno, "cannot make a pipe: %s", strerror(errno));
    child_quiet_begin(&quiet);
    pid_t child = child_start(0, &mask);
    if (child == 0) {
        run_loader(loader, program, environment, ends[1], &mask);
        _exit(127);
    }
    close(ends[1]);
    FILE *list = child < 0 ? NULL : fdopen(ends[0], "r");
    int status = child < 0 ? error_set(error, -child, "cannot start '%s' in list mode: %s", loader,
                                       strerror(-child))
                 : list    ? read_list(list, found, data, error)
                           : error_memory(error);
    if (list)
        fclose(list);
    else
        close(ends[0]);
    if (child > 0)
        child_reap(child);
    child_quiet_end(&quiet);
    return status;
}

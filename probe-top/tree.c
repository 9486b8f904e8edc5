/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include "shared/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool tree_is_at(const char *tree)
{
    char path[PATH_MAX];
    return snprintf(path, sizeof(path), "%s/README", tree) < PATH_MAX && access(path, F_OK) == 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* All of a file of a process, to be freed; NULL with a STATUS below 0. */
static char *read_text(const char *tree, pid_t pid, const char *name, int *status)
{
    char path[PATH_MAX];
    char *text = NULL;
    size_t room = 0;
    *status = -ENAMETOOLONG;
    if (snprintf(path, sizeof(path), "%s/%d/%s", tree, (int)pid, name) >= PATH_MAX)
        return NULL;
    FILE *file = fopen(path, "re");
    *status = -errno;
    if (!file)
        return NULL;
    ssize_t length = getdelim(&text, &room, '\0', file);
    *status = length >= 0 || feof(file) ? 0 : -errno;
    fclose(file);
    if (*status == 0 && text) {
        if (length < 0) /* it is empty */
            *text = '\0';
        return text;
    }
    free(text);
    if (*status == 0)
        *status = -ENOMEM;
    return NULL;
}

static char *read_program(const char *tree, pid_t pid)
{
    char path[PATH_MAX];
    char program[PATH_MAX] = "?";
    if (snprintf(path, sizeof(path), "%s/%d/exe", tree, (int)pid) < PATH_MAX) {
        ssize_t length = readlink(path, program, sizeof(program) - 1);
        program[length > 0 ? length : 1] = '\0';
    }
    return program_name(program);
}

/* Adds the rows of a process. Without `hits` (-o trace=no) nothing is counted. */
static int look_at(const char *tree, pid_t pid, struct rows *rows)
{
    size_t first = rows->count;
    int status = 0;
    char *info = read_text(tree, pid, "info", &status);
    if (!info)
        return status;
    char *program = read_program(tree, pid);
    status = program ? rows_add_info(rows, pid, program, info) : -ENOMEM;
    free(program);
    free(info);
    if (status < 0)
        return status;
    rows_sort(rows, first, COLUMN_PID);
    const struct timespec now = clock_now();
    char *hits = read_text(tree, pid, "hits", &status);
    if (hits)
        rows_take_hits(rows, first, hits, &now);
    free(hits);
    return 0;
}

/* Processes come and go. Memory that is missing ends a look, and so does a signal. */
static int try_to_look_at(const char *tree, pid_t pid, struct rows *rows, size_t *unread)
{
    int status = look_at(tree, pid, rows);
    if (status == -ENOMEM || status == -EINTR)
        return status;
    *unread += status < 0 && status != -ENOENT && status != -ESRCH;
    return 0;
}

int tree_look(const char *tree, pid_t pid, struct rows *rows, size_t *unread)
{
    struct dirent *entry = NULL;
    int status = 0;
    *unread = 0;
    if (pid != 0)
        return try_to_look_at(tree, pid, rows, unread);
    DIR *directory = opendir(tree);
    if (!directory)
        return -errno;
    while (status == 0 && (entry = readdir(directory))) {
        pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0)
            status = try_to_look_at(tree, pid, rows, unread);
    }
    closedir(directory);
    rows_sort(rows, 0, COLUMN_PID);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------- */

int tree_write(const char *tree, pid_t pid, const char *probe, const char *file, const char *text)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/%d/%s/%s", tree, (int)pid, probe, file) >= PATH_MAX)
        return -ENAMETOOLONG;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int status = write(fd, text, strlen(text)) < 0 ? -errno : 0;
    close(fd);
    return status;
}

void tree_explain(const char *tree, pid_t pid, int errnum, char sentence[SENTENCE_SIZE])
{
    int status = 0;
    snprintf(sentence, SENTENCE_SIZE, "process %d: %s", (int)pid, strerror(errnum));
    char *log = read_text(tree, pid, "error_log", &status);
    /* TIME user N (process N) could not ...: who asked, and when, the reader knows. */
    for (const char *next = log; next && (next = strstr(next, ") could not ")); next++)
        snprintf(sentence, SENTENCE_SIZE, "%.*s", (int)strcspn(next + 2, "\n"), next + 2);
    free(log);
}

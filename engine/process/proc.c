/* SPDX-License-Identifier: MIT */
#include "process/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 64 << 20, TEXT_START = 16384 };

/* The last field of stat that is used. */
enum { LAST_FIELD = 47 };

/* PF_FORKNOEXEC among the flags of a process (field 9): set by fork, and cleared by exec. */
enum { FLAG_FORKED = 0x40 };

int proc_open(int proc, pid_t pid, pid_t tid, const char *name, int flags)
{
    char path[64];
    if (tid == pid)
        snprintf(path, sizeof(path), "%d/%s", pid, name);
    else
        snprintf(path, sizeof(path), "%d/task/%d/%s", pid, tid, name);
    int fd = openat(proc, path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

ssize_t proc_read_all(int fd, char **result)
{
    size_t room = TEXT_START;
    size_t used = 0;
    char *text = malloc(room);
    ssize_t got = text ? 1 : -ENOMEM;
    while (got > 0) {
        if (used + 1 >= room) {
            char *larger = room < TEXT_MAX ? realloc(text, room * 2) : NULL;
            if (!larger) {
                got = room < TEXT_MAX ? -ENOMEM : -EFBIG;
                break;
            }
            text = larger;
            room *= 2;
        }
        got = pread(fd, text + used, room - used - 1, (off_t)used);
        if (got < 0)
            got = -errno;
        else
            used += (size_t)got;
    }
    if (got < 0) {
        free(text);
        return got;
    }
    text[used] = '\0';
    *result = text;
    return (ssize_t)used;
}

ssize_t proc_read(int proc, pid_t pid, pid_t tid, const char *name, char *text, size_t size)
{
    int fd = proc_open(proc, pid, tid, name, O_RDONLY);
    if (fd < 0)
        return fd;
    ssize_t got = read(fd, text, size - 1);
    ssize_t result = got < 0 ? -errno : got;
    close(fd);
    if (result >= 0)
        text[result] = '\0';
    return result;
}

/* Reads the number at *TEXT and moves *TEXT behind it. By hand, as each use of an image does it. */
static uint64_t take_field(const char **text)
{
    const char *at = *text;
    uint64_t number = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    while (*at && *at != ' ')
        at++;
    *text = at;
    return number;
}

int proc_stat_parse(const char *text, size_t length, struct proc_stat *stat)
{
    /* The name is in parentheses and may contain any byte: the last parenthesis ends it. */
    const char *field = memrchr(text, ')', length);
    if (!field || field[1] != ' ')
        return -EINVAL;
    field += 2;

    struct proc_stat found = {.state = *field};
    size_t layout = 0;
    for (int number = 3; number <= LAST_FIELD; number++) {
        uint64_t value = take_field(&field);
        if (number == 4)
            found.parent = (pid_t)value;
        else if (number == 9)
            found.is_forked = value & FLAG_FORKED;
        else if (number == 22)
            found.start_time = value;
        else if ((number >= 26 && number <= 28) || number >= 45)
            found.layout[layout++] = value;
        if (*field)
            field++;
        else if (number < LAST_FIELD)
            return -EINVAL;
    }
    *stat = found;
    return 0;
}

int proc_stat_read(int proc, pid_t pid, pid_t tid, struct proc_stat *stat)
{
    char text[PROC_STAT_SIZE];
    ssize_t length = proc_read(proc, pid, tid, "stat", text, sizeof(text));
    if (length < 0)
        return (int)length;
    return proc_stat_parse(text, (size_t)length, stat);
}

static long find_number(const char *text, const char *field)
{
    size_t length = strlen(field);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, length) == 0)
            return strtol(line + length, NULL, 10);
    }
    return -1;
}

int proc_read_user(int proc, pid_t pid, uid_t *user, gid_t *group)
{
    char text[4096];
    ssize_t length = proc_read(proc, pid, pid, "status", text, sizeof(text));
    long uid = length < 0 ? -1 : find_number(text, "Uid:");
    long gid = length < 0 ? -1 : find_number(text, "Gid:");
    if (uid < 0 || gid < 0)
        return length < 0 ? (int)length : -EIO;
    *user = (uid_t)uid;
    *group = (gid_t)gid;
    return 0;
}

long proc_status_number(int proc, pid_t pid, const char *field)
{
    char text[4096];
    if (proc_read(proc, pid, pid, "status", text, sizeof(text)) < 0)
        return -1;
    return find_number(text, field);
}

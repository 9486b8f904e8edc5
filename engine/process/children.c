/* SPDX-License-Identifier: MIT */
#include "process/children.h"

#include "process/proc.h"
#include "shared/array.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Adds the numbers in TEXT. */
static int add_pids(const char *text, struct children *children)
{
    char *rest = NULL;
    for (long pid = strtol(text, &rest, 10); rest != text; pid = strtol(text, &rest, 10)) {
        if (ARRAY_RESERVE(children->pids, children->room, children->count + 1) < 0)
            return -ENOMEM;
        children->pids[children->count++] = (pid_t)pid;
        text = rest;
    }
    return 0;
}

static int read_thread(int proc, pid_t pid, pid_t tid, struct children *children)
{
    char name[48];
    char *text = NULL;
    snprintf(name, sizeof(name), "task/%d/children", tid);
    int fd = proc_open(proc, pid, pid, name, O_RDONLY);
    if (fd < 0)
        return fd;
    ssize_t length = proc_read_all(fd, &text);
    close(fd);
    if (length < 0)
        return (int)length;
    int status = add_pids(text, children);
    free(text);
    return status;
}

int children_read(int proc, pid_t pid, struct children *children)
{
    int fd = proc_open(proc, pid, pid, "task", O_RDONLY | O_DIRECTORY);
    DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
    if (!tasks) {
        int status = fd < 0 ? fd : -ENOMEM;
        if (fd >= 0)
            close(fd);
        return status;
    }
    int result = -ENOENT;
    for (struct dirent *task; result != -ENOMEM && (task = readdir(tasks));) {
        pid_t tid = (pid_t)strtol(task->d_name, NULL, 10);
        int status = tid > 0 ? read_thread(proc, pid, tid, children) : -ENOENT;
        /* Threads may end meanwhile. */
        if (status == 0 || status == -ENOMEM || result < 0)
            result = status;
    }
    closedir(tasks);
    return result;
}

void children_done(struct children *children)
{
    free(children->pids);
    *children = (struct children){.pids = NULL};
}

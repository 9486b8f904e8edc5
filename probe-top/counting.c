/* SPDX-License-Identifier: MIT */
#include "counting.h"

#include "tree.h"

#include "shared/array.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

bool counting_is_ours(const struct counting *counting, const struct row *row)
{
    return rows_find(&counting->ours, row->pid, row->name) < counting->ours.count;
}

/* ---- the guard ----------------------------------------------------------------------------- */

/* What has ended meanwhile is no failure. */
static void end_all(const struct counting *counting)
{
    for (size_t i = 0; i < counting->ours.count; i++)
        tree_write(counting->tree, counting->ours.list[i].pid, counting->ours.list[i].name, "hits",
                   "0\n");
}

/* A byte dismisses it. No signal ends it, and it has nothing of our terminal. */
static void guard(const struct counting *counting, int lifeline)
{
    char byte = 0;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_NAME, "probe-top-guard");
    setsid();
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);
    if (read(lifeline, &byte, 1) == 0)
        end_all(counting);
    _exit(EXIT_SUCCESS);
}

static void dismiss_guard(struct counting *counting)
{
    if (counting->guard == 0)
        return;
    ssize_t unused = write(counting->lifeline, "", 1);
    (void)unused;
    close(counting->lifeline);
    while (waitpid(counting->guard, NULL, 0) < 0 && errno == EINTR)
        continue;
    counting->guard = 0;
}

/* A new guard knows what is ours now, and takes the place of the one before it. */
static int renew_guard(struct counting *counting)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        if (counting->guard != 0)
            close(counting->lifeline);
        guard(counting, ends[0]);
    }
    close(ends[0]);
    if (pid < 0) {
        close(ends[1]);
        return -EAGAIN;
    }
    dismiss_guard(counting);
    counting->guard = pid;
    counting->lifeline = ends[1];
    return 0;
}

/* ---- changes ------------------------------------------------------------------------------- */

static int add(struct rows *ours, const struct row *row)
{
    char *name = strdup(row->name);
    if (!name || ARRAY_RESERVE(ours->list, ours->room, ours->count + 1) < 0) {
        free(name);
        return -ENOMEM;
    }
    ours->list[ours->count++] = (struct row){.pid = row->pid, .name = name};
    return 0;
}

static void drop(struct rows *ours, const struct row *row)
{
    size_t i = rows_find(ours, row->pid, row->name);
    if (i == ours->count)
        return;
    free(ours->list[i].name);
    ours->list[i] = ours->list[--ours->count];
}

/* The guard is there before anything is counted. What was given up may still begin: it stays ours.
 */
int counting_begin(struct counting *counting, const struct row *row)
{
    /* It may have been ours, and have ended with the program. */
    drop(&counting->ours, row);
    int status = add(&counting->ours, row);
    if (status == 0)
        status = renew_guard(counting);
    if (status == 0)
        status = tree_write(counting->tree, row->pid, row->name, "hits", "1\n");
    if (status < 0 && status != -ETIMEDOUT && status != -EINTR)
        drop(&counting->ours, row);
    return status;
}

int counting_end(struct counting *counting, const struct row *row)
{
    drop(&counting->ours, row);
    return tree_write(counting->tree, row->pid, row->name, "hits", "0\n");
}

void counting_done(struct counting *counting)
{
    end_all(counting);
    dismiss_guard(counting);
    rows_free(&counting->ours);
}

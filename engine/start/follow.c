/* SPDX-License-Identifier: MIT */
#include "start/follow.h"

#include "process/proc.h"
#include "process/ptrace.h"
#include "shared/array.h"
#include "start/paused.h"
#include "start/program-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct follow {
    struct launch *launch;
    pid_t *processes; /* those that are followed */
    size_t count, room;
    struct probe_error blind; /* why a program could not be looked into; "" if none was */
};

/* ---- who is followed -------------------------------------------------------------------- */

static pid_t process_of(const struct follow *follow, pid_t tid)
{
    return (pid_t)proc_status_number(follow->launch->program->engine->proc, tid, "Tgid:");
}

static bool is_followed(const struct follow *follow, pid_t pid)
{
    for (size_t i = 0; i < follow->count; i++) {
        if (follow->processes[i] == pid)
            return true;
    }
    return false;
}

/* Without memory for it, it is let go of when it next stops for us. */
static void add_process(struct follow *follow, pid_t pid)
{
    if (!is_followed(follow, pid) &&
        ARRAY_RESERVE(follow->processes, follow->room, follow->count + 1) == 0)
        follow->processes[follow->count++] = pid;
}

static void remove_process(struct follow *follow, pid_t pid)
{
    for (size_t i = 0; i < follow->count; i++) {
        if (follow->processes[i] == pid)
            follow->processes[i--] = follow->processes[--follow->count];
    }
}

/* Does PID run a setuid or setgid program, whoever runs it? */
static bool is_privileged(const struct follow *follow, pid_t pid)
{
    struct stat status;
    int fd = proc_open(follow->launch->program->engine->proc, pid, pid, "exe", O_PATH);
    bool privileged = fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & (S_ISUID | S_ISGID));
    if (fd >= 0)
        close(fd);
    return privileged;
}

/* ---- what happens ----------------------------------------------------------------------- */

static void tell_no_match(const struct follow *follow)
{
    const struct launch *launch = follow->launch;
    char shown[PROGRAM_SHOWN];
    char pattern[PROGRAM_SHOWN];
    size_t count = switching_count(&launch->switching);
    program_show(switching_pattern(&launch->switching, 0), pattern);
    engine_log(launch->program->engine, PROBE_LOG_WARNING,
               "'%s' has ended, and no program that it became had a probe that matches '%s'%s%s%s",
               program_show(launch->program->path, shown), pattern,
               count > 1 ? " or another NAME" : "", follow->blind.text[0] ? "; " : "",
               follow->blind.text);
}

/* Waits until a traced thread has something to tell, and leaves that to be told again. */
static pid_t peek_event(bool *ended)
{
    siginfo_t info = {0};
    int status = 0;
    do {
        status = waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL | __WNOTHREAD);
    } while (status < 0 && errno == EINTR);
    if (status < 0)
        return -errno;
    *ended = info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
    return info.si_pid;
}

/* A thread that PID started is its own; another process only counts behind a change of users. */
static bool is_welcome(struct follow *follow, pid_t tid)
{
    pid_t pid = process_of(follow, tid);
    if (is_followed(follow, pid))
        return true;
    if (pid < 0 || !is_privileged(follow, pid))
        return false;
    add_process(follow, pid);
    return true;
}

static void go_on(struct follow *follow, pid_t tid, const struct ptrace_event *event)
{
    if (event->grouped)
        ptrace_listen(tid);
    else if (event->paused && !is_welcome(follow, tid))
        ptrace_detach(tid, 0);
    else
        ptrace_continue(tid, event->signal);
}

/* PID stopped right after an exec. Returns whether there is nothing more to do. */
static bool take_program(struct follow *follow, pid_t pid)
{
    struct probe_error error = {.text = ""};
    enum helper_verdict verdict = HELPER_REPLACED;
    while (verdict == HELPER_REPLACED)
        verdict = helper_switch(follow->launch, pid, true, &error);
    if (verdict == HELPER_UNKNOWN)
        follow->blind = error;
    if (verdict == HELPER_GONE)
        remove_process(follow, pid);
    if (verdict == HELPER_NO_MATCH || verdict == HELPER_UNKNOWN) {
        add_process(follow, pid);
        ptrace_follow(pid, is_privileged(follow, pid));
        ptrace_continue(pid, 0);
    }
    if (verdict == HELPER_GONE && pid == follow->launch->pid) {
        tell_no_match(follow);
        return true;
    }
    return verdict == HELPER_DONE;
}

/* Serves one event. Returns whether there is nothing more to do. */
static bool serve_event(struct follow *follow)
{
    struct ptrace_event event = {0};
    bool ended = false;
    pid_t tid = peek_event(&ended);
    if (tid < 0 || (ended && tid == follow->launch->pid)) {
        tell_no_match(follow);
        return true;
    }
    if (ptrace_wait(tid, true, &event) != tid)
        return false;
    if (event.ended)
        remove_process(follow, tid);
    else if (event.exec)
        return take_program(follow, tid);
    else
        go_on(follow, tid, &event);
    return false;
}

void follow_run(struct launch *launch)
{
    struct follow follow = {.launch = launch};
    bool done = take_program(&follow, launch->pid);
    while (!done)
        done = serve_event(&follow);
    free(follow.processes);
}

/* SPDX-License-Identifier: MIT */
#include "start/helper.h"

#include "process/ptrace.h"
#include "start/follow.h"
#include "start/message.h"
#include "start/paused.h"
#include "start/program-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Lets go of what the program inherits, so that nobody waits for us to close it: all but the
 * standard error, which we may have something to say on. What we use is closed by an exec.
 */
static void let_go_of_inherited(void)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry = NULL;
    while (directory && (entry = readdir(directory))) {
        int fd = atoi(entry->d_name);
        int flags = *entry->d_name == '.' ? -1 : fcntl(fd, F_GETFD);
        if (flags >= 0 && !(flags & FD_CLOEXEC) && fd != STDERR_FILENO)
            close(fd);
    }
    if (directory)
        closedir(directory);
    int ignored = chdir("/");
    (void)ignored;
}

/* A sentence for each pattern that turned out to match nothing. */
static void tell_unmatched(const struct launch *launch, pid_t pid)
{
    const struct switching *switching = &launch->switching;
    char shown[PROGRAM_SHOWN];
    for (size_t i = 0; i < switching_count(switching); i++) {
        if (!switching->matched[i])
            engine_log(launch->program->engine, PROBE_LOG_WARNING,
                       "process %d has loaded no probe that matches '%s'", pid,
                       program_show(switching_pattern(switching, i), shown));
    }
}

/* Once the program ends, none of its files and directories may still be in use by us. */
static void let_go(struct probe_paused *paused)
{
    probe_target_close(paused->target);
    paused->target = NULL;
    close_range(0, ~0U, 0);
    int ignored = chdir("/");
    (void)ignored;
    paused_done(paused);
}

/* Ends a program that is not to run: by its own hand, so that its status is ours to choose. */
static void end_program(const struct launch *launch, struct probe_paused *paused,
                        const struct probe_error *error)
{
    engine_log(launch->program->engine, PROBE_LOG_ERROR, "the program is not started: %s",
               error->text);
    if (paused_end(paused, STATUS_NOT_STARTED) < 0)
        kill(paused->pid, SIGKILL);
}

static bool is_traced(const struct launch *launch)
{
    return launch->switching.options->trace > 0;
}

/* Switches and watches what is loaded now. */
static int switch_probes(struct launch *launch, struct probe_paused *paused,
                         struct probe_error *error)
{
    int status = switching_apply(&launch->switching, paused->target, error);
    if (status == 0 && is_traced(launch))
        status = trace_add(&launch->trace, &launch->switching, paused->target, paused_entry(paused),
                           error);
    return status;
}

static int switch_at_both(struct launch *launch, struct probe_paused *paused,
                          struct probe_error *error)
{
    int status = switch_probes(launch, paused, error);
    if (status == 0)
        status = probe_paused_run_to_entry(paused, error);
    return status == 0 ? switch_probes(launch, paused, error) : status;
}

/* The process is going to be let go, and its trace goes on. */
static int keep_trace(struct launch *launch, struct probe_paused *paused, struct probe_error *error)
{
    int status = trace_keep(&launch->trace, paused->target, error);
    if (status == 0)
        paused->target = NULL;
    return status;
}

static void print_trace(struct launch *launch)
{
    trace_print(&launch->trace, &launch->switching, launch->program->engine);
}

static enum helper_verdict find_verdict(int status, bool stopped)
{
    if (status == -ESRCH)
        return stopped ? HELPER_REPLACED : HELPER_GONE;
    return status < 0 ? HELPER_UNKNOWN : HELPER_NO_MATCH;
}

enum helper_verdict helper_switch(struct launch *launch, pid_t pid, bool follow,
                                  struct probe_error *error)
{
    struct probe_paused paused;
    int status = paused_init(&paused, launch->program->engine, pid, error);
    if (status == 0 && !follow)
        status = paused_check_program(&paused, launch->program, error);
    if (status == 0)
        status = switch_at_both(launch, &paused, error);
    if (follow && (status == -ESRCH || !switching_any(&launch->switching))) {
        probe_target_close(paused.target);
        print_trace(launch); /* what there was before its end */
        return find_verdict(status, paused.stopped);
    }
    if (status == 0 && is_traced(launch))
        status = keep_trace(launch, &paused, error);
    /* If it was killed, or a constructor called exec, there is nothing left to do. */
    if (status < 0 && status != -ESRCH)
        end_program(launch, &paused, error);
    else if (status == 0)
        tell_unmatched(launch, pid);
    if (is_traced(launch))
        paused_done(&paused);
    else
        let_go(&paused);
    return HELPER_DONE;
}

static int seize_process(const struct launch *launch, struct probe_error *error)
{
    int status = ptrace_seize(launch->tid, true);
    if (status == 0)
        return 0;
    return error_set(error, -status,
                     "process %d cannot be traced, which switching its probes on needs: %s (is "
                     "another tracer attached, or does the system forbid tracing?)",
                     launch->pid, strerror(-status));
}

void helper_run(struct launch *launch)
{
    struct message message = {.helper = getpid()};
    struct probe_error error;
    setsid();
    bool ready =
        message_send(launch->socket, &message) && message_receive(launch->socket, &message);
    if (ready) {
        message.status = seize_process(launch, &message.error);
        ready = message_send(launch->socket, &message) && message.status == 0;
    }
    if (launch->switching.options->follow || is_traced(launch))
        let_go_of_inherited();
    if (ready && paused_wait_for_exec(launch->pid) == 0) {
        if (launch->switching.options->follow)
            follow_run(launch);
        else
            helper_switch(launch, launch->pid, false, &error);
        print_trace(launch);
    }
    _exit(0);
}

/* SPDX-License-Identifier: MIT */
/*
 * How a process becomes a program whose probes are on, while nobody else sees a difference:
 *
 *     the process                      the helper
 *     starts a child, which starts
 *       the helper and exits           says who it is
 *     permits it to trace, says so     seizes the process, says how that went
 *     calls exec                       makes sure that what was read was executed,
 *       (the program)                    switches probes on, and again at the entry point
 *     runs                             lets go, and exits
 *
 * The helper is an orphan, so that the program gets no child and no signal that it does not know
 * of. It is in a session of its own, out of reach of the terminal's signals. If probes cannot be
 * switched on, the program is ended where it is held.
 *
 * If somebody kills the helper, the kernel lets go of the process. Before the exec nothing has
 * happened; after it the program runs without some or all of its probes; and if the breakpoint is
 * set at its entry point, the program ends with SIGTRAP there.
 */
#include "process/child.h"
#include "start/helper.h"
#include "start/message.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Starts the helper, as an orphan. */
static int start_helper(const struct launch *launch, int theirs)
{
    sigset_t mask;
    int reaper = 0;
    /* Otherwise a process that adopts orphans would get the helper as a child. */
    prctl(PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    pid_t child = child_start(0, &mask);
    if (child == 0) {
        struct launch copy = *launch;
        close(copy.socket);
        copy.socket = theirs;
        if (_Fork() == 0)
            helper_run(&copy);
        _exit(0);
    }
    if (child > 0)
        child_reap(child);
    prctl(PR_SET_CHILD_SUBREAPER, reaper, 0, 0, 0);
    return child < 0 ? (int)child : 0;
}

/* Has the helper trace us from here on. */
static int let_helper_trace(struct launch *launch, struct probe_error *error)
{
    struct message message;
    bool heard = message_receive(launch->socket, &message);
    if (heard) {
        launch->helper = (int)syscall(SYS_pidfd_open, message.helper, 0);
        /* Yama demands it. The kernel forgets it when the helper ends. */
        prctl(PR_SET_PTRACER, (unsigned long)message.helper, 0, 0, 0);
        heard = message_send(launch->socket, &message) && message_receive(launch->socket, &message);
    }
    if (!heard)
        return error_set(error, EAGAIN,
                         "cannot start the helper process that switches the probes on");
    if (message.status < 0 && error)
        *error = message.error;
    return message.status;
}

/* Ends the helper, and with it the tracing. */
static void dismiss_helper(const struct launch *launch)
{
    struct pollfd end = {.fd = launch->helper, .events = POLLIN};
    if (launch->helper < 0)
        return;
    syscall(SYS_pidfd_send_signal, launch->helper, SIGKILL, NULL, 0);
    while (poll(&end, 1, -1) < 0 && errno == EINTR)
        continue;
    close(launch->helper);
}

/* Calls exec while a helper traces us; returns only if that fails. */
static int exec_with_helper(struct launch *launch, const struct program_call *call,
                            struct probe_error *error)
{
    int sockets[2];
    int status = message_open(sockets, error);
    if (status < 0)
        return status;
    launch->socket = sockets[0];
    launch->helper = -1;
    status = start_helper(launch, sockets[1]);
    close(sockets[1]);
    if (status < 0)
        error_set(error, -status, "cannot start the helper process that switches the probes on: %s",
                  strerror(-status));
    else
        status = let_helper_trace(launch, error);
    if (status == 0)
        status = program_call_failed(call, program_call(call), error);
    dismiss_helper(launch);
    close(sockets[0]);
    return status;
}

/* Is there anything to switch? Otherwise a plain exec will do. */
static bool any_matches(const struct probe_program *program, const struct switching *switching)
{
    for (size_t i = 0; i < switching_count(switching); i++) {
        if (probe_program_match(program, switching_pattern(switching, i), NULL) > 0)
            return true;
    }
    return false;
}

static int exec_plainly(const struct program_call *call, struct probe_error *error)
{
    return program_call_failed(call, program_call(call), error);
}

int probe_launch_exec_with(const struct probe_program *program, char *const *arguments,
                           char *const *environment, const struct probe_launch_options *options,
                           struct probe_error *error)
{
    struct program_call call;
    enum probe_watch_way way = PROBE_WATCH_MULTI;
    struct launch launch = {.program = program, .pid = getpid(), .tid = gettid()};
    int status = program_call_init(program, arguments, environment, &call, error);
    if (status < 0)
        return status;
    launch.trace.fd = options->trace;
    status = options->trace > 0 ? probe_watch_find_way(program->engine, &way, error) : 0;
    if (status < 0) {
        free(call.shell);
        return status;
    }
    status = switching_init(&launch.switching, options);
    if (status < 0)
        error_memory(error);
    else if (options->follow || options->trace > 0 || any_matches(program, &launch.switching))
        status = exec_with_helper(&launch, &call, error);
    else
        status = exec_plainly(&call, error);
    switching_done(&launch.switching);
    free(call.shell);
    return status;
}

int probe_launch_exec(const struct probe_program *program, char *const *arguments,
                      char *const *environment, const char *const *patterns, size_t count,
                      struct probe_error *error)
{
    const struct probe_launch_options options = {.on = patterns, .on_count = count};
    return probe_launch_exec_with(program, arguments, environment, &options, error);
}

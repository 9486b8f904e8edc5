/* SPDX-License-Identifier: MIT */
/* How a child is started that is held before its first instruction, for the library's clients. */
#include "process/ptrace.h"
#include "process/child.h"
#include "start/message.h"
#include "start/paused.h"
#include "start/program.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the child: waits until it is traced, then becomes the program. */
static void become_program(const struct program_call *call, int socket, const sigset_t *mask)
{
    struct message message = {0};
    if (message_receive(socket, &message)) {
        child_restore_signals(mask);
        message.status = program_call(call);
        message_send(socket, &message);
    }
    _exit(127);
}

/* Traces the child and lets it call exec. On failure the child has ended. */
static int trace_child(pid_t child, int socket, const struct program_call *call,
                       struct probe_error *error)
{
    struct message message = {0};
    int status = ptrace_seize(child, true);
    if (status < 0) {
        kill(child, SIGKILL);
        child_reap(child);
        return error_set(error, -status, "process %d cannot be traced: %s", child,
                         strerror(-status));
    }
    if (message_send(socket, &message) && paused_wait_for_exec(child) == 0)
        return 0;
    /* The child said why it ended, unless it was killed. */
    status = message_receive(socket, &message) ? message.status : -ESRCH;
    return program_call_failed(call, status, error);
}

static int start_child(const struct program_call *call, pid_t *result, struct probe_error *error)
{
    int sockets[2];
    sigset_t mask;
    int status = message_open(sockets, error);
    if (status < 0)
        return status;
    pid_t child = child_start(SIGCHLD, &mask);
    if (child == 0) {
        close(sockets[0]); /* or the child would not notice that we end */
        become_program(call, sockets[1], &mask);
    }
    close(sockets[1]);
    status = child < 0 ? error_set(error, -child, "cannot start a process: %s", strerror(-child))
                       : trace_child(child, sockets[0], call, error);
    close(sockets[0]);
    *result = child;
    return status;
}

int probe_paused_start(const struct probe_program *program, char *const *arguments,
                       char *const *environment, struct probe_paused **result,
                       struct probe_error *error)
{
    struct program_call call;
    pid_t child = 0;
    struct probe_paused *paused = calloc(1, sizeof(*paused));
    if (!paused)
        return error_memory(error);
    int status = program_call_init(program, arguments, environment, &call, error);
    if (status == 0) {
        status = start_child(&call, &child, error);
        free(call.shell);
    }
    if (status == 0) {
        status = paused_init(paused, program->engine, child, error);
        if (status == 0)
            status = paused_check_program(paused, program, error);
        if (status < 0) {
            kill(child, SIGKILL);
            child_reap(child);
            paused->stopped = false;
        }
    }
    if (status < 0)
        probe_paused_release(paused);
    else
        *result = paused;
    return status;
}

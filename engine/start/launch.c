/* SPDX-License-Identifier: MIT */
/*
 * How a process becomes a program whose probes are on, while nobody else sees a difference:
 *
 *     the process                      the helper
 *     starts a child, which starts
 *       the helper and exits           says who it is
 *     permits it to trace, says so     seizes the process, says how that went
 *     calls exec                       switches probes on after the exec,
 *       (the program)                    and again at the entry point
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
#include "start/child.h"
#include "start/paused.h"
#include "start/program.h"
#include "process/ptrace.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The exit status of a program whose probes could not be switched on. */
enum { STATUS_NOT_STARTED = 126 };

/* What process and helper tell each other. */
struct message {
    pid_t helper; /* in the first one: who it is */
    int status;
    struct probe_error error;
};

static bool message_receive(int from, void *message, size_t length)
{
    ssize_t got = -1;
    do {
        got = recv(from, message, length, 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)length;
}

static bool message_send(int to, const void *message, size_t length)
{
    return send(to, message, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static int make_sockets(int sockets[2], struct probe_error *error)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return error_set(error, errno, "cannot make a pair of sockets: %s", strerror(errno));
    return 0;
}

/* ---- in the helper ---------------------------------------------------------------------- */

struct launch {
    struct probe_engine *engine;
    const char *const *patterns;
    size_t count;
    pid_t pid;  /* the process that becomes the program */
    pid_t tid;  /* its thread that calls exec */
    int socket; /* to the other side */
    int helper; /* in the process: a pidfd of the helper */
};

struct switching {
    const struct launch *launch;
    struct probe_target *target;
};

/*
 * A probe_attempt: switches on what is there by now. A pattern may mean a library that is not
 * loaded yet.
 */
static int switch_on_known(void *data, struct probe_error *error)
{
    const struct switching *switching = data;
    const struct launch *launch = switching->launch;
    struct probe_target *target = switching->target;
    struct probe_update *update = NULL;
    ssize_t matched = 0;
    int status = probe_update_new(target, &update);
    if (status < 0)
        return error_memory(error);
    for (size_t i = 0; i < launch->count && status == 0; i++) {
        ssize_t found =
            probe_update_add_pattern(update, launch->patterns[i], PROBE_SWITCH_ON, 0, error);
        if (found < 0 && found != -ENOENT)
            status = (int)found;
        matched += found > 0 ? found : 0;
    }
    if (status == 0 && matched > 0)
        status = probe_update_apply(update, error);
    probe_update_free(update);
    return status;
}

/* A thread that a constructor started may load more libraries at the same time. */
static int switch_on(const struct launch *launch, struct probe_target *target,
                     struct probe_error *error)
{
    struct switching switching = {launch, target};
    int status = probe_target_look(target, error);
    return status < 0 ? status : probe_target_settle(target, switch_on_known, &switching, error);
}

/* The helper's work, on a process that stopped right after its exec. */
static void switch_on_at_start(const struct launch *launch)
{
    struct probe_paused paused;
    struct probe_error error;
    int status = paused_init(&paused, launch->engine, launch->pid, &error);
    if (status == 0)
        status = switch_on(launch, paused.target, &error);
    if (status == 0)
        status = probe_paused_run_to_entry(&paused, &error);
    if (status == 0)
        status = switch_on(launch, paused.target, &error);
    /* If it was killed, or a constructor called exec, there is nothing left to do. */
    if (status < 0 && status != -ESRCH && paused_end(&paused, STATUS_NOT_STARTED) == 0)
        engine_log(launch->engine, PROBE_LOG_ERROR, "the program is not started: %s", error.text);
    /* Once the program ends, none of its files and directories may still be in use by us. */
    probe_target_close(paused.target);
    paused.target = NULL;
    close_range(0, ~0U, 0);
    int ignored = chdir("/");
    (void)ignored;
    paused_done(&paused);
}

static int helper_seize(const struct launch *launch, struct probe_error *error)
{
    int status = ptrace_seize(launch->tid, true);
    if (status == 0)
        return 0;
    return error_set(error, -status,
                     "process %d cannot be traced, which switching its probes on needs: %s (is "
                     "another tracer attached, or does the system forbid tracing?)",
                     launch->pid, strerror(-status));
}

static void helper_run(const struct launch *launch)
{
    struct message message = {.helper = getpid()};
    setsid();
    bool ready = message_send(launch->socket, &message, sizeof(message)) &&
                 message_receive(launch->socket, &message, sizeof(message));
    if (ready) {
        message.status = helper_seize(launch, &message.error);
        ready = message_send(launch->socket, &message, sizeof(message)) && message.status == 0;
    }
    if (ready && paused_wait_for_exec(launch->pid) == 0)
        switch_on_at_start(launch);
    _exit(0);
}

/* ---- in the process --------------------------------------------------------------------- */

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
    bool heard = message_receive(launch->socket, &message, sizeof(message));
    if (heard) {
        launch->helper = (int)syscall(SYS_pidfd_open, message.helper, 0);
        /* Yama demands it. The kernel forgets it when the helper ends. */
        prctl(PR_SET_PTRACER, (unsigned long)message.helper, 0, 0, 0);
        heard = message_send(launch->socket, &message, sizeof(message)) &&
                message_receive(launch->socket, &message, sizeof(message));
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
    int status = make_sockets(sockets, error);
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
    if (status == 0) {
        status = program_call(call);
        error_set(error, -status, "cannot run '%s': %s", call->path, strerror(-status));
    }
    dismiss_helper(launch);
    close(sockets[0]);
    return status;
}

/* Is there anything to switch on? Otherwise a plain exec will do. */
static bool any_matches(const struct probe_program *program, const char *const *patterns,
                        size_t count)
{
    if (program->partial)
        return count > 0;
    for (size_t i = 0; i < count; i++) {
        if (probe_program_match(program, patterns[i], NULL) > 0)
            return true;
    }
    return false;
}

int probe_launch_exec(const struct probe_program *program, char *const *arguments,
                      char *const *environment, const char *const *patterns, size_t count,
                      struct probe_error *error)
{
    struct program_call call;
    struct launch launch = {
        .engine = program->engine,
        .patterns = patterns,
        .count = count,
        .pid = getpid(),
        .tid = gettid(),
    };
    int status = program_call_init(program, arguments, environment, &call, error);
    if (status < 0)
        return status;
    if (any_matches(program, patterns, count)) {
        status = exec_with_helper(&launch, &call, error);
    } else {
        status = program_call(&call);
        error_set(error, -status, "cannot run '%s': %s", call.path, strerror(-status));
    }
    free(call.shell);
    return status;
}

/* ---- a child that is paused ------------------------------------------------------------- */

/* In the child: waits until it is traced, then becomes the program. */
static void become_program(const struct program_call *call, int socket, const sigset_t *mask)
{
    struct message message = {0};
    if (message_receive(socket, &message, sizeof(message))) {
        child_restore_signals(mask);
        message.status = program_call(call);
        message_send(socket, &message, sizeof(message));
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
    if (message_send(socket, &message, sizeof(message)) && paused_wait_for_exec(child) == 0)
        return 0;
    /* The child said why it ended, unless it was killed. */
    status = message_receive(socket, &message, sizeof(message)) ? message.status : -ESRCH;
    return error_set(error, -status, "cannot run '%s': %s", call->path, strerror(-status));
}

static int start_child(const struct program_call *call, pid_t *result, struct probe_error *error)
{
    int sockets[2];
    sigset_t mask;
    int status = make_sockets(sockets, error);
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

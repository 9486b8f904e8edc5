/* SPDX-License-Identifier: MIT */
/*
 * probefs: parses the options, mounts, tells its parent that the mount answers, serves until it is
 * unmounted or told to end. As a worker it is another program: see worker.h.
 */
#include "common/file-limit.h"
#include "common/heap.h"
#include "fuse/loop.h"
#include "fuse/mount.h"
#include "fuse/streams.h"
#include "options.h"
#include "server/guard.h"
#include "server/guard-message.h"
#include "server/hold-takeover.h"
#include "server/lent-find.h"
#include "workers/attacher.h"
#include "workers/worker.h"
#include "shared/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Of PROBEFS_PATIENCE. */
enum { PATIENCE_MAX = 60 };

/* ---- the background --------------------------------------------------------------------- */

/*
 * Goes to the background; the parent stays until the child says over READY that the mount answers,
 * and ends with its status. Returns the child's end in the child.
 */
static int go_to_background(int *ready)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t child = fork();
    if (child < 0)
        return -errno;
    if (child > 0) {
        char byte = 0;
        close(ends[1]);
        /* Without the byte, the child has ended, and said why. */
        _exit(read(ends[0], &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ends[0]);
    setsid();
    *ready = ends[1];
    return 0;
}

/* Nobody waits at the terminal any more. */
static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    if (null > STDERR_FILENO)
        close(null);
}

/* What is to be done when the kernel has asked its first question. */
struct ready {
    int fd; /* -1 in the foreground */
};

static void tell_ready(void *data)
{
    struct ready *ready = data;
    if (ready->fd < 0)
        return;
    leave_terminal();
    if (write(ready->fd, "", 1) < 0)
        log_message(PROBE_LOG_WARNING, "nobody waits for the mount");
    close(ready->fd);
    ready->fd = -1;
}

/* ---- serving ----------------------------------------------------------------------------- */

static int mount_and_serve(struct fuse_args *args, const struct options *options,
                           struct server *server)
{
    struct fuse_session *session =
        mount_session(args, options->source, options->mountpoint, server);
    if (!session)
        return -EIO;
    /* Workers are reaped by the kernel; so it must not be before fusermount3 was waited for. */
    signal(SIGCHLD, SIG_IGN);
    int status = streams_new(server, &server->streams);
    if (status == 0)
        status = loop_serve(server);
    atomic_store(&server->ending, true);
    if (server->streams)
        streams_end(server->streams);
    fuse_session_unmount(session);
    if (status == -ETIMEDOUT) {
        log_message(PROBE_LOG_WARNING, "unmounted, while a request still hangs in its target");
        _exit(EXIT_FAILURE);
    }
    fuse_session_destroy(session);
    return status;
}

/* ---- the whole -------------------------------------------------------------------------- */

/*
 * How long a request waits for its worker: a second, as probefs(8) says. Tests on a busy machine
 * make it some times that, so as to tell slowness from failure.
 */
static int64_t answer_time(void)
{
    const char *text = getenv("PROBEFS_PATIENCE");
    long times = text ? strtol(text, NULL, 10) : 1;
    return (times >= 1 && times <= PATIENCE_MAX ? times : 1) * CLOCK_SECOND;
}

static int new_router(struct server *server, const struct options *options)
{
    const struct workers_options workers = {
        .log_level = options->log_level,
        .to_syslog = !options->foreground,
        .service = {.method = options->method,
                    .allow_gigatext = options->allow_gigatext,
                    .all = options->all,
                    .waiting = server->waiting},
        .answer_time = answer_time(),
        .ended = takeover_look_after,
        .ended_data = server,
    };
    int status = guard_new(&workers, &server->guard);
    if (status == 0)
        status = grants_new(&workers, &server->grants);
    return status < 0 ? status : router_new(&workers, &server->router);
}

static int run(struct fuse_args *args, const struct options *options)
{
    struct ready ready = {.fd = -1};
    struct server server = {
        .has_group = options->has_group,
        .group = options->group,
        .trace = options->trace,
        .max_read = options->max_read,
        .answer_time = answer_time(),
        .uid = geteuid(),
        .gid = getegid(),
        .closing_lock = PTHREAD_MUTEX_INITIALIZER,
        .waits.lock = PTHREAD_MUTEX_INITIALIZER,
        .mounted = tell_ready,
        .mounted_data = &ready,
    };
    int status = options->foreground ? 0 : go_to_background(&ready.fd);
    if (status < 0)
        return status;
    log_open("probefs", options->log_level, !options->foreground);
    if (chdir("/") < 0)
        return -errno;
    raise_file_limit();
    clock_gettime(CLOCK_REALTIME, &server.started);
    if (options->trace == TRACE_NO)
        tree_leave_out_watching();
    status = loop_block_signals();
    if (status == 0)
        status = budgets_init(&server.budgets, server.uid);
    server.budgets.limits = options->user_limits;
    if (status == 0)
        status = inodes_init(&server.inodes);
    if (status == 0)
        status = waiting_new(&server.waiting);
    if (status == 0)
        status = new_router(&server, options);
    if (status == 0) {
        status = mount_and_serve(args, options, &server);
        if (!lent_finds_end())
            _exit(EXIT_FAILURE);
        router_free(server.router);
        /* Files that are still open refer to what would be freed below, and end with the process.
         */
        if (inodes_are_open(&server.inodes))
            _exit(status == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    guard_free(server.guard);
    streams_free(server.streams);
    grants_free(server.grants);
    waiting_free(server.waiting);
    inodes_done(&server.inodes);
    budgets_done(&server.budgets);
    return status;
}

/* What is older lacks CAP_CHECKPOINT_RESTORE, and pidfds that can be waited for. */
static bool kernel_is_new_enough(void)
{
    struct utsname system;
    unsigned int major = 0;
    unsigned int minor = 0;
    if (uname(&system) < 0 || sscanf(system.release, "%u.%u", &major, &minor) != 2 || major > 5 ||
        (major == 5 && minor >= 10))
        return true;
    fprintf(stderr, "probefs: Linux 5.10 or later is needed, and this is %s\n", system.release);
    return false;
}

static int main_of_server(int argc, char **argv)
{
    struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
    struct options options;
    int status = options_parse(&args, &options);
    if (status == 0 && options.help) {
        options_print_help();
    } else if (status == 0 && options.version) {
        printf("probefs %s\n", PROBEFS_VERSION);
    } else if (status == 0) {
        status = kernel_is_new_enough() ? run(&args, &options) : -EIO;
        if (status < 0 && status != -EIO)
            fprintf(stderr, "probefs: %s\n", strerror(-status));
    }
    options_done(&options);
    fuse_opt_free_args(&args);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Made to run with more than its caller's rights, it would lend them to the caller. */
static bool is_privileged_by_file(void)
{
    return getauxval(AT_SECURE) != 0;
}

int main(int argc, char **argv)
{
    if (is_privileged_by_file()) {
        fputs("probefs: it must not be setuid or setgid, nor have capabilities of its own: take "
              "them away (chmod ug-s, setcap -r)\n",
              stderr);
        return EXIT_FAILURE;
    }
    heap_init();
    if (argc > 0 && strcmp(basename(argv[0]), WORKER_NAME) == 0)
        return worker_main(argc, argv);
    if (argc > 0 && strcmp(basename(argv[0]), GUARDIAN_NAME) == 0)
        return guardian_main(argc, argv, answer_time());
    if (argc > 0 && strcmp(basename(argv[0]), ATTACHER_NAME) == 0)
        return attacher_main(argc, argv);
    return main_of_server(argc, argv);
}

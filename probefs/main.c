/* SPDX-License-Identifier: MIT */
/*
 * probefs: parses the options, mounts, tells its parent that the mount answers, serves until it is
 * unmounted or told to end. As a worker it is another program: see worker.h.
 */
#include "loop.h"
#include "orphans.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* ---- mounting --------------------------------------------------------------------------- */

/* A server that was killed leaves a mount that answers ENOTCONN: it makes room for the new one. */
static int clear_corpse(const char *mountpoint)
{
    struct statx status;
    /* The kernel may still know what the server had said of its root: ask for the truth. */
    if (statx(AT_FDCWD, mountpoint, AT_STATX_FORCE_SYNC, STATX_TYPE, &status) == 0 ||
        errno != ENOTCONN)
        return 0;
    if (umount2(mountpoint, MNT_DETACH) == 0)
        return 0;
    if (errno != EPERM)
        return -errno;
    /* An ordinary user's mount is taken down by FUSE's own setuid program. */
    pid_t child = fork();
    if (child == 0) {
        execlp("fusermount3", "fusermount3", "-u", "-z", mountpoint, (char *)NULL);
        _exit(127);
    }
    int result = 0;
    if (child < 0 || waitpid(child, &result, 0) < 0 || result != 0)
        return -EPERM;
    return 0;
}

static bool is_our_mount(const char *mountpoint)
{
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    bool found = false;
    if (!mounts)
        return false;
    for (const struct mntent *entry; !found && (entry = getmntent(mounts));)
        found =
            strcmp(entry->mnt_dir, mountpoint) == 0 && strcmp(entry->mnt_type, "fuse.probefs") == 0;
    endmntent(mounts);
    return found;
}

/* Is there a directory to mount at, and no mount of ours at it already? Says so, if not. */
static int check_mountpoint(const char *mountpoint)
{
    struct stat status;
    if (stat(mountpoint, &status) < 0) {
        fprintf(stderr, "probefs: cannot mount at '%s': %s\n", mountpoint, strerror(errno));
        return -EIO;
    }
    if (!S_ISDIR(status.st_mode)) {
        fprintf(stderr, "probefs: cannot mount at '%s': it is no directory\n", mountpoint);
        return -EIO;
    }
    if (is_our_mount(mountpoint)) {
        fprintf(stderr, "probefs: '%s' is a probefs mount already\n", mountpoint);
        return -EIO;
    }
    return 0;
}

/*
 * What the kernel is to know of every mount of ours, whatever was asked for: it checks the modes,
 * for all users; and there is nothing to be run, no device. `mount -a` knows a mount by its source.
 */
static int add_mount_options(struct fuse_args *args, const char *source)
{
    char *name = NULL;
    char *options = NULL;
    if (asprintf(&name, "fsname=%s", source) < 0)
        return -ENOMEM;
    int status = fuse_opt_add_opt_escaped(&options, name);
    if (status == 0)
        status = fuse_opt_add_opt(&options, "subtype=probefs,default_permissions,nosuid,nodev");
    if (status == 0 && geteuid() == 0)
        status = fuse_opt_add_opt(&options, "allow_other");
    if (status == 0)
        status = fuse_opt_add_arg(args, "-o");
    if (status == 0)
        status = fuse_opt_add_arg(args, options);
    free(options);
    free(name);
    return status < 0 ? -ENOMEM : 0;
}

static struct fuse_session *mount_session(struct fuse_args *args, struct server *server)
{
    const char *mountpoint = server->options->mountpoint;
    int status = clear_corpse(mountpoint);
    if (status < 0) {
        fprintf(stderr, "probefs: cannot clear the dead mount at '%s': %s\n", mountpoint,
                strerror(-status));
        return NULL;
    }
    if (check_mountpoint(mountpoint) < 0)
        return NULL;
    struct fuse_session *session =
        fuse_session_new(args, &server_operations, sizeof(server_operations), server);
    if (!session)
        return NULL;
    if (fuse_session_mount(session, mountpoint) < 0) {
        fuse_session_destroy(session);
        return NULL;
    }
    server->session = session;
    return session;
}

static int mount_and_serve(struct fuse_args *args, struct server *server)
{
    struct fuse_session *session = mount_session(args, server);
    if (!session)
        return -EIO;
    /* Workers are reaped by the kernel; so it must not be before fusermount3 was waited for. */
    signal(SIGCHLD, SIG_IGN);
    int status = loop_serve(server);
    atomic_store(&server->ending, true);
    fuse_session_unmount(session);
    if (status == -ETIMEDOUT) {
        log_message(PROBE_LOG_WARNING, "unmounted, while a request still hangs in its target");
        _exit(EXIT_FAILURE);
    }
    fuse_session_destroy(session);
    return status;
}

/* ---- the whole -------------------------------------------------------------------------- */

/* Every open handle and every target takes descriptors. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int new_router(struct server *server)
{
    const struct options *options = server->options;
    const struct workers_options workers = {
        .log_level = options->log_level,
        .to_syslog = !options->foreground,
        .service = {.method = options->method,
                    .allow_gigatext = options->allow_gigatext,
                    .waiting = server->waiting},
        .ended = orphans_look_after,
        .ended_data = server,
    };
    return router_new(&workers, &server->router);
}

static int run(struct fuse_args *args, const struct options *options)
{
    struct ready ready = {.fd = -1};
    struct server server = {
        .options = options,
        .uid = geteuid(),
        .gid = getegid(),
        .closing_lock = PTHREAD_MUTEX_INITIALIZER,
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
    status = loop_block_signals();
    if (status == 0)
        status = inodes_init(&server.inodes);
    if (status == 0)
        status = waiting_new(&server.waiting);
    if (status == 0)
        status = new_router(&server);
    if (status == 0) {
        status = mount_and_serve(args, &server);
        router_free(server.router);
        /* Files that are still open refer to what would be freed below, and end with the process.
         */
        if (inodes_are_open(&server.inodes))
            _exit(status == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    waiting_free(server.waiting);
    inodes_done(&server.inodes);
    return status;
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
        status = add_mount_options(&args, options.source);
        if (status == 0)
            status = run(&args, &options);
        if (status < 0 && status != -EIO)
            fprintf(stderr, "probefs: %s\n", strerror(-status));
    }
    options_done(&options);
    fuse_opt_free_args(&args);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc > 0 && strcmp(basename(argv[0]), WORKER_NAME) == 0)
        return worker_main(argc, argv);
    return main_of_server(argc, argv);
}

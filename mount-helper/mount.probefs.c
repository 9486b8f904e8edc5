/* SPDX-License-Identifier: MIT */
/*
 * mount.probefs: mount(8) runs it for `mount -t probefs`, for lines of fstab(5) and for systemd's
 * mount units. It starts the server with the server's options, waits until the mount answers, and
 * ends with an exit status of mount(8).
 *
 * It is not setuid and needs no privileges; the server does, and gets the caller's. It drops its
 * own while it waits, and passes on only descriptors 0 to 2: the server lives long, and would keep
 * the caller's pipes and locks open.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The exit statuses of mount(8). */
enum { STATUS_USAGE = 1, STATUS_SYSTEM = 2, STATUS_FAILED = 32 };

struct arguments {
    const char *source, *mountpoint;
    const char *options;
    bool sloppy, fake, verbose, help, version;
};

static const char help[] = "usage: mount.probefs SOURCE MOUNTPOINT [-fnsv] [-o OPTIONS]\n"
                           "\n"
                           "mount(8) runs it: mount -t probefs probefs MOUNTPOINT -o OPTIONS\n"
                           "\n"
                           "  -f            check the mountpoint, but do not mount\n"
                           "  -n            no effect: mtab is never written\n"
                           "  -s            ignore unknown options instead of failing\n"
                           "  -v            show how the server is started\n"
                           "  -o OPTIONS    options of probefs(8) and of FUSE, and generic ones\n"
                           "  -h, -V        show this help, or the version\n";

static int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int complain(int status, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fprintf(stderr, "mount.probefs: ");
    vfprintf(stderr, format, values);
    fprintf(stderr, "\n");
    va_end(values);
    return status;
}

/* ---- the command line ------------------------------------------------------------------- */

/*
 * mount(8) makes a path of a SOURCE that happens to name a file in the current directory. Here it
 * is a mere word, by which `mount -a` recognizes the mount: undoes that.
 */
static const char *source_as_written(const char *source)
{
    char *directory = getcwd(NULL, 0);
    size_t length = directory ? strlen(directory) : 0;
    bool made_a_path = length > 1 && strncmp(source, directory, length) == 0 &&
                       source[length] == '/' && source[length + 1] &&
                       !strchr(source + length + 1, '/');
    free(directory);
    return made_a_path ? source + length + 1 : source;
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
    int option = 0;
    while ((option = getopt(argc, argv, "fnsvo:t:N:hV")) != -1) {
        switch (option) {
        case 'f':
            arguments->fake = true;
            break;
        case 'n': /* we never write mtab */
        case 't': /* probefs, or fuse.probefs */
            break;
        case 's':
            arguments->sloppy = true;
            break;
        case 'v':
            arguments->verbose = true;
            break;
        case 'o':
            arguments->options = optarg;
            break;
        case 'N':
            return complain(STATUS_USAGE,
                            "cannot mount into the namespace '%s' from outside: the server must "
                            "run in it; use nsenter(1)",
                            optarg);
        case 'h':
            arguments->help = true;
            return 0;
        case 'V':
            arguments->version = true;
            return 0;
        default:
            return STATUS_USAGE; /* getopt has said why */
        }
    }
    if (argc - optind != 2)
        return complain(STATUS_USAGE, "give a source and a mountpoint: see mount.probefs -h");
    arguments->source = source_as_written(argv[optind]);
    arguments->mountpoint = argv[optind + 1];
    return 0;
}

/* ---- checks ----------------------------------------------------------------------------- */

/* Says what the server would say: `mount -f` does not start it. */
static int check_mountpoint(const char *mountpoint)
{
    struct stat status;
    int errnum = stat(mountpoint, &status) < 0 ? errno : S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
    /* ENOTCONN: a dead server's mount, which the next server clears. */
    if (errnum == 0 || errnum == ENOTCONN)
        return 0;
    return complain(STATUS_FAILED, "cannot mount at '%s': %s", mountpoint, strerror(errnum));
}

/* ---- the server ------------------------------------------------------------------------- */

static void show_command(char *const *argv)
{
    printf("mount.probefs: ");
    for (; *argv; argv++)
        printf("%s%s", *argv, argv[1] ? " " : "\n");
    fflush(stdout);
}

/* Starts the server that was installed with this program, or else the one in PATH. */
static int start_server(char *const *argv, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    int status = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (status == 0)
        status = posix_spawn(pid, PROBEFS_PROGRAM, &actions, NULL, argv, environ);
    if (status == ENOENT)
        status = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -status;
}

/* From here on, we only wait. */
static void drop_privileges(void)
{
    cap_t none = cap_init();
    if (none)
        cap_set_proc(none);
    cap_free(none);
}

/* The server goes to the background when its mount answers; if it fails, it has said why. */
static int wait_for_server(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return complain(STATUS_SYSTEM, "cannot wait for probefs: %s", strerror(errno));
    }
    if (WIFSIGNALED(status))
        return complain(STATUS_FAILED, "a signal killed probefs: %s", strsignal(WTERMSIG(status)));
    return WEXITSTATUS(status) == EXIT_SUCCESS ? 0 : STATUS_FAILED;
}

static int mount_with(const struct arguments *arguments, char *options)
{
    char *argv[] = {"probefs",
                    (char *)arguments->source,
                    (char *)arguments->mountpoint,
                    *options ? "-o" : NULL,
                    options,
                    NULL};
    pid_t pid = 0;
    if (arguments->verbose)
        show_command(argv);
    if (arguments->fake)
        return check_mountpoint(arguments->mountpoint);
    int status = start_server(argv, &pid);
    if (status < 0)
        return complain(STATUS_SYSTEM, "cannot start %s: %s", PROBEFS_PROGRAM, strerror(-status));
    drop_privileges();
    return wait_for_server(pid);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.source = "", .mountpoint = "", .options = ""};
    int status = parse(argc, argv, &arguments);
    if (status != 0)
        return status;
    if (arguments.help || arguments.version) {
        printf("%s", arguments.help ? help : "mount.probefs " PROBEFS_VERSION "\n");
        return 0;
    }
    if (options_have(arguments.options, "remount"))
        return complain(STATUS_FAILED,
                        "the options of a mount cannot be changed: unmount '%s', and mount again; "
                        "probes that are on stay on",
                        arguments.mountpoint);
    char *options = options_for_server(arguments.options, arguments.sloppy);
    if (!options)
        return complain(STATUS_SYSTEM, "out of memory");
    status = mount_with(&arguments, options);
    free(options);
    return status;
}

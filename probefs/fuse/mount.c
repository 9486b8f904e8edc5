/* SPDX-License-Identifier: MIT */
#include "fuse/mount.h"

#include "fuse/operations.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

struct fuse_session *mount_session(struct fuse_args *args, const char *source,
                                   const char *mountpoint, struct server *server)
{
    int status = add_mount_options(args, source);
    if (status < 0) {
        fprintf(stderr, "probefs: %s\n", strerror(-status));
        return NULL;
    }
    status = clear_corpse(mountpoint);
    if (status < 0) {
        fprintf(stderr, "probefs: cannot clear the dead mount at '%s': %s\n", mountpoint,
                strerror(-status));
        return NULL;
    }
    if (check_mountpoint(mountpoint) < 0)
        return NULL;
    struct fuse_session *session = fuse_session_new(args, &operations, sizeof(operations), server);
    if (!session)
        return NULL;
    if (fuse_session_mount(session, mountpoint) < 0) {
        fuse_session_destroy(session);
        return NULL;
    }
    server->session = session;
    return session;
}

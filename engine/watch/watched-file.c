/* SPDX-License-Identifier: MIT */
#include "watch/watched-file.h"

#include "process/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* A namespace of users has this number where it is the first one. */
enum { INITIAL_USER_NAMESPACE = (int)0xeffffffdU };

/* Is MOUNT among the mounts that PID sees? */
static bool has_mount(const struct probe_engine *engine, pid_t pid, uint64_t mount)
{
    char *text = NULL;
    bool found = false;
    int fd = proc_open(engine->proc, pid, pid, "mountinfo", O_RDONLY);
    if (fd < 0)
        return false;
    if (proc_read_all(fd, &text) >= 0) {
        char *next = text;
        for (char *line = NULL; !found && (line = strsep(&next, "\n"));)
            found = strtoull(line, NULL, 10) == mount;
        free(text);
    }
    close(fd);
    return found;
}

/* Have its mounts been made by the system's administrator, and not by one of a container? */
static bool has_trusted_mounts(const struct probe_engine *engine, pid_t pid)
{
    struct stat status;
    int mounts = proc_open(engine->proc, pid, pid, "ns/mnt", O_RDONLY);
    if (mounts < 0)
        return false;
    int users = ioctl(mounts, NS_GET_USERNS);
    close(mounts);
    if (users < 0)
        return false;
    bool trusted = fstat(users, &status) == 0 && (int)status.st_ino == INITIAL_USER_NAMESPACE;
    close(users);
    return trusted;
}

static bool is_trusted_overlay(const struct probe_engine *engine, const struct probe_image *image,
                               int fd)
{
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0 ||
        !(status.stx_mask & STATX_MNT_ID))
        return false;
    return has_mount(engine, getpid(), status.stx_mnt_id) ||
           (has_mount(engine, image->pid, status.stx_mnt_id) &&
            has_trusted_mounts(engine, image->pid));
}

int watched_file_check(const struct probe_engine *engine, const struct probe_image *image, int fd,
                       const char *path, struct probe_error *error)
{
    struct statfs status;
    if (fstatfs(fd, &status) < 0)
        return error_set(error, errno, "cannot ask for the file system of '%s': %s", path,
                         strerror(errno));
    if (status.f_type == FUSE_SUPER_MAGIC)
        return error_set(error, EOPNOTSUPP,
                         "process %d: probes in '%s' are not watched, as it is on a FUSE mount, "
                         "which could keep the kernel waiting",
                         image->pid, path);
    if (status.f_type == OVERLAYFS_SUPER_MAGIC && !is_trusted_overlay(engine, image, fd))
        return error_set(error, EOPNOTSUPP,
                         "process %d: probes in '%s' are not watched, as it is on an overlay that "
                         "a user has mounted, which could keep the kernel waiting",
                         image->pid, path);
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "watch/watched-file.h"

#include "process/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

/* A line of a mountinfo. */
struct mount_line {
    uint64_t mount;
    unsigned int major, minor; /* of the file system */
};

/* Is there a line in the mountinfo of PID that fits WANTED? It gets the line. */
static bool find_line(const struct probe_engine *engine, pid_t pid,
                      bool (*fits)(const struct mount_line *line, const struct mount_line *wanted),
                      struct mount_line *wanted)
{
    char *text = NULL;
    bool found = false;
    int fd = proc_open(engine->proc, pid, pid, "mountinfo", O_RDONLY);
    if (fd < 0)
        return false;
    if (proc_read_all(fd, &text) >= 0) {
        char *next = text;
        for (char *line = NULL; !found && (line = strsep(&next, "\n"));) {
            struct mount_line this;
            found =
                sscanf(line, "%" SCNu64 " %*d %u:%u", &this.mount, &this.major, &this.minor) == 3 &&
                fits(&this, wanted);
            if (found)
                *wanted = this;
        }
        free(text);
    }
    close(fd);
    return found;
}

static bool has_number(const struct mount_line *line, const struct mount_line *wanted)
{
    return line->mount == wanted->mount;
}

static bool has_device(const struct mount_line *line, const struct mount_line *wanted)
{
    return line->major == wanted->major && line->minor == wanted->minor;
}

/* Is it in the first namespace of users? All of its numbers are the system's then. */
static bool has_initial_users(const struct probe_engine *engine, pid_t pid)
{
    char text[64];
    uint64_t first = 0;
    uint64_t outside = 0;
    uint64_t count = 0;
    return proc_read(engine->proc, pid, pid, "uid_map", text, sizeof(text)) > 0 &&
           sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &first, &outside, &count) == 3 &&
           first == 0 && outside == 0 && count == UINT32_MAX;
}

/*
 * Have its mounts been made by the system's administrator, and not by one of a container? An
 * attacher may not look into a process: there it is what is in the first namespace of users, as
 * nobody but root can bring that among mounts of another one.
 */
static bool has_trusted_mounts(const struct probe_engine *engine, pid_t pid)
{
    struct stat status;
    int mounts = proc_open(engine->proc, pid, pid, "ns/mnt", O_RDONLY);
    if (mounts == -EACCES || mounts == -EPERM)
        return has_initial_users(engine, pid);
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
    struct mount_line line = {.mount = status.stx_mnt_id};
    if (find_line(engine, getpid(), has_number, &line))
        return true;
    if (!find_line(engine, image->pid, has_number, &line))
        return false;
    /* A container's: its engine has mounted the same where we or the first process can see it. */
    return find_line(engine, getpid(), has_device, &line) ||
           find_line(engine, 1, has_device, &line) || has_trusted_mounts(engine, image->pid);
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

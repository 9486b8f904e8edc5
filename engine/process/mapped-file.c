/* SPDX-License-Identifier: MIT */
/*
 * Finds the file behind a mapping. The path in maps may lie in another mount namespace, or lead to
 * another file by now, or to a FIFO that somebody put there; so it is tried last:
 *
 *   /proc/PID/map_files/START-END   the very file, even if deleted; needs a capability
 *   /proc/PID/exe                   the very file, if it is the program's
 *   /proc/PID/root + path           believed if it has the mapping's inode
 *
 * The map_files of an image that somebody else opened are out of reach: whoever opened it is asked
 * for the file, after everything else.
 */
#include "process/image.h"

#include "process/privilege.h"
#include "process/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* A hostile user's file may be a FIFO, a terminal, anything: opening it must have no effect. */
enum { OPEN_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };

static void map_file_name(uint64_t start, uint64_t end, char *name, size_t size)
{
    snprintf(name, size, "map_files/%" PRIx64 "-%" PRIx64, start, end);
}

static int open_map_file(const struct probe_engine *engine, const struct probe_image *image,
                         uint64_t start, uint64_t end, int flags)
{
    char name[64];
    map_file_name(start, end, name, sizeof(name));
    bool raised = privilege_raise(CAP_CHECKPOINT_RESTORE);
    int fd = proc_open(engine->proc, image->pid, image->pid, name, flags);
    privilege_lower(CAP_CHECKPOINT_RESTORE, raised);
    return fd;
}

int probe_image_open_mapped(struct probe_engine *engine, const struct probe_image *image,
                            uint64_t start, uint64_t end)
{
    int fd = open_map_file(engine, image, start, end, O_PATH | O_CLOEXEC);
    if (fd < 0 || probe_image_confirm(engine, image->pid, &image->id) == 0)
        return fd;
    close(fd);
    return -ESRCH;
}

/* Does this file system show one device in maps and another in stat? */
static bool device_is_private(int fd)
{
    struct statfs status;
    return fstatfs(fd, &status) == 0 &&
           (status.f_type == OVERLAYFS_SUPER_MAGIC || status.f_type == BTRFS_SUPER_MAGIC);
}

/* Returns FD if it is the file of MAPPING; else closes it and returns -ESTALE. */
static int keep_if_same(int fd, const struct mapping *mapping)
{
    struct stat status;
    if (fd < 0)
        return fd;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_ino == mapping->inode) {
        uint64_t device = (uint64_t)major(status.st_dev) << 32 | minor(status.st_dev);
        if (device == mapping->device || device_is_private(fd))
            return fd;
    }
    close(fd);
    return -ESTALE;
}

/* Opens what the O_PATH descriptor FD stands for, for reading. */
static int open_again(const struct probe_engine *engine, int fd)
{
    char path[32];
    snprintf(path, sizeof(path), "self/fd/%d", fd);
    int opened = openat(engine->proc, path, OPEN_FLAGS);
    return opened < 0 ? -errno : opened;
}

static int open_exe(const struct probe_engine *engine, const struct probe_image *image)
{
    if (image->own)
        return proc_open(engine->proc, image->pid, image->tid, "exe", OPEN_FLAGS);
    return open_again(engine, image->exe);
}

static int ask_for_file(const struct probe_engine *engine, const struct probe_image *image,
                        const struct mapping *mapping)
{
    const struct probe_engine_options *options = &engine->options;
    if (!options->open_mapped)
        return -ENOENT;
    int link = options->open_mapped(options->open_mapped_data, image, mapping->start, mapping->end);
    if (link < 0)
        return link;
    int fd = open_again(engine, link);
    close(link);
    return fd;
}

static int open_path(const struct probe_engine *engine, const struct probe_image *image,
                     const char *path)
{
    int root = image->own
                   ? proc_open(engine->proc, image->pid, image->tid, "root", O_PATH | O_DIRECTORY)
                   : image->root;
    if (root < 0)
        return root;
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_IN_ROOT};
    long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
    int result = fd < 0 ? -errno : (int)fd;
    if (image->own)
        close(root);
    return result;
}

int image_open_file(const struct probe_engine *engine, const struct probe_image *image,
                    const struct mapping *mapping)
{
    int fd = image->own ? open_map_file(engine, image, mapping->start, mapping->end, OPEN_FLAGS)
                        : -EPERM;
    if (fd < 0)
        fd = keep_if_same(open_exe(engine, image), mapping);
    if (fd < 0 && mapping->path[0] == '/')
        fd = keep_if_same(open_path(engine, image, mapping->path), mapping);
    if (fd < 0 && !image->own) {
        int asked = keep_if_same(ask_for_file(engine, image, mapping), mapping);
        fd = asked < 0 ? fd : asked;
    }
    return fd;
}

int image_stat_mapped(const struct probe_engine *engine, pid_t pid, const struct mapping *mapping,
                      struct stat *status)
{
    char name[64];
    char path[80];
    struct statx found;
    map_file_name(mapping->start, mapping->end, name, sizeof(name));
    snprintf(path, sizeof(path), "%d/%s", pid, name);
    if (statx(engine->proc, path, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &found) < 0)
        return -errno;
    *status = (struct stat){
        .st_dev = makedev(found.stx_dev_major, found.stx_dev_minor),
        .st_ino = found.stx_ino,
        .st_size = (off_t)found.stx_size,
        .st_mtim = {found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec},
        .st_ctim = {found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec},
    };
    return 0;
}

int image_stat_file(const struct probe_engine *engine, const struct probe_image *image,
                    const struct mapping *mapping, struct stat *status)
{
    int result = -EPERM;
    /* Once the main thread has ended, there is no map_files. */
    if (image->own && image->tid == image->pid) {
        bool raised = privilege_raise(CAP_CHECKPOINT_RESTORE);
        result = image_stat_mapped(engine, image->pid, mapping, status);
        privilege_lower(CAP_CHECKPOINT_RESTORE, raised);
    }
    if (result != -EPERM && result != -EACCES)
        return result;
    int fd = image_open_file(engine, image, mapping);
    if (fd < 0)
        return fd;
    result = fstat(fd, status) < 0 ? -errno : 0;
    close(fd);
    return result;
}

static void exe_link(const struct probe_image *image, char *link, size_t size)
{
    if (image->own)
        snprintf(link, size, "%d/task/%d/exe", image->pid, image->tid);
    else
        snprintf(link, size, "self/fd/%d", image->exe);
}

static int compare_program(const struct probe_engine *engine, const struct probe_image *image,
                           const struct stat *status)
{
    char link[64];
    struct stat program;
    exe_link(image, link, sizeof(link));
    if (fstatat(engine->proc, link, &program, 0) < 0)
        return -errno;
    return program.st_dev == status->st_dev && program.st_ino == status->st_ino ? 0 : -ESTALE;
}

bool image_is_program(const struct probe_engine *engine, const struct probe_image *image,
                      const struct stat *status)
{
    return compare_program(engine, image, status) == 0;
}

int image_runs(const struct probe_engine *engine, const struct probe_image *image, const char *path)
{
    struct stat file;
    return stat(path, &file) < 0 ? -errno : compare_program(engine, image, &file);
}

ssize_t image_exe(const struct probe_engine *engine, const struct probe_image *image, char *path,
                  size_t size)
{
    char link[64];
    exe_link(image, link, sizeof(link));
    ssize_t length = readlinkat(engine->proc, link, path, size);
    return length < 0 ? -errno : length == (ssize_t)size ? -ENAMETOOLONG : length;
}

size_t image_mapping_path(const struct probe_engine *engine, const struct probe_image *image,
                          const struct mapping *mapping, char *path, size_t size)
{
    char name[64];
    char link[96];
    if (!image->own || !strchr(mapping->path, '\\'))
        return maps_path(mapping, path, size);
    map_file_name(mapping->start, mapping->end, name, sizeof(name));
    snprintf(link, sizeof(link), "%d/%s", image->pid, name);
    ssize_t length = readlinkat(engine->proc, link, path, size - 1);
    if (length < 0)
        return maps_path(mapping, path, size);
    path[length] = '\0';
    return (size_t)length;
}

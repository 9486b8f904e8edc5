/* SPDX-License-Identifier: MIT */
/*
 * Opening an image so that its identity and all its descriptors belong together:
 *
 *   1. read the identity
 *   2. open mem and maps: the kernel checks the caller, and binds each to the current image
 *   3. refuse a process that shares its parent's memory: a vfork child before its exec is no image
 *      of its own, and its mem would go on writing to the parent
 *   4. read the identity again, and start over if it changed
 *
 * When its main thread has ended, a process has no memory under its own number, only under those of
 * its other threads: so everything goes through a live thread.
 */
#include "process/image.h"

#include "process/diagnose.h"
#include "process/proc.h"
#include "process/yama.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { TRIES = 5 };

bool probe_image_id_equal(const struct probe_image_id *a, const struct probe_image_id *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static bool has_memory(const struct proc_stat *stat)
{
    /* The start of code is 0 without memory, and 1 if the caller may not see it. */
    return stat->state != 'Z' && stat->state != 'X' && stat->layout[0] != 0;
}

/* Finds a thread of PID other than the main one that still has memory. */
static int find_live_thread(const struct probe_engine *engine, pid_t pid, pid_t *tid,
                            struct proc_stat *stat)
{
    int fd = proc_open(engine->proc, pid, pid, "task", O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    DIR *tasks = fdopendir(fd);
    if (!tasks) {
        close(fd);
        return -ENOMEM;
    }
    int result = -ENOENT;
    for (struct dirent *task; result < 0 && (task = readdir(tasks));) {
        pid_t candidate = (pid_t)strtol(task->d_name, NULL, 10);
        if (candidate <= 0 || candidate == pid ||
            proc_stat_read(engine->proc, pid, candidate, stat) < 0 || !has_memory(stat))
            continue;
        *tid = candidate;
        result = 0;
    }
    closedir(tasks);
    return result;
}

/* Reads what PID runs now; TID is the live thread it was read from. */
static int read_identity(const struct probe_engine *engine, pid_t pid, struct probe_image_id *id,
                         pid_t *tid, pid_t *parent)
{
    struct proc_stat stat;
    int status = proc_stat_read(engine->proc, pid, pid, &stat);
    if (status < 0)
        return status;
    uint64_t start_time = stat.start_time;
    *parent = stat.parent;
    *tid = pid;
    if (!has_memory(&stat)) {
        status = find_live_thread(engine, pid, tid, &stat);
        if (status < 0)
            return status;
    }
    id->start_time = start_time;
    memcpy(id->layout, stat.layout, sizeof(id->layout));
    return 0;
}

int probe_image_identify(struct probe_engine *engine, pid_t pid, struct probe_image_id *id)
{
    pid_t tid = 0;
    pid_t parent = 0;
    struct probe_image_id found;
    int status = read_identity(engine, pid, &found, &tid, &parent);
    if (status == 0)
        *id = found;
    return status;
}

/* Does PID still run the image ID? TID becomes a live thread of it. */
static int confirm(const struct probe_engine *engine, pid_t pid, const struct probe_image_id *id,
                   pid_t *tid)
{
    struct probe_image_id now;
    pid_t found = 0;
    pid_t parent = 0;
    int status = read_identity(engine, pid, &now, &found, &parent);
    if (status == -ENOENT || (status == 0 && !probe_image_id_equal(&now, id)))
        return -ESRCH;
    if (status == 0)
        *tid = found;
    return status;
}

int probe_image_confirm(const struct probe_engine *engine, pid_t pid,
                        const struct probe_image_id *id)
{
    pid_t tid = 0;
    return confirm(engine, pid, id, &tid);
}

static bool shares_memory(const struct probe_engine *engine, pid_t parent, pid_t tid,
                          const struct probe_image_id *id)
{
    if (parent <= 0)
        return false;
    struct probe_image_id other;
    pid_t parent_tid = 0;
    pid_t ignored = 0;
    if (read_identity(engine, parent, &other, &parent_tid, &ignored) < 0)
        return false; /* it has no memory to share */
    long order = syscall(SYS_kcmp, parent_tid, tid, KCMP_VM, 0, 0);
    if (order >= 0 || (errno != ENOSYS && errno != EPERM))
        return order == 0;
    /*
     * Without kcmp, equal layouts count as shared memory. If we may not look into the parent, its
     * layout reads as ones, which no child of ours has.
     */
    return memcmp(other.layout, id->layout, sizeof(id->layout)) == 0;
}

/* Opens one of the image's files into FD, which stays as it is on failure. */
static int open_into(const struct probe_engine *engine, const struct probe_image *image,
                     const char *name, int flags, int *fd)
{
    int opened = proc_open(engine->proc, image->pid, image->tid, name, flags);
    if (opened < 0)
        return opened;
    *fd = opened;
    return 0;
}

/* For speed alone: without this descriptor, stat is opened at each check. */
static void open_stat(const struct probe_engine *engine, struct probe_image *image)
{
    if (image->own && image->tid == image->pid)
        open_into(engine, image, "stat", O_RDONLY, &image->stat);
}

/*
 * Some kernels let nobody open mem for writing, but the process be traced: then it is read through
 * mem, and written as a tracer. That needs one's own authority.
 */
static int open_mem(const struct probe_engine *engine, struct probe_image *image, bool surely)
{
    enum yama_verdict verdict = yama_ask(engine, image->pid);
    if (verdict == YAMA_REFUSES || (verdict == YAMA_MAY_ALLOW && surely))
        return -EACCES;
    int status = open_into(engine, image, "mem", image->access == PROBE_WRITE ? O_RDWR : O_RDONLY,
                           &image->mem);
    if ((status == -EACCES || status == -EPERM) && image->access == PROBE_WRITE && image->own &&
        open_into(engine, image, "mem", O_RDONLY, &image->mem) == 0)
        return 0;
    return status;
}

static int open_descriptors(const struct probe_engine *engine, struct probe_image *image,
                            bool surely, const char **step)
{
    *step = "mem";
    int status = 0;
    if (image->access >= PROBE_READ)
        status = open_mem(engine, image, surely);
    if (status == 0) {
        *step = "maps";
        status = open_into(engine, image, "maps", O_RDONLY, &image->maps);
    }
    if (status == 0 && !image->own) {
        *step = "exe";
        status = open_into(engine, image, "exe", O_PATH, &image->exe);
        if (status == 0)
            status = open_into(engine, image, "root", O_PATH, &image->root);
    }
    return status;
}

static int try_open(struct probe_engine *engine, struct probe_image *image, bool surely,
                    struct probe_error *error)
{
    pid_t parent = 0;
    int status = read_identity(engine, image->pid, &image->id, &image->tid, &parent);
    if (status < 0)
        return error_set(error, status == -ESRCH ? ENOENT : -status,
                         "process %d does not exist or has no memory", image->pid);

    const char *step = NULL;
    status = open_descriptors(engine, image, surely, &step);
    if (status == -EACCES || status == -EPERM)
        return diagnose_denied(engine, image->pid, step, -status, error);
    if (status < 0 && status != -ENOENT && status != -ESRCH)
        return error_set(error, -status, "process %d: cannot open its %s: %s", image->pid, step,
                         strerror(-status));

    if (status == 0)
        open_stat(engine, image);
    bool shares = status == 0 && shares_memory(engine, parent, image->tid, &image->id);
    struct probe_image_id after;
    pid_t tid = 0;
    if (status < 0 || read_identity(engine, image->pid, &after, &tid, &parent) < 0 ||
        !probe_image_id_equal(&after, &image->id))
        return -EAGAIN;
    if (shares)
        return error_set(error, EBUSY,
                         "process %d shares its memory with its parent (process %d): it is not "
                         "a program of its own until it calls exec",
                         image->pid, parent);
    return 0;
}

/* With SURELY, what Yama may refuse is not tried. */
static int open_image(struct probe_engine *engine, pid_t pid, enum probe_access access, bool own,
                      bool surely, struct probe_image *result, struct probe_error *error)
{
    for (int i = 0; i < TRIES; i++) {
        struct probe_image image = PROBE_IMAGE_NONE;
        image.pid = pid;
        image.access = access;
        image.own = own;
        int status = try_open(engine, &image, surely, error);
        if (status == 0) {
            *result = image;
            return 0;
        }
        probe_image_done(&image);
        if (status != -EAGAIN)
            return status;
    }
    return error_set(error, ESRCH, "process %d ended or replaced its program while it was opened",
                     pid);
}

int probe_image_open(struct probe_engine *engine, pid_t pid, enum probe_access access,
                     struct probe_image *image, struct probe_error *error)
{
    return open_image(engine, pid, access, true, false, image, error);
}

int probe_image_open_surely(struct probe_engine *engine, pid_t pid, enum probe_access access,
                            struct probe_image *image, struct probe_error *error)
{
    return open_image(engine, pid, access, true, true, image, error);
}

int probe_image_open_for(struct probe_engine *engine, pid_t pid, enum probe_access access,
                         struct probe_image *image, struct probe_error *error)
{
    return open_image(engine, pid, access, false, false, image, error);
}

int probe_image_copy(const struct probe_image *image, struct probe_image *result)
{
    struct probe_image copy = *image;
    int *fields[] = {&copy.maps, &copy.mem, &copy.stat, &copy.exe, &copy.root};
    int status = 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        int fd = *fields[i];
        if (fd < 0)
            continue;
        *fields[i] = status == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
        if (*fields[i] < 0 && status == 0)
            status = -errno;
    }
    if (status < 0)
        probe_image_done(&copy);
    else
        *result = copy;
    return status;
}

void probe_image_done(struct probe_image *image)
{
    int fds[] = {image->maps, image->mem, image->stat, image->exe, image->root};
    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    *image = PROBE_IMAGE_NONE;
}

int image_ask(const struct probe_engine *engine, const struct probe_image *image)
{
    if (yama_ask(engine, image->pid) != YAMA_ALLOWS)
        return -EPERM;
    char byte = 0;
    struct iovec local = {&byte, sizeof(byte)};
    /* No process has this address: EFAULT means that the kernel would have read. */
    struct iovec remote = {(void *)(UINTPTR_MAX - 4095), sizeof(byte)};
    if (process_vm_readv(image->pid, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT)
        return 0;
    return -errno;
}

/*
 * Does the open stat file show the same image? It is bound to the process, so it never shows
 * another one that got the same number.
 */
static bool is_unchanged(const struct probe_image *image)
{
    char text[PROC_STAT_SIZE];
    struct proc_stat stat;
    ssize_t length = image->stat < 0 ? -1 : pread(image->stat, text, sizeof(text) - 1, 0);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return proc_stat_parse(text, (size_t)length, &stat) == 0 && has_memory(&stat) &&
           stat.start_time == image->id.start_time &&
           memcmp(stat.layout, image->id.layout, sizeof(stat.layout)) == 0;
}

int image_check(const struct probe_engine *engine, struct probe_image *image,
                struct probe_error *error)
{
    /* The descriptor also stops answering when only the main thread has ended. */
    if (!image->own || is_unchanged(image))
        return 0;
    int status = confirm(engine, image->pid, &image->id, &image->tid);
    if (status == 0 || status == -ESRCH)
        return status == 0 ? 0 : error_gone(error, image->pid);
    return error_set(error, -status, "process %d cannot be asked for its image: %s", image->pid,
                     strerror(-status));
}

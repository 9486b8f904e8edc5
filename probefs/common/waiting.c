/* SPDX-License-Identifier: MIT */
#include "common/waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* More than there are threads that serve. */
enum { SLOTS = 1024, NO_SLOT = -1 };

/* Above the descriptors that workers start with: making one of those must not close it. */
enum { FIRST_FD = 16 };

struct waiting {
    _Atomic(pid_t) *tids; /* of SLOTS; 0: free */
    int fd;
};

static int map(struct waiting *waiting, int fd, int protection)
{
    void *memory = mmap(NULL, SLOTS * sizeof(*waiting->tids), protection, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    waiting->tids = memory;
    return 0;
}

/* The table's memory, open for writing; its other descriptor is for reading alone. */
static int make_memory(struct waiting *waiting)
{
    char path[32];
    int fd = memfd_create("probefs-waiting", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int status = ftruncate(fd, SLOTS * sizeof(*waiting->tids)) < 0 ? -errno : 0;
    if (status == 0)
        status = map(waiting, fd, PROT_READ | PROT_WRITE);
    /* Nobody else will write, not even whoever opens it anew through /proc. */
    if (status == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        status = -errno;
    if (status == 0) {
        int reader = open(path, O_RDONLY | O_CLOEXEC);
        waiting->fd = reader < 0 ? -1 : fcntl(reader, F_DUPFD_CLOEXEC, FIRST_FD);
        status = waiting->fd < 0 ? -errno : 0;
        if (reader >= 0)
            close(reader);
    }
    close(fd);
    return status;
}

int waiting_new(struct waiting **result)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    if (!waiting)
        return -ENOMEM;
    waiting->fd = -1;
    int status = make_memory(waiting);
    if (status < 0)
        waiting_free(waiting);
    else
        *result = waiting;
    return status;
}

int waiting_open(int fd, struct waiting **result)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    if (!waiting)
        return -ENOMEM;
    waiting->fd = fd;
    int status = map(waiting, fd, PROT_READ);
    if (status < 0)
        free(waiting);
    else
        *result = waiting;
    return status;
}

void waiting_free(struct waiting *waiting)
{
    if (!waiting)
        return;
    if (waiting->tids)
        munmap((void *)waiting->tids, SLOTS * sizeof(*waiting->tids));
    if (waiting->fd >= 0)
        close(waiting->fd);
    free(waiting);
}

int waiting_fd(const struct waiting *waiting)
{
    return waiting->fd;
}

int waiting_begin(struct waiting *waiting, pid_t tid)
{
    for (unsigned int i = 0; tid > 0 && i < SLOTS; i++) {
        int slot = (int)(((unsigned int)tid + i) % SLOTS);
        pid_t nobody = 0;
        if (atomic_compare_exchange_strong(&waiting->tids[slot], &nobody, tid))
            return slot;
    }
    return NO_SLOT;
}

void waiting_end(struct waiting *waiting, int slot)
{
    if (slot != NO_SLOT)
        atomic_store(&waiting->tids[slot], 0);
}

bool waiting_has(void *data, pid_t tid)
{
    const struct waiting *waiting = data;
    for (unsigned int i = 0; i < SLOTS; i++) {
        if (atomic_load(&waiting->tids[((unsigned int)tid + i) % SLOTS]) == tid)
            return true;
    }
    return false;
}

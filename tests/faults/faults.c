/* SPDX-License-Identifier: MIT */
#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct faults own = {.first = -1};
static _Atomic(struct faults *) shared;

static struct {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *memory, size_t size);
    void (*free)(void *memory);
} next;

/* What dlsym() itself asks for while it looks for the above; never freed. */
static char early[4096];
static size_t early_used;
static _Thread_local bool looking;

static void *allocate_early(size_t size)
{
    size_t at = (early_used + 15) / 16 * 16;
    if (size > sizeof(early) - at)
        return NULL;
    early_used = at + size;
    return early + at;
}

static bool is_early(const void *memory)
{
    return (const char *)memory >= early && (const char *)memory < early + sizeof(early);
}

/* ISO C has no cast from a pointer to data to one to code. */
static void find(void *function, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(function, &symbol, sizeof(symbol));
}

static void look(void)
{
    looking = true;
    find(&next.free, "free");
    find(&next.malloc, "malloc");
    find(&next.calloc, "calloc");
    find(&next.realloc, "realloc");
    looking = false;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *memory = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED)
        shared = memory;
    close(fd);
}

struct faults *faults_of_process(void)
{
    struct faults *faults = shared;
    return faults ? faults : &own;
}

static bool fails(void)
{
    struct faults *faults = faults_of_process();
    atomic_fetch_add(&faults->seen, 1);
    if (faults->first < 0)
        return false;
    int64_t left = atomic_fetch_sub(&faults->first, 1);
    if (left != 0) /* or, negative: somebody has ended it meanwhile */
        return false;
    if (atomic_fetch_sub(&faults->count, 1) > 0) {
        atomic_store(&faults->first, 0);
        atomic_fetch_add(&faults->hits, 1);
        errno = ENOMEM;
        return true;
    }
    atomic_store(&faults->first, -1);
    return false;
}

static void *counted(void *memory)
{
    if (memory)
        atomic_fetch_add(&faults_of_process()->live, 1);
    return memory;
}

void *malloc(size_t size)
{
    if (!next.malloc && !looking)
        look();
    if (looking)
        return allocate_early(size);
    return fails() ? NULL : counted(next.malloc(size));
}

void *calloc(size_t count, size_t size)
{
    if (!next.calloc && !looking)
        look();
    if (looking)
        return allocate_early(count * size);
    return fails() ? NULL : counted(next.calloc(count, size));
}

void *realloc(void *memory, size_t size)
{
    if (!memory)
        return malloc(size);
    return fails() ? NULL : next.realloc(memory, size);
}

void *reallocarray(void *memory, size_t count, size_t size)
{
    size_t whole = 0;
    if (__builtin_mul_overflow(count, size, &whole)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(memory, whole);
}

void free(void *memory)
{
    if (!memory || is_early(memory))
        return;
    atomic_fetch_sub(&faults_of_process()->live, 1);
    next.free(memory);
}

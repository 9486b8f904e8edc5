/* SPDX-License-Identifier: MIT */
/*
 * Preloaded in a server, it is a slow machine: a worker takes SLOW_NOTES seconds of processor time
 * longer to read the notes of an object that has many of them.
 */
#include <dlfcn.h>
#include <err.h>
#include <libelf.h>
#include <stdlib.h>
#include <time.h>

/* So many bytes are many notes. */
enum { MANY = 1 << 20 };

typedef Elf_Data *read_chunk(Elf *elf, int64_t offset, size_t size, Elf_Type type);

static struct timespec processor_time(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time;
}

static void spend(long seconds)
{
    const struct timespec start = processor_time();
    struct timespec now = start;
    while (now.tv_sec - start.tv_sec < seconds ||
           (now.tv_sec - start.tv_sec == seconds && now.tv_nsec < start.tv_nsec))
        now = processor_time();
}

Elf_Data *elf_getdata_rawchunk(Elf *elf, int64_t offset, size_t size, Elf_Type type)
{
    const char *seconds = getenv("SLOW_NOTES");
    read_chunk *real = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "elf_getdata_rawchunk");
    if (!seconds || !real)
        errx(1, "slow-notes: no SLOW_NOTES, or no elf_getdata_rawchunk()");
    if (size >= MANY)
        spend(atol(seconds));
    return real(elf, offset, size, type);
}

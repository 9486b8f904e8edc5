/* SPDX-License-Identifier: MIT */
/*
 * split [-d FILE] [-s] [-i MILLISECONDS] [-n ROUNDS] [-q]
 *
 * Has a probe `spread` with a site in each of four pages of code.
 *
 *     -s       splits its own code into many mappings, all of them r-x
 *     -d FILE  maps FILE as data as well: all of it, readable and no more
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 4 };

PROBE_DEFINE(spread);

static struct pace pace = PACE_DEFAULT;

void probe_hit(const char *name)
{
    if (!pace.quiet)
        printf("%s: round %ld\n", name, pace.round);
}

#define PASS(n)                                                                                    \
    static __attribute__((noinline, aligned(4096))) void pass_##n(void)                            \
    {                                                                                              \
        PROBE_SITE(spread);                                                                        \
    }

PASS(0)
PASS(1)
PASS(2)
PASS(3)

static void (*const passes[PAGES])(void) = {pass_0, pass_1, pass_2, pass_3};

/* What must not be dumped is a mapping of its own. */
static int split_code(void)
{
    for (int i = 0; i < PAGES; i += 2) {
        uintptr_t page = (uintptr_t)passes[i] / PAGE * PAGE;

        if (madvise((char *)page, PAGE, MADV_DONTDUMP) < 0)
            return -1;
    }
    return 0;
}

static int map_as_data(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &status) < 0)
        return -1;
    if (mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
        return -1;
    return close(fd);
}

int main(int argc, char **argv)
{
    int option;

    while ((option = pace_getopt(&pace, argc, argv, "sd:")) != -1) {
        if (option == 's' && split_code() < 0)
            return 1;
        if (option == 'd' && map_as_data(optarg) < 0)
            return 1;
    }
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        for (int i = 0; i < PAGES; i++)
            passes[i]();
        pace_wait(&pace);
    }
    return 0;
}

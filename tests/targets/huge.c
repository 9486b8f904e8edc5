/* SPDX-License-Identifier: MIT */
/*
 * huge [-i MILLISECONDS] [-q] WAY
 *
 * Has a probe `spread` with a site at each end of 2 MiB of code, the last before the address 2 GiB
 * (see huge.ld), and moves that code to huge pages, as programs do that want fewer TLB misses. WAY
 * is how:
 *
 *     thp        anonymous memory that the kernel may make huge
 *     tlb        a reserved page (MAP_HUGETLB)
 *     giga       a mapping that could be of pages of 1 GiB, and is not
 *     giga-tlb   one that is
 *     memfd      a private mapping of a memfd
 *     tlbfd      a private mapping of a file of reserved pages (MFD_HUGETLB, as of hugetlbfs)
 *     other      a private mapping of a memfd with other code
 *     shared     a shared mapping of a memfd
 *     all        all pages of code, the others too, to a memfd
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HUGE = 2 << 20, GIGA = 1 << 30 };

PROBE_DEFINE(spread);

#define SITE(function)                                                                             \
    ".type " #function ", @function\n" #function ":\n"                                             \
    "990:\n"                                                                                       \
    "\tnop\n"                                                                                      \
    "\t.byte " PROBE_BYTE_OFF "\n"                                                                 \
    "\t.4byte probe_wrapper_spread - . - 4\n"                                                      \
    "\tret\n" PROBE_NOTE("990b", spread, "")

__asm__(".pushsection .huge, \"ax\", @progbits\n"
        "\t.balign 0x200000\n"
        "huge_code:\n" SITE(pass_first) "\t.fill 0x200000 - 32, 1, " OPCODE_TEXT(
            OPCODE_TRAP) "\n" SITE(pass_last) "\t.balign 0x200000\n"
                                              ".popsection\n");

extern char huge_code[] __attribute__((visibility("hidden")));
void pass_first(void);
void pass_last(void);

static struct pace pace = PACE_DEFAULT;

static const char *const of_files[] = {"memfd", "tlbfd", "other", "shared"};

void probe_hit(const char *name)
{
    if (!pace.quiet)
        printf("%s: round %ld\n", name, pace.round);
}

/* Makes the code a mapping of a new file that has a copy of it, or other code. */
static int move_to_file(const char *way)
{
    int flags = MAP_FIXED | (strcmp(way, "shared") == 0 ? MAP_SHARED : MAP_PRIVATE);
    int file = memfd_create("text", strcmp(way, "tlbfd") == 0 ? MFD_HUGETLB | MAP_HUGE_2MB : 0);
    char *copy = MAP_FAILED;

    if (file >= 0 && ftruncate(file, HUGE) == 0)
        copy = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (copy == MAP_FAILED)
        return -1;
    memcpy(copy, huge_code, HUGE);
    if (strcmp(way, "other") == 0)
        memset(copy, 0xc3, HUGE); /* ret */
    munmap(copy, HUGE);
    copy = mmap(huge_code, HUGE, PROT_READ | PROT_EXEC, flags, file, 0);
    close(file);
    return copy == MAP_FAILED ? -1 : 0;
}

static int move_code(const char *way)
{
    size_t size = strncmp(way, "giga", 4) == 0 ? GIGA : HUGE;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    char *start = huge_code + HUGE - size;
    char *copy = NULL;

    for (size_t i = 0; i < sizeof(of_files) / sizeof(*of_files); i++) {
        if (strcmp(way, of_files[i]) == 0)
            return move_to_file(way);
    }
    copy = malloc(HUGE);
    if (!copy)
        return -1;
    memcpy(copy, huge_code, HUGE);
    if (strcmp(way, "tlb") == 0)
        flags |= MAP_HUGETLB | MAP_HUGE_2MB;
    else if (strcmp(way, "giga-tlb") == 0)
        flags |= MAP_HUGETLB | MAP_HUGE_1GB;
    if (mmap(start, size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
        return -1;
    if (strcmp(way, "thp") == 0 && madvise(start, size, MADV_HUGEPAGE) < 0)
        return -1;
    memcpy(huge_code, copy, HUGE);
    free(copy);
    return mprotect(start, size, PROT_READ | PROT_EXEC);
}

int main(int argc, char **argv)
{
    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    if (optind + 1 != argc || move_code(argv[optind]) < 0) {
        perror("huge");
        return 1;
    }
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        pass_first();
        pass_last();
        pace_wait(&pace);
    }
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * retitler [-i MILLISECONDS] [-n ROUNDS] [-q]
 *
 * Has a probe gc_start. At SIGUSR1 it moves its arguments and environment elsewhere, as lxc and
 * other setters of titles do: by prctl(PR_SET_MM_MAP), which needs no privilege.
 *
 *     retitled
 */
#include "ocaml-probes.h"
#include "pace.h"

#include <linux/prctl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { FIELDS = 53, PAGE = 4096 };

PROBE_DEFINE(gc_start);

static struct pace pace = PACE_DEFAULT;

void probe_hit(const char *name)
{
    if (!pace.quiet)
        printf("%s: round %ld\n", name, pace.round);
}

/* The fields of /proc/self/stat, by their numbers in proc(5); false where it cannot be read. */
static bool read_stat(uint64_t fields[FIELDS])
{
    char text[4096];
    FILE *file = fopen("/proc/self/stat", "r");
    size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    char *rest = NULL;

    if (file)
        fclose(file);
    text[length] = '\0';
    rest = strrchr(text, ')');
    if (!rest)
        return false;
    rest = strchr(rest + 2, ' '); /* behind the state, which is field 3 */
    for (int i = 4; i < FIELDS && rest; i++)
        fields[i] = strtoull(rest, &rest, 10);
    return rest != NULL;
}

static void retitle(void)
{
    static const char title[] = "retitler: under another title";
    static const char environment[] = "A=b";
    uint64_t fields[FIELDS] = {0};
    char *area = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (area == MAP_FAILED || !read_stat(fields)) {
        perror("retitle");
        return;
    }
    memcpy(area, title, sizeof(title));
    memcpy(area + PAGE, environment, sizeof(environment));
    struct prctl_mm_map map = {
        .start_code = fields[26],
        .end_code = fields[27],
        .start_stack = fields[28],
        .start_data = fields[45],
        .end_data = fields[46],
        .start_brk = fields[47],
        .brk = (uintptr_t)sbrk(0),
        .arg_start = (uintptr_t)area,
        .arg_end = (uintptr_t)area + sizeof(title),
        .env_start = (uintptr_t)area + PAGE,
        .env_end = (uintptr_t)area + PAGE + sizeof(environment),
        .exe_fd = UINT32_MAX,
    };
    if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0)
        perror("PR_SET_MM_MAP");
    else
        puts("retitled");
}

int main(int argc, char **argv)
{
    while (pace_getopt(&pace, argc, argv, "") != -1)
        continue;
    pace_begin();
    for (; pace_more(&pace); pace.round++) {
        PROBE_SITE(gc_start);
        if (pace_wait(&pace) == SIGUSR1)
            retitle();
    }
    return 0;
}

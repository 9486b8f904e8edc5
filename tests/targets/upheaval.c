/* SPDX-License-Identifier: MIT */
/*
 * upheaval [-l PLUGIN]
 *
 * Does what makes an update of it difficult, one byte of the standard input after the other, and
 * answers each with a line:
 *
 *     e   execs itself; the new image looks at its probes, which nobody has had a chance to find
 *         yet, at once and a moment later:              `new untouched` or `new touched`
 *     f   forks; the child looks at its probes, that the parent's updates must not reach, and a
 *         moment later again:                           `child untouched` or `child touched`
 *     l   loads PLUGIN, or unloads it and puts a page of its own in the place of each of the
 *         plugin's, to be looked at when it is loaded the next time:
 *                                                       `loaded`, `unloaded` or `place touched`
 *
 * `e` and `f` are acts of a moment; the answer comes when the looking is over.
 */
#include "ocaml-probes.h"

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOMENT_US = 2000, PATTERN = 0x5a, PAGE = 4096 };

PROBE_DEFINE(churned);
PROBE_DEFINE(steady);

void probe_hit(const char *name)
{
    (void)name;
}

static __attribute__((noinline)) void pass(void)
{
    PROBE_SITE(churned);
    PROBE_SITE(churned);
    PROBE_SITE(steady);
}

/* What others may change: the two semaphores, of two counters each, and the code of pass(). */
struct state {
    uint32_t semaphores[2];
    unsigned char code[24];
};

static void look(struct state *state)
{
    const volatile unsigned char *code = (const volatile unsigned char *)(uintptr_t)pass;

    __asm__ volatile("movl caml_probes_semaphore_churned(%%rip), %0" : "=r"(state->semaphores[0]));
    __asm__ volatile("movl caml_probes_semaphore_steady(%%rip), %0" : "=r"(state->semaphores[1]));
    for (size_t i = 0; i < sizeof(state->code); i++)
        state->code[i] = code[i];
}

static int stays(const struct state *before)
{
    struct state after;

    usleep(MOMENT_US);
    look(&after);
    return memcmp(before, &after, sizeof(after)) == 0;
}

/* All probes are off in the file. */
static int is_fresh(const struct state *state)
{
    static const unsigned char switched_on[] = {OPCODE_NOP, OPCODE_ON};

    return state->semaphores[0] == 0 && state->semaphores[1] == 0 &&
           memmem(state->code, sizeof(state->code), switched_on, sizeof(switched_on)) == NULL;
}

static void fork_child(void)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        struct state state;

        look(&state);
        _exit(!stays(&state));
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        printf("child touched\n");
    else
        printf("child untouched\n");
}

/* ---- a plugin that comes and goes ------------------------------------------------------- */

static void *plugin;
static uintptr_t place, place_end;

static int find_place(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    if (!info->dlpi_name || strcmp(info->dlpi_name, data) != 0)
        return 0;
    place = info->dlpi_addr;
    place_end = place;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;

        if (info->dlpi_phdr[i].p_type == PT_LOAD && end > place_end)
            place_end = end;
    }
    place_end = (place_end + PAGE - 1) / PAGE * PAGE;
    return 1;
}

static const char *load(const char *path)
{
    const char *answer = "loaded";

    if (place) {
        for (const unsigned char *p = (void *)place; p < (unsigned char *)place_end; p++)
            if (*p != PATTERN)
                answer = "place touched";
        munmap((void *)place, place_end - place);
    }
    plugin = dlopen(path, RTLD_NOW);
    if (!plugin || !dl_iterate_phdr(find_place, (void *)path))
        return "cannot load";
    return answer;
}

/* What is written now to where the plugin was is seen when it comes back. */
static const char *unload(void)
{
    void *there;

    dlclose(plugin);
    plugin = NULL;
    there = mmap((void *)place, place_end - place, PROT_READ | PROT_WRITE | PROT_EXEC,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (there != (void *)place)
        return "cannot fill the place";
    memset(there, PATTERN, place_end - place);
    return "unloaded";
}

int main(int argc, char **argv)
{
    const char *path = argc == 3 && strcmp(argv[1], "-l") == 0 ? argv[2] : NULL;
    struct state state;
    int untouched, command;

    look(&state);
    untouched = is_fresh(&state) && stays(&state);
    setvbuf(stdin, NULL, _IONBF, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getenv("UPHEAVAL"))
        printf("new %s\n", untouched ? "untouched" : "touched");
    else
        printf("pid %d\n", (int)getpid());
    while ((command = getchar()) != EOF) {
        pass();
        if (command == 'e') {
            setenv("UPHEAVAL", "1", 1);
            execv("/proc/self/exe", argv);
            return 1;
        }
        if (command == 'f')
            fork_child();
        if (command == 'l' && path)
            printf("%s\n", plugin ? unload() : load(path));
    }
    return 0;
}

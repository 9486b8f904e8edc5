/* SPDX-License-Identifier: MIT */
#include "watch/programs.h"

#include "watch/links.h"
#include "watch/records.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What watch.bpf.c was compiled to. */
#include <watch-program.h>

/* More than libbpf has open at a time while it loads them, which is 10. */
enum { DESCRIPTORS_MOST = 12 };

/* The kernel does not check what the settings exclude, which saves 10 of 12 ms as a rule. */
static __u32 find_kinds(const struct programs_wanted *wanted)
{
    __u32 kinds = 0;
    for (size_t i = 0; i < wanted->recipe_count; i++)
        kinds |= 1U << record_kind(wanted->recipes[i].count, wanted->recipes[i].texts);
    return kinds;
}

/* Sets the variable of the programs that says whom they are for. */
static bool set_settings(struct bpf_object *object, const struct programs_wanted *wanted)
{
    const struct watch_settings settings = {(__u32)wanted->pid, find_kinds(wanted),
                                            (__u32)wanted->first_recipe};
    struct bpf_map *map = NULL;
    bpf_object__for_each_map (map, object) {
        if (bpf_map__is_internal(map) &&
            bpf_map__set_initial_value(map, &settings, sizeof(settings)) == 0)
            return true;
    }
    return false;
}

static struct bpf_map *find_map(struct bpf_object *object, const char *name, size_t entries, int fd)
{
    struct bpf_map *map = bpf_object__find_map_by_name(object, name);
    if (!map || bpf_map__set_max_entries(map, (__u32)entries) < 0)
        return NULL;
    return fd >= 0 && bpf_map__reuse_fd(map, fd) < 0 ? NULL : map;
}

/* Chooses the program for sites, and leaves the other one out: it takes long to be checked. */
static struct bpf_program *choose_program(struct bpf_object *object,
                                          const struct programs_wanted *wanted)
{
    struct bpf_program *other =
        bpf_object__find_program_by_name(object, wanted->lines ? "watch_count" : "watch_record");
    struct bpf_program *program =
        bpf_object__find_program_by_name(object, wanted->lines ? "watch_record" : "watch_count");
    if (!program || !other || bpf_program__set_autoload(other, false) < 0)
        return NULL;
    if (wanted->way == WATCH_MULTI)
        bpf_program__set_expected_attach_type(program, (enum bpf_attach_type)LINK_UPROBE_MULTI);
    return program;
}

static int write_recipes(const struct bpf_map *map, const struct programs_wanted *wanted)
{
    __u32 count = (__u32)wanted->recipe_count;
    __u32 *keys = calloc(count + 1, sizeof(*keys));
    if (!keys)
        return -ENOMEM;
    for (__u32 i = 0; i < count; i++)
        keys[i] = i;
    int status = bpf_map_update_batch(bpf_map__fd(map), keys, wanted->recipes, &count, NULL);
    free(keys);
    return status;
}

/*
 * Are there as many descriptors as loading takes? To libbpf the lack of one can mean a kernel that
 * lacks what it tries, which it then remembers until the process ends.
 */
static int check_descriptors(void)
{
    int taken[DESCRIPTORS_MOST];
    int status = 0;
    size_t count = 0;
    while (count < DESCRIPTORS_MOST && status == 0) {
        int fd = count == 0 ? memfd_create("probe-engine", MFD_CLOEXEC)
                            : fcntl(taken[0], F_DUPFD_CLOEXEC, 0);
        if (fd >= 0)
            taken[count++] = fd;
        else
            status = -errno;
    }
    while (count > 0)
        close(taken[--count]);
    return status;
}

/* Everything that libbpf does; it says nothing of it to anybody. */
static int load(const struct programs_wanted *wanted, struct watch_programs *programs)
{
    const struct bpf_object_open_opts options = {
        .sz = sizeof(options),
        .object_name = "probe_watch",
    };
    struct bpf_object *object =
        bpf_object__open_mem(watch_program, sizeof(watch_program), &options);
    if (!object)
        return -errno;
    programs->object = object;
    struct bpf_map *ring = find_map(object, "ring", wanted->ring_size, wanted->ring);
    struct bpf_map *tallies = find_map(object, "tallies", wanted->tally_count, wanted->tallies);
    struct bpf_map *recipes = find_map(object, "recipes", wanted->recipe_count, -1);
    struct bpf_program *site = choose_program(object, wanted);
    struct bpf_program *exec = bpf_object__find_program_by_name(object, "watch_exec");
    if (!ring || !tallies || !recipes || !site || !exec || !set_settings(object, wanted))
        return -EIO;
    int status = bpf_object__load(object);
    if (status == 0)
        status = write_recipes(recipes, wanted);
    /* From here on the programs alone write them: readers can map them and change nothing. */
    if (status == 0 && wanted->tallies < 0)
        status = bpf_map_freeze(bpf_map__fd(tallies));
    if (status < 0)
        return status;
    programs->site = bpf_program__fd(site);
    programs->ring = bpf_map__fd(ring);
    programs->tallies = bpf_map__fd(tallies);
    if (wanted->ignores_exec)
        return 0;
    programs->exec = bpf_raw_tracepoint_open("sched_process_exec", bpf_program__fd(exec));
    return programs->exec < 0 ? -errno : 0;
}

static int explain(int status, struct probe_error *error)
{
    if (status == -EPERM)
        return error_set(error, EPERM,
                         "watching probes needs CAP_BPF and CAP_PERFMON: run it as root");
    if (status == -ENOMEM)
        return error_memory(error);
    if (status == -EINVAL || status == -ENOENT || status == -ENOTSUP)
        return error_set(error, EOPNOTSUPP,
                         "this kernel cannot run what watching probes needs: %s (Linux 5.15 and "
                         "later can)",
                         strerror(-status));
    return error_set(error, status == -EMFILE || status == -ENFILE ? -status : EIO,
                     "cannot load the programs that watch probes: %s", strerror(-status));
}

int programs_load(const struct programs_wanted *wanted, struct watch_programs *result,
                  struct probe_error *error)
{
    struct watch_programs programs = WATCH_PROGRAMS_NONE;
    libbpf_print_fn_t print = libbpf_set_print(NULL);
    int status = check_descriptors();
    if (status == 0)
        status = load(wanted, &programs);
    libbpf_set_print(print);
    if (status < 0) {
        programs_done(&programs);
        return explain(status, error);
    }
    *result = programs;
    return 0;
}

void programs_done(struct watch_programs *programs)
{
    if (programs->exec >= 0)
        close(programs->exec);
    bpf_object__close(programs->object);
    *programs = WATCH_PROGRAMS_NONE;
}

int tallies_open(int fd, size_t count, const volatile __u64 **tallies)
{
    void *mapped = mmap(NULL, count * sizeof(**tallies), PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return -errno;
    *tallies = mapped;
    return 0;
}

void tallies_close(const volatile __u64 *tallies, size_t count)
{
    if (tallies)
        munmap((void *)(uintptr_t)tallies, count * sizeof(*tallies));
}

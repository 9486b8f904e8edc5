/* SPDX-License-Identifier: MIT */
#include "target/target.h"

#include "names/name.h"
#include "process/deadline.h"
#include "process/proc.h"
#include "process/tracee.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How much of an object's path stands in a sentence, which has more to say. */
enum { PATH_SHOWN = 200 };

/*
 * How long looks believe that files are the same if their mappings are: asking costs microseconds
 * for each library with probes, too much for each read. A write always asks.
 */
enum { CHECK_SECONDS = 1 };

int probe_target_new(struct probe_engine *engine, struct probe_target **result)
{
    struct probe_target *target = calloc(1, sizeof(*target));
    if (!target)
        return -ENOMEM;
    target->engine = engine;
    target->image = PROBE_IMAGE_NONE;
    *result = target;
    return 0;
}

static void forget_probes(struct probe_target *target)
{
    free(target->parts);
    free(target->probes);
    target->parts = NULL;
    target->probes = NULL;
    target->part_count = target->probe_count = 0;
    loaded_done(target->engine, &target->loaded);
}

void probe_target_close(struct probe_target *target)
{
    if (!target)
        return;
    probe_target_resume(target);
    forget_probes(target);
    maps_done(&target->maps);
    problems_done(&target->problems);
    probe_image_done(&target->image);
    free(target);
}

int probe_target_open(struct probe_engine *engine, pid_t pid, enum probe_access access,
                      struct probe_target **result, struct probe_error *error)
{
    struct probe_image image;
    struct probe_target *target = NULL;
    int status = probe_image_open(engine, pid, access, &image, error);
    if (status < 0)
        return status;
    status = probe_target_new(engine, &target);
    if (status < 0) {
        probe_image_done(&image);
        return error_memory(error);
    }
    status = probe_target_attach(target, &image, error);
    if (status < 0)
        probe_target_close(target);
    else
        *result = target;
    return status;
}

void probe_target_expect(struct probe_target *target, pid_t pid, const struct probe_image_id *id)
{
    target->image.pid = target->image.tid = pid;
    target->image.id = *id;
}

void probe_target_wait_until(struct probe_target *target, const struct timespec *until)
{
    target->is_urgent = until;
    if (until)
        target->until = *until;
}

int probe_target_attach(struct probe_target *target, struct probe_image *image,
                        struct probe_error *error)
{
    bool first = target->image.pid == 0;
    if (!first &&
        (target->image.pid != image->pid || !probe_image_id_equal(&target->image.id, &image->id))) {
        pid_t pid = image->pid;
        probe_image_done(image);
        return error_gone(error, pid);
    }
    struct probe_image old = target->image;
    target->image = *image;
    *image = PROBE_IMAGE_NONE;
    probe_image_done(&old);
    /* Only now can copied code be compared. */
    if (target->loaded.unchecked && target->image.mem >= 0)
        target->replaced = true;
    return probe_target_look(target, error);
}

void probe_target_detach(struct probe_target *target)
{
    struct probe_image kept = PROBE_IMAGE_NONE;
    kept.pid = target->image.pid;
    kept.tid = target->image.tid;
    kept.id = target->image.id;
    probe_image_done(&target->image);
    target->image = kept;
}

/* Tells what is left out of an object: keeps it for the target, and logs it once for the file. */
static void add_problem(void *data, const struct loaded_problem *problem)
{
    struct probe_target *target = data;
    struct probe_error sentence;
    char shown[PATH_SHOWN];
    text_escape(problem->path, strlen(problem->path), false, shown, sizeof(shown));
    error_set(&sentence, 0, "object '%s' of process %d %s", shown, target->image.pid,
              problem->predicate);
    if (problem->is_new)
        engine_log(target->engine, PROBE_LOG_WARNING, "%s", sentence.text);
    problems_add(&target->problems,
                 &(struct problem){sentence.text, problem->reason, problem->minor});
}

static void tell_objects(const struct probe_target *target)
{
    for (size_t i = 0; i < target->loaded.count; i++) {
        const struct loaded *loaded = &target->loaded.items[i];
        engine_log(target->engine, PROBE_LOG_DEBUG,
                   "process %d: object '%.256s', loaded at bias 0x%" PRIx64 ", has %zu probes",
                   target->image.pid, loaded->path, loaded->bias,
                   object_shown(loaded->object, target->engine->options.all));
    }
}

static int compare_parts(const void *a, const void *b)
{
    const struct part *x = a;
    const struct part *y = b;
    int order = strcmp(x->probe->name, y->probe->name);
    if (order != 0)
        return order;
    if (x->loaded != y->loaded)
        return x->loaded < y->loaded ? -1 : 1;
    return x->probe < y->probe ? -1 : x->probe > y->probe;
}

/* The parts and probes that a target makes of a list of objects: see struct probe_target. */
struct merged {
    struct part *parts;
    struct target_probe *probes;
    size_t part_count, probe_count;
};

/* Makes a part of each probe of each object, and a probe of all parts of one name. */
static int merge_probes(const struct loaded_list *list, bool all, struct merged *merged)
{
    size_t count = 0;
    *merged = (struct merged){.parts = NULL};
    for (size_t i = 0; i < list->count; i++)
        count += object_shown(list->items[i].object, all);
    if (count == 0)
        return 0;
    if (count > UINT32_MAX)
        return -ENOMEM;
    merged->parts = calloc(count, sizeof(*merged->parts));
    merged->probes = calloc(count, sizeof(*merged->probes));
    if (!merged->parts || !merged->probes) {
        free(merged->parts);
        free(merged->probes);
        return -ENOMEM;
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct loaded *loaded = &list->items[i];
        for (size_t p = 0; p < loaded->object->probe_count; p++) {
            const struct object_probe *probe = &loaded->object->probes[p];
            if (all || probe->counter_count > 0)
                merged->parts[merged->part_count++] = (struct part){probe, loaded};
        }
    }
    if (list->count > 1)
        qsort(merged->parts, merged->part_count, sizeof(*merged->parts), compare_parts);

    for (size_t i = 0; i < merged->part_count; i++) {
        const char *name = merged->parts[i].probe->name;
        if (i > 0 && strcmp(name, merged->parts[i - 1].probe->name) == 0)
            merged->probes[merged->probe_count - 1].part_count++;
        else
            merged->probes[merged->probe_count++] = (struct target_probe){(uint32_t)i, 1};
    }
    return 0;
}

/* Are the same objects at the same places? */
static bool is_same_list(const struct loaded_list *a, const struct loaded_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct loaded *x = &a->items[i];
        const struct loaded *y = &b->items[i];
        if (x->object != y->object || x->bias != y->bias || x->device != y->device ||
            x->inode != y->inode || strcmp(x->path, y->path) != 0 ||
            x->copy_count != y->copy_count ||
            memcmp(x->copies, y->copies, x->copy_count * sizeof(*x->copies)) != 0)
            return false;
    }
    return true;
}

static void set_verified(struct probe_target *target, bool verified)
{
    for (size_t i = 0; i < target->loaded.count; i++)
        target->loaded.items[i].verified = verified;
}

/*
 * Finds the probes in MAPS, and replaces those known before unless they are the same. On failure
 * these stay, and the next look finds them out of date again.
 */
static int find_probes(struct probe_target *target, const struct maps *maps,
                       struct probe_error *error)
{
    struct loaded_list loaded;
    struct merged merged;
    const struct timespec *until = target->is_urgent ? &target->until : NULL;
    int status = target_check(target, error); /* it finds a live thread to reach files by */
    if (status < 0)
        return status;
    status = loaded_find(target->engine, &target->image, maps, until, add_problem, target, &loaded,
                         error);
    if (status < 0)
        return status;
    bool same = target->generation > 0 && is_same_list(&target->loaded, &loaded);
    if (!same && merge_probes(&loaded, target->engine->options.all, &merged) < 0) {
        loaded_done(target->engine, &loaded);
        return error_memory(error);
    }
    target->checked = clock_coarse_seconds();
    target->replaced = false;
    if (same) {
        target->loaded.partial = loaded.partial;
        target->loaded.unchecked = loaded.unchecked;
        loaded_done(target->engine, &loaded);
        set_verified(target, true);
        return 0;
    }
    forget_probes(target);
    target->generation++;
    target->loaded = loaded;
    target->parts = merged.parts;
    target->part_count = merged.part_count;
    target->probes = merged.probes;
    target->probe_count = merged.probe_count;
    tell_objects(target);
    return 0;
}

static int fail_look(const struct probe_target *target, int status, struct probe_error *error)
{
    if (status == -ESRCH)
        return error_gone(error, target->image.pid);
    return error_set(error, status == -EINVAL ? EIO : -status,
                     "process %d: cannot read its mappings: %s", target->image.pid,
                     strerror(-status));
}

bool target_verify_file(struct probe_target *target, const struct loaded *loaded)
{
    struct loaded *item = (struct loaded *)loaded;
    if (!item->verified)
        item->verified = loaded_is_current(target->engine, &target->image, &target->maps, loaded);
    target->replaced |= !item->verified;
    return item->verified;
}

/*
 * Are all files still their objects'? Asked once in CHECK_SECONDS, and by a live thread: those of
 * one that has ended cannot be reached.
 */
static bool verify_files(struct probe_target *target)
{
    if (clock_coarse_seconds() - target->checked < CHECK_SECONDS)
        return true;
    target->checked = clock_coarse_seconds();
    if (target_check(target, NULL) < 0)
        return false;
    for (size_t i = 0; i < target->loaded.count; i++) {
        if (!target_verify_file(target, &target->loaded.items[i]))
            return false;
    }
    return true;
}

int target_look_at_all(struct probe_target *target, struct probe_error *error)
{
    struct maps maps;
    int status = maps_read(target->image.maps, &maps);
    if (status == 0 && maps.count == 0) {
        maps_done(&maps);
        status = -ESRCH;
    }
    if (status < 0)
        return fail_look(target, status, error);
    if (target->generation == 0 || target->replaced ||
        !maps_have_same_files(&target->maps, &maps) || !verify_files(target))
        status = find_probes(target, &maps, error);
    if (status < 0) {
        maps_done(&maps);
        return status;
    }
    maps_done(&target->maps);
    target->maps = maps;
    target->read_anew = true;
    return 0;
}

int target_check(struct probe_target *target, struct probe_error *error)
{
    int status = image_check(target->engine, &target->image, error);
    if (status == 0)
        target->unconfirmed = false;
    return status;
}

void probe_target_doubt(struct probe_target *target)
{
    target->unconfirmed = true;
}

int probe_target_confirm(struct probe_target *target, struct probe_error *error)
{
    return target->unconfirmed ? target_check(target, error) : 0;
}

int probe_target_look(struct probe_target *target, struct probe_error *error)
{
    int status = probe_target_glance(target, error);
    return status < 0 ? status : probe_target_confirm(target, error);
}

void target_distrust(struct probe_target *target)
{
    probe_target_doubt(target);
    for (size_t i = 0; i < target->maps.count; i++)
        target->maps.items[i].verified = false;
    target->read_anew = false;
}

int probe_target_glance(struct probe_target *target, struct probe_error *error)
{
    if (target->image.maps < 0)
        return error_set(error, EACCES, "process %d is not open", target->image.pid);
    target_distrust(target);
    set_verified(target, false);
    int same = target->generation == 0
                   ? 0
                   : loaded_compare(&target->loaded, &target->maps, target->image.maps);
    if (same == -ESRCH)
        return fail_look(target, same, error);
    if (same != 1 || target->replaced || !verify_files(target))
        return target_look_at_all(target, error);
    return 0;
}

int target_verify(struct probe_target *target, uint64_t address, struct probe_error *error)
{
    struct mapping *mapping = (struct mapping *)maps_find(&target->maps, address);
    if (!mapping)
        return 0;
    int same = mapping->verified ? 1 : maps_compare_one(target->image.maps, mapping);
    if (same == -ESRCH)
        return fail_look(target, same, error);
    /* If the kernel cannot be asked for one, having read all of them will do. */
    mapping->verified = same == 1 || (same == -ENOTTY && target->read_anew);
    return mapping->verified;
}

int probe_target_stop(struct probe_target *target, struct probe_error *error)
{
    if (target->stop)
        return 0;
    if (!target->image.own)
        return error_set(error, EACCES, "process %d is not open", target->image.pid);
    const struct timespec deadline = clock_after(DEADLINE_OF_UPDATE);
    int status = tracee_begin(target->engine, target->image.pid, &deadline, &target->stop, error);
    if (status < 0)
        return status;
    status = image_check(target->engine, &target->image, error);
    if (status < 0)
        probe_target_resume(target);
    return status;
}

void probe_target_resume(struct probe_target *target)
{
    tracee_end(target->stop);
    target->stop = NULL;
}

pid_t probe_target_pid(const struct probe_target *target)
{
    return target->image.pid;
}

const struct probe_image_id *probe_target_id(const struct probe_target *target)
{
    return &target->image.id;
}

bool probe_target_is_own(const struct probe_target *target)
{
    return target->image.own;
}

int probe_target_ask(struct probe_target *target)
{
    struct mapping any;
    int status = image_ask(target->engine, &target->image);
    if (status < 0)
        return status;
    /*
     * maps is bound to the image's memory, and fails once that is nobody's any more. (A vfork child
     * can keep it alive for longer than its parent: so each use of the memory asks for more.)
     */
    status = maps_query(target->image.maps, 0, MAPS_ALL, &any);
    return status == 0 ? 0 : status == -ENOTTY ? target_check(target, NULL) : -ESRCH;
}

int probe_target_copy_image(const struct probe_target *target, struct probe_image *copy)
{
    return target->image.maps < 0 ? -EBADF : probe_image_copy(&target->image, copy);
}

uint64_t probe_target_generation(const struct probe_target *target)
{
    return target->generation;
}

enum probe_access probe_target_access(const struct probe_target *target)
{
    return target->image.mem < 0 ? PROBE_NAMES : target->image.access;
}

size_t probe_target_count(const struct probe_target *target)
{
    return target->probe_count;
}

const char *target_probe_name(const struct probe_target *target, const struct target_probe *probe)
{
    return target->parts[probe->first_part].probe->name;
}

const char *probe_target_name(const struct probe_target *target, size_t index)
{
    return target_probe_name(target, &target->probes[index]);
}

bool probe_target_is_switchable(const struct probe_target *target, size_t index)
{
    const struct target_probe *probe = &target->probes[index];
    for (uint32_t i = 0; i < probe->part_count; i++) {
        if (target->parts[probe->first_part + i].probe->counter_count > 0)
            return true;
    }
    return false;
}

ssize_t probe_target_find(const struct probe_target *target, const char *name)
{
    size_t low = 0;
    size_t high = target->probe_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(probe_target_name(target, middle), name);
        if (order == 0)
            return (ssize_t)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -ENOENT;
}

ssize_t probe_target_exe(struct probe_target *target, char *path, size_t size,
                         struct probe_error *error)
{
    ssize_t length = image_exe(target->engine, &target->image, path, size);
    if (length == -ENOENT && target_check(target, NULL) == 0)
        length = image_exe(target->engine, &target->image, path, size); /* of a live thread */
    int status = length < 0 ? 0 : target_check(target, error);
    if (length < 0)
        return error_set(error, (int)-length, "process %d: cannot read the link to its program: %s",
                         target->image.pid, strerror((int)-length));
    return status < 0 ? status : length;
}

int probe_target_check_program(const struct probe_target *target, const char *path,
                               struct probe_error *error)
{
    struct probe_image image = target->image; /* which keeps its descriptors */
    if (image.maps < 0)
        return error_set(error, EBADF, "process %d is not open", image.pid);
    /* Before as well: it finds a live thread, whose program can be asked for. */
    int status = image_check(target->engine, &image, error);
    int runs = status < 0 ? 0 : image_runs(target->engine, &image, path);
    if (status == 0)
        status = image_check(target->engine, &image, error);
    if (status < 0 || runs == 0)
        return status;
    if (runs != -ESTALE)
        return error_set(error, -runs, "process %d: cannot compare its program with '%s': %s",
                         image.pid, path, strerror(-runs));
    char program[PATH_MAX];
    char shown[256] = "another program";
    ssize_t length = image_exe(target->engine, &image, program, sizeof(program));
    if (length > 0)
        text_escape(program, (size_t)length, false, shown, sizeof(shown));
    return error_set(error, ESTALE, "process %d runs '%s', and not the file that is '%s' now",
                     image.pid, shown, path);
}

static const struct problem *get_problem(const struct probe_target *target, size_t i)
{
    return problems_get(&target->problems, i, target->probe_count == 0);
}

const char *probe_target_problem(const struct probe_target *target, size_t i)
{
    const struct problem *problem = get_problem(target, i);
    return problem ? problem->sentence : NULL;
}

enum probe_reason probe_target_problem_reason(const struct probe_target *target, size_t i)
{
    return get_problem(target, i)->reason;
}

int target_site_bytes(struct probe_target *target, const struct loaded *loaded,
                      const uint8_t (**bytes)[SITE_LENGTH], struct probe_error *error)
{
    int fd = -EIO;
    if (!object_sites_are_read(loaded->object)) {
        for (size_t i = 0; i < target->maps.count; i++) {
            const struct mapping *mapping = &target->maps.items[i];
            if (mapping->inode == loaded->inode && mapping->device == loaded->device) {
                fd = image_open_file(target->engine, &target->image, mapping);
                break;
            }
        }
        if (fd < 0)
            return error_set(error, -fd, "cannot open object '%s' again: %s", loaded->path,
                             strerror(-fd));
    }
    int status = object_read_sites(loaded->object, fd, bytes, error);
    if (fd >= 0)
        close(fd);
    return status;
}

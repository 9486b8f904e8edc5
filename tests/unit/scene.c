/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include "unit.h"

const uint8_t file_site[SITE_LENGTH] = {NOP, OFF, 1, 2, 3, 4};

struct scene *scene_new(size_t room)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->snapshot.probes = calloc(room, sizeof(*scene->snapshot.probes));
    scene->snapshot.counters = calloc(room, sizeof(*scene->snapshot.counters));
    scene->snapshot.sites = calloc(room, sizeof(*scene->snapshot.sites));
    assert_non_null(scene->snapshot.probes);
    assert_non_null(scene->snapshot.counters);
    assert_non_null(scene->snapshot.sites);
    scene->file = file_site;
    return scene;
}

void scene_free(struct scene *scene)
{
    snapshot_done(&scene->snapshot);
    free(scene);
}

void add_probe(struct scene *scene, const char *name)
{
    struct probe_snapshot *snapshot = &scene->snapshot;
    snapshot->probes[snapshot->probe_count++] = (struct snapshot_probe){
        .name = name,
        .first_counter = snapshot->counter_count,
        .first_site = snapshot->site_count,
    };
}

struct snapshot_counter *add_counter(struct scene *scene, unsigned int value)
{
    struct probe_snapshot *snapshot = &scene->snapshot;
    struct snapshot_counter *counter = &snapshot->counters[snapshot->counter_count];
    *counter = (struct snapshot_counter){
        .address = COUNTER_AT + DISTANCE * snapshot->counter_count,
        .value = (uint16_t)value,
    };
    snapshot->counter_count++;
    snapshot->probes[snapshot->probe_count - 1].counter_count++;
    return counter;
}

struct snapshot_site *add_site(struct scene *scene, uint8_t byte)
{
    struct probe_snapshot *snapshot = &scene->snapshot;
    struct snapshot_site *site = &snapshot->sites[snapshot->site_count];
    *site = (struct snapshot_site){
        .address = SITE_AT + DISTANCE * snapshot->site_count,
        .counter = snapshot->counter_count - 1,
        .index = (uint32_t)snapshot->site_count,
        .patched = true,
    };
    memcpy(site->bytes, file_site, SITE_LENGTH);
    site->bytes[1] = byte;
    snapshot->site_count++;
    snapshot->probes[snapshot->probe_count - 1].site_count++;
    return site;
}

static const uint8_t *file_bytes(void *data, const struct snapshot_site *site)
{
    const struct scene *scene = data;
    (void)site;
    return scene->file;
}

int scene_plan(struct scene *scene, const struct plan_change *changes, size_t count,
               struct plan *plan, struct probe_error *error)
{
    return plan_make(&scene->snapshot, changes, count, file_bytes, scene, plan, error);
}

void check_steps(struct scene *scene, const struct plan_change *changes, size_t count,
                 const struct plan_step *steps, size_t step_count)
{
    struct plan plan;
    struct probe_error error = {.text = ""};
    int status = scene_plan(scene, changes, count, &plan, &error);
    if (status != 0)
        fail_msg("status %d: %s", status, error.text);
    assert_int_equal(plan.count, step_count);
    for (size_t i = 0; i < step_count; i++) {
        assert_true(plan.steps[i].address == steps[i].address);
        assert_int_equal(plan.steps[i].is_site, steps[i].is_site);
        assert_int_equal(plan.steps[i].old, steps[i].old);
        assert_int_equal(plan.steps[i].new, steps[i].new);
    }
    plan_done(&plan);
    assert_null(plan.steps);
}

void check_change(struct scene *scene, enum probe_action action, unsigned int value,
                  const struct plan_step *steps, size_t step_count)
{
    const struct plan_change change = {.action = action, .value = value};
    check_steps(scene, &change, 1, steps, step_count);
}

void check_refused(struct scene *scene, const struct plan_change *changes, size_t count, int errnum,
                   const char *what)
{
    struct plan_step step = {0};
    struct plan plan = {&step, 99};
    struct probe_error error = {.text = ""};
    assert_int_equal(scene_plan(scene, changes, count, &plan, &error), -errnum);
    assert_sentence(error, what);
    assert_ptr_equal(plan.steps, &step);
    assert_int_equal(plan.count, 99);
    assert_int_equal(scene_plan(scene, changes, count, &plan, NULL), -errnum);
}

void check_one_refused(struct scene *scene, enum probe_action action, unsigned int value,
                       int errnum)
{
    const struct plan_change change = {.action = action, .value = value};
    check_refused(scene, &change, 1, errnum, "'gc'");
}

struct scene *gc_scene(unsigned int value, uint8_t first, uint8_t second)
{
    struct scene *scene = scene_new(16);
    add_probe(scene, "gc");
    add_counter(scene, value);
    add_site(scene, first);
    add_site(scene, second);
    return scene;
}

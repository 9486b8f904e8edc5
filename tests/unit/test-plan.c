/* SPDX-License-Identifier: MIT */
/*
 * The update planner and the state of a snapshot, on snapshots made by hand. A scene has counters
 * at 0x1000, 0x1010, ... and sites at 0x2000, 0x2010, ... .
 */
#include "unit.h"

#include "plan.h"

#include <errno.h>

enum { COUNTER_AT = 0x1000, SITE_AT = 0x2000, DISTANCE = 0x10, MANY = 10000 };
enum { OFF = 0x3d, ON = 0xe8, NOP = 0x90, BREAKPOINT = 0xcc };

/* The file has the same bytes at every site, unless a test says otherwise. */
static const uint8_t file_site[SITE_LENGTH] = {NOP, OFF, 1, 2, 3, 4};

struct scene {
    struct probe_snapshot snapshot;
    const uint8_t *file;
};

static struct scene *scene_new(size_t room)
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

static void scene_free(struct scene *scene)
{
    snapshot_done(&scene->snapshot);
    free(scene);
}

static void add_probe(struct scene *scene, const char *name)
{
    struct probe_snapshot *snapshot = &scene->snapshot;
    snapshot->probes[snapshot->probe_count++] = (struct snapshot_probe){
        .name = name,
        .first_counter = snapshot->counter_count,
        .first_site = snapshot->site_count,
    };
}

static struct snapshot_counter *add_counter(struct scene *scene, unsigned int value)
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

/* A site of the last probe, which goes with its last counter. */
static struct snapshot_site *add_site(struct scene *scene, uint8_t byte)
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

static int make(struct scene *scene, const struct plan_change *changes, size_t count,
                struct plan *plan, struct probe_error *error)
{
    return plan_make(&scene->snapshot, changes, count, file_bytes, scene, plan, error);
}

static void check_steps(struct scene *scene, const struct plan_change *changes, size_t count,
                        const struct plan_step *steps, size_t step_count)
{
    struct plan plan;
    struct probe_error error = {""};
    int status = make(scene, changes, count, &plan, &error);
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

/* One change of probe 0, and the steps that it takes. */
static void check_change(struct scene *scene, enum probe_action action, unsigned int value,
                         const struct plan_step *steps, size_t step_count)
{
    const struct plan_change change = {.action = action, .value = value};
    check_steps(scene, &change, 1, steps, step_count);
}

/* The changes are refused with ERRNUM, and the sentence names WHAT; the plan is untouched. */
static void check_refused(struct scene *scene, const struct plan_change *changes, size_t count,
                          int errnum, const char *what)
{
    struct plan_step step = {0};
    struct plan plan = {&step, 99};
    struct probe_error error = {""};
    assert_int_equal(make(scene, changes, count, &plan, &error), -errnum);
    assert_sentence(error, what);
    assert_ptr_equal(plan.steps, &step);
    assert_int_equal(plan.count, 99);
    assert_int_equal(make(scene, changes, count, &plan, NULL), -errnum);
}

static void check_one_refused(struct scene *scene, enum probe_action action, unsigned int value,
                              int errnum)
{
    const struct plan_change change = {.action = action, .value = value};
    check_refused(scene, &change, 1, errnum, "'gc'");
}

#define CHANGE(which, wanted, number)                                                              \
    {                                                                                              \
        .probe = (which), .action = (wanted), .value = (number)                                    \
    }
#define COUNTER(i, old, new)                                                                       \
    {                                                                                              \
        COUNTER_AT + DISTANCE *(i), false, old, new                                                \
    }
/* The switch is the second byte. */
#define SITE(i, old, new)                                                                          \
    {                                                                                              \
        SITE_AT + DISTANCE *(i) + 1, true, old, new                                                \
    }
#define STEPS(...)                                                                                 \
    (const struct plan_step[]){__VA_ARGS__}, ARRAY_LENGTH(((const struct plan_step[]){__VA_ARGS__}))
#define NO_STEPS NULL, 0

/* Probe "gc": one counter, two sites. */
static struct scene *gc_scene(unsigned int value, uint8_t first, uint8_t second)
{
    struct scene *scene = scene_new(16);
    add_probe(scene, "gc");
    add_counter(scene, value);
    add_site(scene, first);
    add_site(scene, second);
    return scene;
}

/* ---- on and off -------------------------------------------------------------------------- */

static void test_on_writes_the_counter_first(void **state)
{
    (void)state;
    struct scene *scene = gc_scene(0, OFF, OFF);
    check_change(scene, PROBE_SWITCH_ON, 0,
                 STEPS(COUNTER(0, 0, 1), SITE(0, OFF, ON), SITE(1, OFF, ON)));
    scene_free(scene);
}

static void test_off_writes_the_counter_last(void **state)
{
    (void)state;
    struct scene *scene = gc_scene(7, ON, ON);
    check_change(scene, PROBE_SWITCH_OFF, 0,
                 STEPS(SITE(0, ON, OFF), SITE(1, ON, OFF), COUNTER(0, 7, 0)));
    scene_free(scene);
}

static void test_nothing_to_do(void **state)
{
    (void)state;
    struct scene *scene = gc_scene(0, OFF, OFF);
    check_change(scene, PROBE_SWITCH_OFF, 0, NO_STEPS);
    check_steps(scene, NULL, 0, NO_STEPS);
    scene_free(scene);
    scene = gc_scene(3, ON, ON); /* on keeps what is above 0 */
    check_change(scene, PROBE_SWITCH_ON, 0, NO_STEPS);
    check_change(scene, PROBE_COUNT_SET, 3, NO_STEPS);
    scene_free(scene);
}

static void test_x_is_mended(void **state)
{
    (void)state;
    struct scene *scene = gc_scene(3, OFF, ON); /* one of two sites */
    check_change(scene, PROBE_SWITCH_ON, 0, STEPS(SITE(0, OFF, ON)));
    check_change(scene, PROBE_SWITCH_OFF, 0, STEPS(SITE(1, ON, OFF), COUNTER(0, 3, 0)));
    check_change(scene, PROBE_COUNT_ADD, 0, STEPS(COUNTER(0, 3, 4), SITE(0, OFF, ON)));
    scene_free(scene);
    scene = gc_scene(0, ON, ON); /* sites without a counter */
    check_change(scene, PROBE_SWITCH_ON, 0, STEPS(COUNTER(0, 0, 1)));
    check_change(scene, PROBE_SWITCH_OFF, 0, STEPS(SITE(0, ON, OFF), SITE(1, ON, OFF)));
    scene_free(scene);
    scene = gc_scene(1, OFF, OFF); /* a counter without sites */
    check_change(scene, PROBE_SWITCH_ON, 0, STEPS(SITE(0, OFF, ON), SITE(1, OFF, ON)));
    check_change(scene, PROBE_SWITCH_OFF, 0, STEPS(COUNTER(0, 1, 0)));
    scene_free(scene);
}

static void test_a_probe_without_sites(void **state)
{
    (void)state;
    struct scene *scene = scene_new(1);
    add_probe(scene, "gc");
    add_counter(scene, 0);
    check_change(scene, PROBE_SWITCH_ON, 0, STEPS(COUNTER(0, 0, 1)));
    scene_free(scene);
}

static void test_sites_that_are_not_patched(void **state)
{
    (void)state;
    struct scene *scene = gc_scene(0, OFF, OFF);
    scene->snapshot.sites[0].patched = false;
    scene->snapshot.sites[1].patched = false;
    memset(scene->snapshot.sites[0].bytes, 0, SITE_LENGTH); /* any code at all */
    check_change(scene, PROBE_SWITCH_ON, 0, STEPS(COUNTER(0, 0, 1)));
    scene_free(scene);
}

/* ---- counting ---------------------------------------------------------------------------- */

static void test_references(void **state)
{
    (void)state;
    struct scene *scene = gc_scene(0, OFF, OFF);
    check_change(scene, PROBE_COUNT_ADD, 0,
                 STEPS(COUNTER(0, 0, 1), SITE(0, OFF, ON), SITE(1, OFF, ON)));
    scene_free(scene);
    scene = gc_scene(1, ON, ON);
    check_change(scene, PROBE_COUNT_ADD, 0, STEPS(COUNTER(0, 1, 2)));
    check_change(scene, PROBE_COUNT_SUBTRACT, 0,
                 STEPS(SITE(0, ON, OFF), SITE(1, ON, OFF), COUNTER(0, 1, 0)));
    scene_free(scene);
    scene = gc_scene(2, ON, ON);
    check_change(scene, PROBE_COUNT_SUBTRACT, 0, STEPS(COUNTER(0, 2, 1)));
    check_change(scene, PROBE_COUNT_SET, 65535, STEPS(COUNTER(0, 2, 65535)));
    check_change(scene, PROBE_COUNT_SET, 0,
                 STEPS(SITE(0, ON, OFF), SITE(1, ON, OFF), COUNTER(0, 2, 0)));
    scene_free(scene);
}

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        bool kernel_counts;
        unsigned int now;
        enum probe_action action;
        unsigned int value;
        int errnum; /* 0: it becomes `new` */
        unsigned int new;
    } rows[] = {
        {false, 65534, PROBE_COUNT_ADD, 0, 0, 65535},
        {false, 65535, PROBE_COUNT_ADD, 0, EOVERFLOW, 0},
        {false, 65535, PROBE_COUNT_SUBTRACT, 0, 0, 65534},
        {false, 0, PROBE_COUNT_SUBTRACT, 0, ERANGE, 0},
        {false, 1, PROBE_COUNT_SET, 65535, 0, 65535},
        {false, 1, PROBE_COUNT_SET, 65536, ERANGE, 0},
        {false, 0, PROBE_COUNT_SET, 65536, ERANGE, 0},
        {false, 1, PROBE_COUNT_SET, UINT32_MAX, ERANGE, 0},
        {false, 40000, PROBE_COUNT_ADD, 0, 0, 40001},
        {true, 32766, PROBE_COUNT_ADD, 0, 0, 32767},
        {true, 32767, PROBE_COUNT_ADD, 0, EOVERFLOW, 0},
        {true, 40000, PROBE_COUNT_ADD, 0, EOVERFLOW, 0}, /* an outside hand wrote that */
        {true, 40000, PROBE_COUNT_SUBTRACT, 0, 0, 39999},
        {true, 0, PROBE_COUNT_SUBTRACT, 0, ERANGE, 0},
        {true, 1, PROBE_COUNT_SET, 32767, 0, 32767},
        {true, 1, PROBE_COUNT_SET, 32768, ERANGE, 0},
        {true, 1, PROBE_COUNT_SET, 65535, ERANGE, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct scene *scene = scene_new(1);
        add_probe(scene, "gc");
        add_counter(scene, rows[i].now)->kernel_counts = rows[i].kernel_counts;
        if (rows[i].errnum)
            check_one_refused(scene, rows[i].action, rows[i].value, rows[i].errnum);
        else
            check_change(scene, rows[i].action, rows[i].value,
                         STEPS(COUNTER(0, (uint16_t)rows[i].now, (uint16_t)rows[i].new)));
        scene_free(scene);
    }
}

static void test_all_counters_or_none(void **state)
{
    (void)state;
    struct scene *scene = scene_new(4);
    add_probe(scene, "gc");
    add_counter(scene, 1);
    add_counter(scene, 0);
    check_one_refused(scene, PROBE_COUNT_SUBTRACT, 0, ERANGE);
    check_change(scene, PROBE_COUNT_ADD, 0, STEPS(COUNTER(0, 1, 2), COUNTER(1, 0, 1)));
    check_change(scene, PROBE_SWITCH_ON, 0, STEPS(COUNTER(1, 0, 1)));
    scene_free(scene);
}

static void test_each_site_follows_its_own_counter(void **state)
{
    (void)state;
    struct scene *scene = scene_new(4);
    add_probe(scene, "gc");
    add_counter(scene, 2);
    add_site(scene, ON);
    add_counter(scene, 1);
    add_site(scene, ON);
    check_change(scene, PROBE_COUNT_SUBTRACT, 0,
                 STEPS(SITE(1, ON, OFF), COUNTER(0, 2, 1), COUNTER(1, 1, 0)));
    scene_free(scene);
}

/* ---- several probes ----------------------------------------------------------------------- */

/* Probes "start" and "stop", a site each. */
static struct scene *pair_scene(unsigned int value, uint8_t byte)
{
    struct scene *scene = scene_new(4);
    add_probe(scene, "start");
    add_counter(scene, value);
    add_site(scene, byte);
    add_probe(scene, "stop");
    add_counter(scene, value);
    add_site(scene, byte);
    return scene;
}

static void test_in_the_order_of_the_changes(void **state)
{
    (void)state;
    struct scene *scene = pair_scene(0, OFF);
    const struct plan_change on[] = {CHANGE(1, PROBE_SWITCH_ON, 0), CHANGE(0, PROBE_SWITCH_ON, 0)};
    check_steps(scene, on, 2,
                STEPS(COUNTER(1, 0, 1), SITE(1, OFF, ON), COUNTER(0, 0, 1), SITE(0, OFF, ON)));
    scene_free(scene);
    scene = pair_scene(1, ON);
    const struct plan_change off[] = {CHANGE(0, PROBE_SWITCH_OFF, 0),
                                      CHANGE(1, PROBE_SWITCH_OFF, 0)};
    check_steps(scene, off, 2,
                STEPS(SITE(0, ON, OFF), COUNTER(0, 1, 0), SITE(1, ON, OFF), COUNTER(1, 1, 0)));
    const struct plan_change both[] = {CHANGE(1, PROBE_COUNT_ADD, 0),
                                       CHANGE(0, PROBE_SWITCH_OFF, 0)};
    check_steps(scene, both, 2, STEPS(COUNTER(1, 1, 2), SITE(0, ON, OFF), COUNTER(0, 1, 0)));
    scene_free(scene);
}

static void test_only_what_was_asked_for(void **state)
{
    (void)state;
    struct scene *scene = pair_scene(0, OFF);
    const struct plan_change stop = CHANGE(1, PROBE_SWITCH_ON, 0);
    check_steps(scene, &stop, 1, STEPS(COUNTER(1, 0, 1), SITE(1, OFF, ON)));
    scene_free(scene);
}

/* The same pair, with one counter for both. */
static struct scene *shared_scene(unsigned int value, uint8_t byte)
{
    struct scene *scene = pair_scene(value, byte);
    scene->snapshot.counters[1].address = scene->snapshot.counters[0].address;
    return scene;
}

static void test_a_shared_counter_counts_once(void **state)
{
    (void)state;
    struct scene *scene = shared_scene(0, OFF);
    const struct plan_change add[] = {CHANGE(0, PROBE_COUNT_ADD, 0), CHANGE(1, PROBE_COUNT_ADD, 0)};
    check_steps(scene, add, 2, STEPS(COUNTER(0, 0, 1), SITE(0, OFF, ON), SITE(1, OFF, ON)));
    const struct plan_change set[] = {CHANGE(0, PROBE_COUNT_SET, 5), CHANGE(1, PROBE_COUNT_SET, 5)};
    check_steps(scene, set, 2, STEPS(COUNTER(0, 0, 5), SITE(0, OFF, ON), SITE(1, OFF, ON)));
    scene_free(scene);
    scene = shared_scene(1, ON);
    const struct plan_change subtract[] = {CHANGE(0, PROBE_COUNT_SUBTRACT, 0),
                                           CHANGE(1, PROBE_COUNT_SUBTRACT, 0)};
    struct plan plan;
    assert_int_equal(make(scene, subtract, 2, &plan, NULL), 0);
    size_t writes = 0;
    for (size_t i = 0; i < plan.count; i++)
        writes += !plan.steps[i].is_site;
    assert_int_equal(writes, 1);
    assert_int_equal(plan.count, 3);
    plan_done(&plan);
    scene_free(scene);
}

static void test_a_shared_counter_cannot_have_two_values(void **state)
{
    (void)state;
    static const struct plan_change rows[][2] = {
        {CHANGE(0, PROBE_SWITCH_ON, 0), CHANGE(1, PROBE_SWITCH_OFF, 0)},
        {CHANGE(0, PROBE_SWITCH_ON, 0), CHANGE(1, PROBE_COUNT_ADD, 0)},
        {CHANGE(0, PROBE_COUNT_ADD, 0), CHANGE(1, PROBE_COUNT_SUBTRACT, 0)},
        {CHANGE(0, PROBE_COUNT_SET, 3), CHANGE(1, PROBE_COUNT_SET, 4)},
    };
    struct scene *scene = shared_scene(1, ON);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        check_refused(scene, rows[i], 2, EINVAL, "'start'");
        check_refused(scene, rows[i], 2, EINVAL, "'stop'");
        check_refused(scene, rows[i], 2, EINVAL, "0x1000");
    }
    scene_free(scene);
}

static void test_one_that_cannot_be_stops_all(void **state)
{
    (void)state;
    struct scene *scene = pair_scene(0, OFF);
    scene->snapshot.counters[1].value = 65535;
    const struct plan_change add[] = {CHANGE(0, PROBE_COUNT_ADD, 0), CHANGE(1, PROBE_COUNT_ADD, 0)};
    check_refused(scene, add, 2, EOVERFLOW, "'stop'");
    scene_free(scene);
}

static void test_many(void **state)
{
    (void)state;
    struct scene *scene = scene_new(MANY);
    struct plan_change *changes = calloc(MANY, sizeof(*changes));
    struct plan plan;
    assert_non_null(changes);
    for (size_t i = 0; i < MANY; i++) {
        add_probe(scene, "gc");
        add_counter(scene, 0);
        add_site(scene, OFF);
        changes[i] = (struct plan_change)CHANGE(i, PROBE_SWITCH_ON, 0);
    }
    assert_int_equal(make(scene, changes, MANY, &plan, NULL), 0);
    assert_int_equal(plan.count, 2 * MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(plan.steps[2 * i].address == COUNTER_AT + DISTANCE * i);
        assert_true(plan.steps[2 * i + 1].address == SITE_AT + DISTANCE * i + 1);
    }
    plan_done(&plan);
    free(changes);
    scene_free(scene);
}

/* ---- sites that are none ------------------------------------------------------------------ */

static void test_what_is_no_site_is_refused(void **state)
{
    (void)state;
    static const enum probe_action actions[] = {PROBE_SWITCH_ON, PROBE_SWITCH_OFF, PROBE_COUNT_ADD,
                                                PROBE_COUNT_SUBTRACT, PROBE_COUNT_SET};
    for (size_t a = 0; a < ARRAY_LENGTH(actions); a++) {
        for (size_t at = 0; at < SITE_LENGTH; at++) {
            struct scene *scene = gc_scene(1, ON, ON);
            /* A debugger's breakpoint anywhere but on the nop. */
            scene->snapshot.sites[1].bytes[at] = at == 0 ? 0x0f : BREAKPOINT;
            check_one_refused(scene, actions[a], 0, ENOEXEC);
            scene_free(scene);
        }
    }
}

static void test_a_file_without_a_site_is_refused(void **state)
{
    (void)state;
    static const uint8_t code[SITE_LENGTH] = {0x55, 0x48, 1, 2, 3, 4};
    struct scene *scene = gc_scene(0, OFF, OFF);
    scene->file = code;
    check_one_refused(scene, PROBE_SWITCH_ON, 0, ENOEXEC);
    scene_free(scene);
}

/* ---- kernel tracers ----------------------------------------------------------------------- */

/* The sentence names the counter, which several probes may share. */
static void check_traced(struct scene *scene, enum probe_action action, unsigned int value,
                         int errnum)
{
    const struct plan_change change = {.action = action, .value = value};
    check_refused(scene, &change, 1, errnum, "0x1000");
}

static void test_kernel_traced(void **state)
{
    (void)state;
    static const struct {
        bool patched, kernel_counts;
        uint8_t first;
        enum probe_action action;
        unsigned int value;
        int errnum;
    } rows[] = {
        {false, true, BREAKPOINT, PROBE_SWITCH_OFF, 0, EBUSY},
        {false, true, BREAKPOINT, PROBE_COUNT_SET, 0, EBUSY},
        {false, true, BREAKPOINT, PROBE_COUNT_SET, 5, EBUSY},
        {false, true, ON, PROBE_SWITCH_OFF, 0, EBUSY}, /* the kernel's own call */
        {false, true, BREAKPOINT, PROBE_SWITCH_ON, 0, 0},
        {false, true, BREAKPOINT, PROBE_COUNT_ADD, 0, 0},
        {false, true, BREAKPOINT, PROBE_COUNT_SUBTRACT, 0, 0},
        {false, true, NOP, PROBE_SWITCH_OFF, 0, 0},
        {true, true, BREAKPOINT, PROBE_SWITCH_OFF, 0, EBUSY},
        {true, true, BREAKPOINT, PROBE_COUNT_ADD, 0, 0},
        /* Where the kernel does not count, its tracer is not disturbed. */
        {true, false, BREAKPOINT, PROBE_SWITCH_OFF, 0, 0},
        {true, false, BREAKPOINT, PROBE_COUNT_SET, 5, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct scene *scene = gc_scene(2, ON, ON);
        struct plan plan;
        scene->snapshot.counters[0].kernel_counts = rows[i].kernel_counts;
        for (size_t s = 0; s < 2; s++)
            scene->snapshot.sites[s].patched = rows[i].patched;
        scene->snapshot.sites[1].bytes[0] = rows[i].first;
        if (rows[i].errnum) {
            check_traced(scene, rows[i].action, rows[i].value, rows[i].errnum);
        } else {
            const struct plan_change change = {.action = rows[i].action, .value = rows[i].value};
            assert_int_equal(make(scene, &change, 1, &plan, NULL), 0);
            plan_done(&plan);
        }
        scene_free(scene);
    }
}

/* ---- giving back -------------------------------------------------------------------------- */

/* A reference that was taken from some counters leaves the others alone. */
static void test_giving_back(void **state)
{
    (void)state;
    struct scene *scene = scene_new(4);
    add_probe(scene, "gc");
    for (unsigned int value = 2; value <= 4; value++) {
        add_counter(scene, value % 4); /* 2, 3 and 0: that one was reset meanwhile */
        add_site(scene, value % 4 ? ON : OFF);
    }
    const uint64_t all[] = {COUNTER_AT, COUNTER_AT + DISTANCE, COUNTER_AT + 2 * DISTANCE};
    const uint64_t others[] = {0, COUNTER_AT + 1, UINT64_MAX};
    struct plan_change change = {.action = PROBE_COUNT_SUBTRACT, .only = all, .only_count = 3};
    check_steps(scene, &change, 1, STEPS(COUNTER(0, 2, 1), COUNTER(1, 3, 2)));
    change.only_count = 1;
    check_steps(scene, &change, 1, STEPS(COUNTER(0, 2, 1)));
    change.only = all + 2;
    check_steps(scene, &change, 1, NO_STEPS);
    change.only_count = 0;
    check_steps(scene, &change, 1, NO_STEPS);
    change.only = others;
    change.only_count = 3;
    check_steps(scene, &change, 1, NO_STEPS);
    change.only = NULL; /* no reference: a write of -1 */
    check_refused(scene, &change, 1, ERANGE, "'gc'");
    scene_free(scene);
}

static void test_who_forgets_references(void **state)
{
    (void)state;
    static const struct {
        enum probe_action action;
        bool forgets;
    } rows[] = {{PROBE_SWITCH_OFF, true},
                {PROBE_SWITCH_ON, false},
                {PROBE_COUNT_ADD, false},
                {PROBE_COUNT_SUBTRACT, false},
                {PROBE_COUNT_SET, true}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct plan_change change = {.action = rows[i].action};
        assert_int_equal(plan_forgets_references(&change), rows[i].forgets);
    }
}

/* ---- states ------------------------------------------------------------------------------- */

static void test_states(void **state)
{
    (void)state;
    static const struct {
        unsigned int value;
        uint8_t first, second;
        enum probe_state state;
    } rows[] = {
        {0, OFF, OFF, PROBE_OFF},          {1, ON, ON, PROBE_ON},
        {65535, ON, ON, PROBE_ON},         {1, OFF, OFF, PROBE_MIXED},
        {0, ON, ON, PROBE_MIXED},          {1, ON, OFF, PROBE_MIXED},
        {0, ON, OFF, PROBE_MIXED},         {1, BREAKPOINT, ON, PROBE_MIXED},
        {0, OFF, BREAKPOINT, PROBE_MIXED},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct scene *scene = gc_scene(rows[i].value, rows[i].first, rows[i].second);
        assert_int_equal(probe_snapshot_state(&scene->snapshot, 0), rows[i].state);
        scene->snapshot.sites[0].foreign = true;
        assert_int_equal(probe_snapshot_state(&scene->snapshot, 0), PROBE_MIXED);
        scene_free(scene);
    }
}

static void test_states_of_several_counters(void **state)
{
    (void)state;
    struct scene *scene = scene_new(4);
    add_probe(scene, "gc");
    add_counter(scene, 1);
    add_counter(scene, 0);
    add_probe(scene, "other");
    add_counter(scene, 3);
    add_site(scene, OFF)->patched = false; /* what stands there says nothing */
    assert_int_equal(probe_snapshot_state(&scene->snapshot, 0), PROBE_MIXED);
    assert_int_equal(probe_snapshot_state(&scene->snapshot, 1), PROBE_ON);
    scene->snapshot.counters[1].value = 9;
    assert_int_equal(probe_snapshot_state(&scene->snapshot, 0), PROBE_ON);
    scene->snapshot.counters[0].value = scene->snapshot.counters[1].value = 0;
    assert_int_equal(probe_snapshot_state(&scene->snapshot, 0), PROBE_OFF);
    scene_free(scene);
}

static void test_states_joined(void **state)
{
    (void)state;
    static const enum probe_state states[] = {PROBE_OFF, PROBE_OFF,   PROBE_ON,
                                              PROBE_ON,  PROBE_MIXED, PROBE_MIXED};
    assert_int_equal(probe_state_join(states, 0), PROBE_OFF);
    assert_int_equal(probe_state_join(states, 1), PROBE_OFF);
    assert_int_equal(probe_state_join(states, 2), PROBE_OFF);
    assert_int_equal(probe_state_join(states, 3), PROBE_MIXED);
    assert_int_equal(probe_state_join(states + 2, 2), PROBE_ON);
    assert_int_equal(probe_state_join(states + 2, 3), PROBE_MIXED);
    assert_int_equal(probe_state_join(states + 4, 2), PROBE_MIXED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_writes_the_counter_first),
        cmocka_unit_test(test_off_writes_the_counter_last),
        cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_x_is_mended),
        cmocka_unit_test(test_a_probe_without_sites),
        cmocka_unit_test(test_sites_that_are_not_patched),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_all_counters_or_none),
        cmocka_unit_test(test_each_site_follows_its_own_counter),
        cmocka_unit_test(test_in_the_order_of_the_changes),
        cmocka_unit_test(test_only_what_was_asked_for),
        cmocka_unit_test(test_a_shared_counter_counts_once),
        cmocka_unit_test(test_a_shared_counter_cannot_have_two_values),
        cmocka_unit_test(test_one_that_cannot_be_stops_all),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_what_is_no_site_is_refused),
        cmocka_unit_test(test_a_file_without_a_site_is_refused),
        cmocka_unit_test(test_kernel_traced),
        cmocka_unit_test(test_giving_back),
        cmocka_unit_test(test_who_forgets_references),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_states_of_several_counters),
        cmocka_unit_test(test_states_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The update planner: which steps an update takes, and in which order. See scene.h. */
#include "unit.h"

#include "scene.h"

#include <errno.h>

enum { MANY = 10000 };

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

/* Whatever an outside hand made of it: a counter above 0 is on, and the sites follow. */
static void test_a_counter_beyond_the_limit_is_on(void **state)
{
    (void)state;
    struct scene *scene = gc_scene(40000, ON, OFF);
    scene->snapshot.counters[0].kernel_counts = true;
    check_change(scene, PROBE_SWITCH_ON, 0, STEPS(SITE(1, OFF, ON)));
    scene_free(scene);
}

/* A probe of the format in whose counters the kernel counts, with breakpoints on both sites. */
static struct scene *watched_scene(unsigned int value, uint8_t first, uint8_t second)
{
    struct scene *scene = gc_scene(value, first, second);
    scene->snapshot.counters[0].kernel_counts = true;
    scene->snapshot.sites[0].bytes[0] = scene->snapshot.sites[1].bytes[0] = BREAKPOINT;
    snapshot_find_references(&scene->snapshot);
    return scene;
}

static void test_the_kernels_references_switch_nothing(void **state)
{
    (void)state;
    struct scene *scene = watched_scene(2, OFF, OFF); /* both are the kernel's */
    check_change(scene, PROBE_SWITCH_ON, 0,
                 STEPS(COUNTER(0, 2, 3), SITE(0, OFF, ON), SITE(1, OFF, ON)));
    check_change(scene, PROBE_COUNT_ADD, 0,
                 STEPS(COUNTER(0, 2, 3), SITE(0, OFF, ON), SITE(1, OFF, ON)));
    check_one_refused(scene, PROBE_COUNT_SUBTRACT, 0, ERANGE);
    const struct plan_change off = CHANGE(0, PROBE_SWITCH_OFF, 0);
    check_refused(scene, &off, 1, EBUSY, "kernel tracer");
    scene_free(scene);
    scene = watched_scene(3, ON, ON); /* and one of somebody's */
    check_change(scene, PROBE_SWITCH_ON, 0, NO_STEPS);
    check_change(scene, PROBE_COUNT_SUBTRACT, 0,
                 STEPS(SITE(0, ON, OFF), SITE(1, ON, OFF), COUNTER(0, 3, 2)));
    scene_free(scene);
    scene = watched_scene(1, ON, ON); /* a debugger's breakpoints, which count nothing */
    check_change(scene, PROBE_SWITCH_ON, 0, NO_STEPS);
    check_change(scene, PROBE_COUNT_SUBTRACT, 0,
                 STEPS(SITE(0, ON, OFF), SITE(1, ON, OFF), COUNTER(0, 1, 0)));
    scene_free(scene);
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
    assert_int_equal(scene_plan(scene, subtract, 2, &plan, NULL), 0);
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
    assert_int_equal(scene_plan(scene, changes, MANY, &plan, NULL), 0);
    assert_int_equal(plan.count, 2 * MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(plan.steps[2 * i].address == COUNTER_AT + DISTANCE * i);
        assert_true(plan.steps[2 * i + 1].address == SITE_AT + DISTANCE * i + 1);
    }
    plan_done(&plan);
    free(changes);
    scene_free(scene);
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
        cmocka_unit_test(test_a_counter_beyond_the_limit_is_on),
        cmocka_unit_test(test_the_kernels_references_switch_nothing),
        cmocka_unit_test(test_all_counters_or_none),
        cmocka_unit_test(test_each_site_follows_its_own_counter),
        cmocka_unit_test(test_in_the_order_of_the_changes),
        cmocka_unit_test(test_only_what_was_asked_for),
        cmocka_unit_test(test_a_shared_counter_counts_once),
        cmocka_unit_test(test_a_shared_counter_cannot_have_two_values),
        cmocka_unit_test(test_one_that_cannot_be_stops_all),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_giving_back),
        cmocka_unit_test(test_who_forgets_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

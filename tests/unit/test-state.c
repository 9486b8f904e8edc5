/* SPDX-License-Identifier: MIT */
/* The state of a probe, by its counters and sites. */
#include "unit.h"

#include "arch/arch.h"
#include "scene.h"

#include <errno.h>

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

/* All rows of sites that can be made of a few: as many together as each alone. */
static void test_states_at_once(void **state)
{
    (void)state;
    enum { KINDS = 8, SITES = 3, STEP = 9 };
    static const uint8_t kinds[KINDS][SITE_LENGTH] = {
        {NOP, OFF, 1, 2, 3, 4},        {NOP, ON, 1, 2, 3, 4}, {BREAKPOINT, ON, 1, 2, 3, 4},
        {NOP, ON, 1, 2, 3, 5},         {NOP, 0, 1, 2, 3, 4},  {0, 0, 0, 0, 0, 0},
        {BREAKPOINT, OFF, 1, 2, 3, 4}, {0, ON, 1, 2, 3, 4},
    };
    static const struct place places[SITES] = {{100, 2}, {100 + STEP, 0}, {100 + 2 * STEP, 1}};
    for (size_t number = 0; number < (size_t)KINDS * KINDS * KINDS * KINDS * 2; number++) {
        uint8_t memory[SITES * STEP] = {0};
        uint8_t file[SITES][SITE_LENGTH];
        bool known = number % 2;
        size_t rest = number / 2;
        unsigned int expected = 0;
        for (size_t i = 0; i < SITES; i++, rest /= KINDS) {
            const uint8_t *of_file = kinds[(number / 2 / KINDS / KINDS / KINDS + i / 2) % KINDS];
            memcpy(file[places[i].index], of_file, SITE_LENGTH);
            memcpy(memory + i * STEP, kinds[rest % KINDS], SITE_LENGTH);
            expected |= 1U << arch_site_state(memory + i * STEP, known ? of_file : NULL);
        }
        const uint8_t(*bytes)[SITE_LENGTH] = known ? (const uint8_t(*)[SITE_LENGTH])file : NULL;
        assert_int_equal(arch_site_states(memory, bytes, places, SITES), expected);
    }
    assert_int_equal(arch_site_states(NULL, NULL, NULL, 0), 0);
}

static void test_states_while_watched(void **state)
{
    (void)state;
    static const struct {
        unsigned int value;
        uint8_t first, second;            /* with breakpoints in front */
        enum probe_state here, elsewhere; /* where the kernel counts in the counter, and not */
    } rows[] = {
        {2, OFF, OFF, PROBE_OFF, PROBE_MIXED},
        {1, OFF, OFF, PROBE_OFF, PROBE_MIXED},
        {0, OFF, OFF, PROBE_OFF, PROBE_OFF},
        {3, OFF, OFF, PROBE_MIXED, PROBE_MIXED},
        {3, ON, ON, PROBE_ON, PROBE_ON},
        {2, ON, ON, PROBE_ON, PROBE_ON},
        {0, ON, ON, PROBE_MIXED, PROBE_MIXED},
        {2, ON, OFF, PROBE_MIXED, PROBE_MIXED},
        {32767, OFF, OFF, PROBE_MIXED, PROBE_MIXED},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows) * 2; i++) {
        bool here = i % 2 == 0;
        struct scene *scene = gc_scene(rows[i / 2].value, rows[i / 2].first, rows[i / 2].second);
        scene->snapshot.counters[0].kernel_counts = here;
        scene->snapshot.sites[0].bytes[0] = scene->snapshot.sites[1].bytes[0] = BREAKPOINT;
        snapshot_find_references(&scene->snapshot);
        assert_int_equal(probe_snapshot_state(&scene->snapshot, 0),
                         here ? rows[i / 2].here : rows[i / 2].elsewhere);
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
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_states_at_once),
        cmocka_unit_test(test_states_while_watched),
        cmocka_unit_test(test_states_of_several_counters),
        cmocka_unit_test(test_states_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

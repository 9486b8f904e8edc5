/* SPDX-License-Identifier: MIT */
/* What the update planner refuses: sites that are none, and counters of kernel tracers. */
#include "unit.h"

#include "scene.h"

#include <errno.h>

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
            assert_int_equal(scene_plan(scene, &change, 1, &plan, NULL), 0);
            plan_done(&plan);
        }
        scene_free(scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_site_is_refused),
        cmocka_unit_test(test_a_file_without_a_site_is_refused),
        cmocka_unit_test(test_kernel_traced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

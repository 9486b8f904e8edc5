/* SPDX-License-Identifier: MIT */
/*
 * A snapshot made by hand, for the update planner. A scene has counters at 0x1000, 0x1010, ... and
 * sites at 0x2000, 0x2010, ... .
 */
#ifndef UNIT_SCENE_H
#define UNIT_SCENE_H

#include "../targets/opcodes.h"
#include "update/plan.h"

enum { COUNTER_AT = 0x1000, SITE_AT = 0x2000, DISTANCE = 0x10 };
enum { OFF = OPCODE_OFF, ON = OPCODE_ON, NOP = OPCODE_NOP, BREAKPOINT = OPCODE_TRAP };

/* The file has the same bytes at every site, unless a test says otherwise. */
extern const uint8_t file_site[SITE_LENGTH];

struct scene {
    struct probe_snapshot snapshot;
    const uint8_t *file;
};

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

struct scene *scene_new(size_t room);
void scene_free(struct scene *scene);
void add_probe(struct scene *scene, const char *name);
struct snapshot_counter *add_counter(struct scene *scene, unsigned int value);
/* A site of the last probe, which goes with its last counter. */
struct snapshot_site *add_site(struct scene *scene, uint8_t byte);
int scene_plan(struct scene *scene, const struct plan_change *changes, size_t count,
               struct plan *plan, struct probe_error *error);
void check_steps(struct scene *scene, const struct plan_change *changes, size_t count,
                 const struct plan_step *steps, size_t step_count);
/* One change of probe 0, and the steps that it takes. */
void check_change(struct scene *scene, enum probe_action action, unsigned int value,
                  const struct plan_step *steps, size_t step_count);
/* The changes are refused with ERRNUM, and the sentence names WHAT; the plan is untouched. */
void check_refused(struct scene *scene, const struct plan_change *changes, size_t count, int errnum,
                   const char *what);
void check_one_refused(struct scene *scene, enum probe_action action, unsigned int value,
                       int errnum);
/* Probe "gc": one counter, two sites. */
struct scene *gc_scene(unsigned int value, uint8_t first, uint8_t second);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Computes the writes that lead from the current state to the wanted one. Pure arithmetic; touches
 * no process.
 *
 * For each probe, in the order of the changes: first the sites that go off, then the counters, then
 * the sites that go on. So when a program runs into a site that is on, the counter is above 0.
 */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "target/snapshot.h"

/* The change of one probe of the snapshot. */
struct plan_change {
    size_t probe; /* index in the snapshot */
    enum probe_action action;
    unsigned int value; /* for PROBE_COUNT_SET, else 0 */
    /*
     * For giving back a reference: the addresses of the counters that it was taken from, sorted.
     * Others keep their value, and so does one that is 0 by now. NULL: all counters.
     */
    const uint64_t *only;
    size_t only_count;
};

/* Does this change overwrite the references of others? */
bool plan_forgets_references(const struct plan_change *change);

struct plan_step {
    uint64_t address; /* at runtime */
    bool is_site;     /* one byte of code; else a counter of two bytes */
    uint16_t old, new;
};

struct plan {
    struct plan_step *steps;
    size_t count;
};

/* Returns the bytes that SITE has in its file. */
typedef const uint8_t *plan_file_bytes(void *data, const struct snapshot_site *site);

/*
 * Plans COUNT changes of what SNAPSHOT shows. Errors: EINVAL changes that contradict each other;
 * ENOEXEC a site that is none; EBUSY a kernel tracer holds a counter; EOVERFLOW, ERANGE a counter
 * cannot have the value; ENOMEM.
 */
int plan_make(const struct probe_snapshot *snapshot, const struct plan_change *changes,
              size_t count, plan_file_bytes *file_bytes, void *data, struct plan *plan,
              struct probe_error *error);
void plan_done(struct plan *plan);

/* Fails an update that would overwrite the reference of a kernel tracer: -EBUSY. */
int plan_fail_traced(uint64_t counter, struct probe_error *error);

#endif

/* SPDX-License-Identifier: MIT */
#include "update/plan.h"

#include "arch/arch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* A counter that the plan changes: once, however many probes share it. */
struct planned {
    uint64_t address;
    const struct plan_change *change;
    const char *probe;
    uint16_t new;
    bool written; /* its step is in the plan */
    UT_hash_handle hh;
};

struct planner {
    const struct probe_snapshot *snapshot;
    plan_file_bytes *file_bytes;
    void *data;
    struct planned *counters; /* by address */
    struct plan plan;
    struct probe_error *error;
};

static void add_step(struct planner *planner, uint64_t address, bool is_site, uint16_t old,
                     uint16_t new)
{
    /* The array has room for every counter and site of the snapshot. */
    if (old != new)
        planner->plan.steps[planner->plan.count++] = (struct plan_step){address, is_site, old, new};
}

static struct planned *find_planned(const struct planner *planner,
                                    const struct snapshot_counter *counter)
{
    struct planned *planned = NULL;
    HASH_FIND(hh, planner->counters, &counter->address, sizeof(counter->address), planned);
    return planned;
}

/* The kernel keeps its references in a signed short. */
static unsigned int highest_value(const struct snapshot_counter *counter)
{
    return counter->kernel_counts ? INT16_MAX : UINT16_MAX;
}

static int compare_addresses(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Is COUNTER none of those that this change, giving back a reference, is about? */
static bool is_left_alone(const struct snapshot_counter *counter, const struct plan_change *change)
{
    return change->only && (!snapshot_counter_is_on(counter) ||
                            !bsearch(&counter->address, change->only, change->only_count,
                                     sizeof(*change->only), compare_addresses));
}

/* Computes the new value. Errors: EOVERFLOW, ERANGE the counter cannot have it. */
static int next_value(const struct snapshot_counter *counter, const struct plan_change *change,
                      uint16_t *next)
{
    unsigned int value = counter->value;
    if (is_left_alone(counter, change)) {
        *next = counter->value;
        return 0;
    }
    switch (change->action) {
    case PROBE_SWITCH_OFF:
        *next = 0;
        return 0;
    case PROBE_SWITCH_ON:
        *next = (uint16_t)(snapshot_counter_is_on(counter) ? value : value + 1);
        return *next <= highest_value(counter) ? 0 : -EOVERFLOW;
    case PROBE_COUNT_ADD:
        *next = (uint16_t)(value + 1);
        return value < highest_value(counter) ? 0 : -EOVERFLOW;
    case PROBE_COUNT_SUBTRACT:
        *next = (uint16_t)(value - 1);
        return snapshot_counter_is_on(counter) ? 0 : -ERANGE;
    case PROBE_COUNT_SET:
        *next = (uint16_t)change->value;
        return change->value <= highest_value(counter) ? 0 : -ERANGE;
    }
    return -EINVAL;
}

static bool is_same(const struct plan_change *a, const struct plan_change *b)
{
    return a->action == b->action && a->value == b->value;
}

static int fail_value(struct planner *planner, const struct snapshot_counter *counter,
                      const struct plan_change *change, const char *probe, int status)
{
    if (change->action == PROBE_COUNT_SUBTRACT)
        return error_set(planner->error, -status,
                         "the semaphore of probe '%s' at 0x%" PRIx64
                         " is %u%s: there is no reference to take away",
                         probe, counter->address, counter->value,
                         counter->value > 0 ? ", which is a kernel tracer's" : "");
    return error_set(planner->error, -status,
                     "the semaphore of probe '%s' at 0x%" PRIx64
                     " is %u, and cannot be more than %u%s: take references away, or set it lower",
                     probe, counter->address, counter->value, highest_value(counter),
                     counter->kernel_counts ? " (the kernel counts there, too)" : "");
}

static int plan_counter(struct planner *planner, const struct snapshot_counter *counter,
                        const struct plan_change *change, const char *probe)
{
    struct planned *planned = find_planned(planner, counter);
    if (planned && is_same(planned->change, change))
        return 0;
    if (planned)
        return error_set(planner->error, EINVAL,
                         "probes '%s' and '%s' share the semaphore at 0x%" PRIx64
                         ": it cannot get two values in one update",
                         planned->probe, probe, counter->address);
    uint16_t next = 0;
    int status = next_value(counter, change, &next);
    if (status < 0)
        return fail_value(planner, counter, change, probe, status);
    planned = calloc(1, sizeof(*planned));
    if (!planned)
        return error_memory(planner->error);
    *planned = (struct planned){counter->address, change, probe, next, false, {0}};
    HASH_ADD(hh, planner->counters, address, sizeof(planned->address), planned);
    if (!planned->hh.tbl) {
        free(planned);
        return error_memory(planner->error);
    }
    return 0;
}

static uint16_t new_value(const struct planner *planner, const struct snapshot_counter *counter)
{
    const struct planned *planned = find_planned(planner, counter);
    return planned ? planned->new : counter->value;
}

bool plan_forgets_references(const struct plan_change *change)
{
    return change->action == PROBE_SWITCH_OFF || change->action == PROBE_COUNT_SET;
}

int plan_fail_traced(uint64_t counter, struct probe_error *error)
{
    return error_because(
        error, PROBE_REASON_COUNTED,
        error_set(error, EBUSY,
                  "a kernel tracer (perf, bpftrace, SystemTap, another watcher) counts in the "
                  "semaphore at 0x%" PRIx64 ": end it first, or take away only your own reference",
                  counter));
}

static int check_site(struct planner *planner, const struct snapshot_site *site,
                      const struct plan_change *change, const char *probe)
{
    if (site->counter == SNAPSHOT_NO_COUNTER)
        return 0;
    const struct snapshot_counter *counter = &planner->snapshot->counters[site->counter];
    const uint8_t *file = planner->file_bytes(planner->data, site);
    if (plan_forgets_references(change) && counter->kernel_counts &&
        arch_is_traced(site->bytes, file))
        return plan_fail_traced(counter->address, planner->error);
    if (site->patched && !arch_is_site(site->bytes, file))
        return error_set(
            planner->error, ENOEXEC,
            "the bytes at 0x%" PRIx64 " (%02x %02x %02x %02x %02x %02x) are not a "
            "site of probe '%s': a debugger's breakpoint may be there, which has to be "
            "removed first, or other code",
            site->address, site->bytes[0], site->bytes[1], site->bytes[2], site->bytes[3],
            site->bytes[4], site->bytes[5], probe);
    return 0;
}

/* Adds a step for each site of the probe that is to be switched to ON. */
static void switch_sites(struct planner *planner, const struct snapshot_probe *probe, bool on)
{
    for (size_t i = 0; i < probe->site_count; i++) {
        const struct snapshot_site *site = &planner->snapshot->sites[probe->first_site + i];
        if (!site->patched)
            continue;
        const struct snapshot_counter *counter = &planner->snapshot->counters[site->counter];
        if ((new_value(planner, counter) > counter->kernel) == on)
            add_step(planner, site->address + arch_switch_offset, true,
                     site->bytes[arch_switch_offset], on ? arch_switch_on : arch_switch_off);
    }
}

/* Adds a step for each counter of the probe, unless an earlier probe that shares it did. */
static void change_counters(struct planner *planner, const struct snapshot_probe *probe)
{
    for (size_t i = 0; i < probe->counter_count; i++) {
        const struct snapshot_counter *counter =
            &planner->snapshot->counters[probe->first_counter + i];
        struct planned *planned = find_planned(planner, counter);
        if (!planned->written)
            add_step(planner, counter->address, false, counter->value, planned->new);
        planned->written = true;
    }
}

static int plan_probe(struct planner *planner, const struct plan_change *change)
{
    const struct probe_snapshot *snapshot = planner->snapshot;
    const struct snapshot_probe *probe = &snapshot->probes[change->probe];
    int status = 0;
    for (size_t i = 0; i < probe->site_count && status == 0; i++)
        status = check_site(planner, &snapshot->sites[probe->first_site + i], change, probe->name);
    for (size_t i = 0; i < probe->counter_count && status == 0; i++)
        status = plan_counter(planner, &snapshot->counters[probe->first_counter + i], change,
                              probe->name);
    if (status < 0)
        return status;
    switch_sites(planner, probe, false);
    change_counters(planner, probe);
    switch_sites(planner, probe, true);
    return 0;
}

static void forget_counters(struct planner *planner)
{
    struct planned *planned = NULL;
    struct planned *next = NULL;
    HASH_ITER (hh, planner->counters, planned, next) {
        HASH_DEL(planner->counters, planned);
        free(planned);
    }
}

int plan_make(const struct probe_snapshot *snapshot, const struct plan_change *changes,
              size_t count, plan_file_bytes *file_bytes, void *data, struct plan *plan,
              struct probe_error *error)
{
    struct planner planner = {
        .snapshot = snapshot,
        .file_bytes = file_bytes,
        .data = data,
        .error = error,
    };
    size_t room = snapshot->counter_count + snapshot->site_count + 1;
    planner.plan.steps = calloc(room, sizeof(*planner.plan.steps));
    int status = 0;
    if (!planner.plan.steps)
        return error_memory(error);
    for (size_t i = 0; i < count && status == 0; i++)
        status = plan_probe(&planner, &changes[i]);
    forget_counters(&planner);
    if (status < 0)
        plan_done(&planner.plan);
    else
        *plan = planner.plan;
    return status;
}

void plan_done(struct plan *plan)
{
    free(plan->steps);
    *plan = (struct plan){0};
}

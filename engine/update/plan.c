/* SPDX-License-Identifier: MIT */
#include "update/plan.h"

#include "arch/arch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/*
 * A counter that the plan changes: once, however many probes share it. The snapshot has it once for
 * each of them.
 */
struct planned {
    const struct plan_change *change; /* NULL: none yet */
    const char *probe;
    uint16_t new;
    bool written; /* its step is in the plan */
};

struct planner {
    const struct probe_snapshot *snapshot;
    plan_file_bytes *file_bytes;
    void *data;
    struct planned *counters; /* of each address only one is used */
    size_t *same;             /* which: for each of the snapshot's counters, an index */
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

static struct planned *find_planned(const struct planner *planner, size_t counter)
{
    return &planner->counters[planner->same[counter]];
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

/*
 * Is COUNTER as CHANGE wants it, whatever an outside hand made of it; or none of those that the
 * change, giving back a reference, is about?
 */
static bool is_left_alone(const struct snapshot_counter *counter, const struct plan_change *change)
{
    if (change->action == PROBE_SWITCH_ON && snapshot_counter_is_on(counter))
        return true;
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

/* Plans the change of the snapshot's counter INDEX. */
static int plan_counter(struct planner *planner, size_t index, const struct plan_change *change,
                        const char *probe)
{
    const struct snapshot_counter *counter = &planner->snapshot->counters[index];
    struct planned *planned = find_planned(planner, index);
    if (planned->change && is_same(planned->change, change))
        return 0;
    if (planned->change)
        return error_set(planner->error, EINVAL,
                         "probes '%s' and '%s' share the semaphore at 0x%" PRIx64
                         ": it cannot get two values in one update",
                         planned->probe, probe, counter->address);
    uint16_t next = 0;
    int status = next_value(counter, change, &next);
    if (status < 0)
        return fail_value(planner, counter, change, probe, status);
    *planned = (struct planned){change, probe, next, false};
    return 0;
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
        if ((find_planned(planner, site->counter)->new > counter->kernel) == on)
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
        struct planned *planned = find_planned(planner, probe->first_counter + i);
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
        status = plan_counter(planner, probe->first_counter + i, change, probe->name);
    if (status < 0)
        return status;
    switch_sites(planner, probe, false);
    change_counters(planner, probe);
    switch_sites(planner, probe, true);
    return 0;
}

struct counter_at {
    uint64_t address;
    size_t index;
};

static int compare_counters(const void *a, const void *b)
{
    const struct counter_at *x = a;
    const struct counter_at *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Finds the counters of the snapshot that are the same one: probes may share it. */
static int find_same(struct planner *planner)
{
    const struct probe_snapshot *snapshot = planner->snapshot;
    size_t count = snapshot->counter_count;
    struct counter_at *order = malloc((count + 1) * sizeof(*order));
    bool sorted = true;
    if (!order)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        order[i] = (struct counter_at){snapshot->counters[i].address, i};
        sorted = sorted && (i == 0 || order[i - 1].address <= order[i].address);
    }
    if (!sorted)
        qsort(order, count, sizeof(*order), compare_counters);
    for (size_t i = 0; i < count; i++) {
        bool shared = i > 0 && order[i - 1].address == order[i].address;
        planner->same[order[i].index] = shared ? planner->same[order[i - 1].index] : order[i].index;
    }
    free(order);
    return 0;
}

static int planner_init(struct planner *planner)
{
    size_t counters = planner->snapshot->counter_count + 1;
    size_t room = counters + planner->snapshot->site_count;
    planner->counters = calloc(counters, sizeof(*planner->counters));
    planner->same = calloc(counters, sizeof(*planner->same));
    planner->plan.steps = malloc(room * sizeof(*planner->plan.steps));
    if (!planner->counters || !planner->same || !planner->plan.steps || find_same(planner) < 0)
        return error_memory(planner->error);
    return 0;
}

/* The plan itself stays. */
static void planner_done(struct planner *planner)
{
    free(planner->counters);
    free(planner->same);
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
    int status = planner_init(&planner);
    for (size_t i = 0; i < count && status == 0; i++)
        status = plan_probe(&planner, &changes[i]);
    planner_done(&planner);
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

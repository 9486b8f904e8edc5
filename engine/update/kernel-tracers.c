/* SPDX-License-Identifier: MIT */
#include "update/kernel-tracers.h"

#include "arch/arch.h"
#include "target/sharing.h"
#include "target/site-bytes.h"

#include <errno.h>
#include <stdlib.h>

/* Finds the counters that the update would set, and in which the kernel may count. */
static size_t find_forgotten(const struct probe_update *update,
                             const struct probe_snapshot *snapshot, uint64_t *addresses)
{
    size_t count = 0;
    for (size_t i = 0; i < update->count; i++) {
        const struct snapshot_probe *probe = &snapshot->probes[i];
        for (size_t c = 0; c < probe->counter_count; c++) {
            const struct snapshot_counter *counter = &snapshot->counters[probe->first_counter + c];
            if (plan_forgets_references(&update->changes[i]) && counter->kernel_counts &&
                counter->value > 0)
                addresses[count++] = counter->address;
        }
    }
    sharing_sort(addresses, count);
    return count;
}

/* Looks at the sites of all other probes that share one of COUNT counters at ADDRESSES. */
static int check_sharers(struct probe_update *update, const uint64_t *addresses, size_t count,
                         struct probe_error *error)
{
    struct probe_target *target = update->target;
    struct probe_snapshot snapshot = {0};
    struct site_bytes bytes = {0};
    size_t *sharers = calloc(target->probe_count + 1, sizeof(*sharers));
    if (!sharers)
        return error_memory(error);
    size_t sharer_count = sharing_find(target, addresses, count, update->added, sharers);
    int status = 0;
    if (sharer_count > 0)
        status = snapshot_init(target, sharers, sharer_count, &snapshot, error);
    if (status == 0)
        status = site_bytes_init(target, &snapshot, &bytes, error);
    for (size_t i = 0; i < snapshot.site_count && status == 0; i++) {
        const struct snapshot_site *site = &snapshot.sites[i];
        if (site->counter != SNAPSHOT_NO_COUNTER &&
            arch_is_traced(site->bytes, site_bytes_find(&bytes, site)) &&
            sharing_has(addresses, count, snapshot.counters[site->counter].address))
            status = plan_fail_traced(snapshot.counters[site->counter].address, error);
    }
    site_bytes_done(&bytes);
    free(sharers);
    snapshot_done(&snapshot);
    return status;
}

int kernel_tracers_check(struct probe_update *update, const struct probe_snapshot *snapshot,
                         struct probe_error *error)
{
    uint64_t *addresses = calloc(snapshot->counter_count + 1, sizeof(*addresses));
    if (!addresses)
        return error_memory(error);
    size_t count = find_forgotten(update, snapshot, addresses);
    int status = count > 0 ? check_sharers(update, addresses, count, error) : 0;
    free(addresses);
    return status;
}

/* SPDX-License-Identifier: MIT */
#include "target/sharing.h"

#include <stdlib.h>

static int compare_addresses(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void sharing_sort(uint64_t *addresses, size_t count)
{
    qsort(addresses, count, sizeof(*addresses), compare_addresses);
}

bool sharing_has(const uint64_t *addresses, size_t count, uint64_t address)
{
    return bsearch(&address, addresses, count, sizeof(address), compare_addresses);
}

/* Does the part have one of the COUNT counters at ADDRESSES? */
static bool has_counter(const struct part *part, const uint64_t *addresses, size_t count)
{
    for (uint32_t c = 0; c < part->probe->counter_count; c++) {
        uint64_t address = part->loaded->object->counters[part->probe->first_counter + c].address +
                           part->loaded->bias;
        if (sharing_has(addresses, count, address))
            return true;
    }
    return false;
}

size_t sharing_find(const struct probe_target *target, const uint64_t *addresses, size_t count,
                    const uint32_t *skip, size_t *sharers)
{
    size_t found = 0;
    for (size_t i = 0; i < target->probe_count; i++) {
        const struct target_probe *probe = &target->probes[i];
        bool shares = false;
        for (uint32_t p = 0; p < probe->part_count && !(skip && skip[i]) && !shares; p++)
            shares = has_counter(&target->parts[probe->first_part + p], addresses, count);
        if (shares)
            sharers[found++] = i;
    }
    return found;
}

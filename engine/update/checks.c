/* SPDX-License-Identifier: MIT */
#include "update/checks.h"

#include <errno.h>
#include <inttypes.h>

/* Writing a byte of code makes the kernel copy its page, however large that is. */
static int check_pages(const struct probe_target *target, const struct mapping *mapping,
                       struct probe_error *error)
{
    if (target->engine->options.allow_gigatext ||
        !loaded_is_gigantic(target->engine, &target->image, mapping))
        return 0;
    return error_because(error, PROBE_REASON_GIGATEXT,
                         error_set(error, EFBIG,
                                   "process %d has its code at 0x%" PRIx64 " on pages of 1 GiB, "
                                   "and writing a byte would copy one",
                                   target->image.pid, mapping->start));
}

/* As target_verify(), for all mappings of LENGTH bytes at ADDRESS; LAST was the last verified. */
static int verify_bytes(struct probe_target *target, uint64_t address, size_t length,
                        const struct mapping **last, struct probe_error *error)
{
    for (uint64_t at = address; at < address + length; at = (*last)->end) {
        if (*last && at >= (*last)->start && at < (*last)->end)
            continue;
        int status = target_verify(target, at, error);
        if (status != 1)
            return status;
        *last = maps_find(&target->maps, at);
    }
    return 1;
}

/* As target_verify(), for all mappings that are to be written. */
static int verify_all(struct probe_target *target, const struct probe_snapshot *snapshot,
                      struct probe_error *error)
{
    const struct mapping *code = NULL;
    const struct mapping *data = NULL;
    int status = 1;
    for (size_t i = 0; i < snapshot->counter_count && status == 1; i++)
        status =
            verify_bytes(target, snapshot->counters[i].address, sizeof(uint16_t), &data, error);
    for (size_t i = 0; i < snapshot->site_count && status == 1; i++) {
        if (snapshot->sites[i].patched)
            status = verify_bytes(target, snapshot->sites[i].address, SITE_LENGTH, &code, error);
    }
    return status;
}

int update_check_generation(const struct probe_update *update, struct probe_error *error)
{
    if (update->generation == update->target->generation)
        return 0;
    return error_set(error, EAGAIN, "process %d has loaded or unloaded objects",
                     update->target->image.pid);
}

int update_verify_files(struct probe_update *update, const struct probe_snapshot *snapshot,
                        struct probe_error *error)
{
    bool same = true;
    for (size_t i = 0; i < snapshot->counter_count && same; i++)
        same = target_verify_file(update->target, snapshot->counters[i].loaded);
    int status = same ? 0 : target_look_at_all(update->target, error);
    return status < 0 ? status : update_check_generation(update, error);
}

int update_verify_mappings(struct probe_update *update, const struct probe_snapshot *snapshot,
                           struct probe_error *error)
{
    int status = verify_all(update->target, snapshot, error);
    if (status == 0)
        status = target_look_at_all(update->target, error);
    if (status < 0)
        return status;
    status = update_check_generation(update, error);
    return status < 0 ? status : update_verify_files(update, snapshot, error);
}

/* Does the site lie in MAPPING as a whole, as LAST of the same object does? */
static bool is_beside(const struct snapshot_site *site, const struct snapshot_site *last,
                      const struct mapping *mapping)
{
    return last && mapping && last->loaded == site->loaded && site->address >= mapping->start &&
           site->address + SITE_LENGTH <= mapping->end;
}

int update_check_addresses(const struct probe_target *target, const struct probe_snapshot *snapshot,
                           struct probe_error *error)
{
    const struct mapping *checked = NULL; /* `last` is in it */
    const struct snapshot_site *last = NULL;
    for (size_t i = 0; i < snapshot->counter_count; i++) {
        const struct snapshot_counter *counter = &snapshot->counters[i];
        if (!loaded_owns(counter->loaded, &target->maps, counter->address, sizeof(counter->value),
                         LOADED_DATA, error))
            return -EACCES;
    }
    for (size_t i = 0; i < snapshot->site_count; i++) {
        const struct snapshot_site *site = &snapshot->sites[i];
        if (!site->patched || is_beside(site, last, checked))
            continue;
        if (!loaded_owns(site->loaded, &target->maps, site->address, SITE_LENGTH, LOADED_CODE,
                         error))
            return -EACCES;
        const struct mapping *mapping = maps_find(&target->maps, site->address);
        int status = mapping == checked ? 0 : check_pages(target, mapping, error);
        if (status < 0)
            return status;
        checked = mapping;
        last = site;
    }
    return 0;
}

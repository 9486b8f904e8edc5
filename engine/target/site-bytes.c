/* SPDX-License-Identifier: MIT */
#include "target/site-bytes.h"

#include <errno.h>
#include <stdlib.h>

int site_bytes_init(struct probe_target *target, const struct probe_snapshot *snapshot,
                    struct site_bytes *bytes, struct probe_error *error)
{
    bytes->target = target;
    bytes->of = calloc(target->loaded.count + 1, sizeof(*bytes->of));
    if (!bytes->of)
        return error_memory(error);
    for (size_t i = 0; i < snapshot->site_count; i++) {
        const struct loaded *loaded = snapshot->sites[i].loaded;
        object_site_bytes *of_object = &bytes->of[loaded - target->loaded.items];
        int status = *of_object ? 0 : target_site_bytes(target, loaded, of_object, error);
        if (status < 0) {
            site_bytes_done(bytes);
            return status;
        }
    }
    return 0;
}

int site_bytes_init_patched(struct probe_target *target, const struct probe_snapshot *snapshot,
                            struct site_bytes *bytes)
{
    const struct loaded *unreadable = NULL;
    bytes->target = target;
    bytes->of = calloc(target->loaded.count + 1, sizeof(*bytes->of));
    if (!bytes->of)
        return -ENOMEM;
    for (size_t i = 0; i < snapshot->site_count; i++) {
        const struct loaded *loaded = snapshot->sites[i].loaded;
        object_site_bytes *of_object = &bytes->of[loaded - target->loaded.items];
        /* Sites of one object come together: one that failed need not be asked for each. */
        if (!snapshot->sites[i].patched || *of_object || loaded == unreadable)
            continue;
        if (target_site_bytes(target, loaded, of_object, NULL) < 0)
            unreadable = loaded;
    }
    return 0;
}

void site_bytes_done(struct site_bytes *bytes)
{
    free(bytes->of);
    bytes->of = NULL;
}

const uint8_t *site_bytes_find(void *data, const struct snapshot_site *site)
{
    const struct site_bytes *bytes = data;
    object_site_bytes of_object = bytes->of[site->loaded - bytes->target->loaded.items];
    return of_object ? of_object[site->index] : NULL;
}

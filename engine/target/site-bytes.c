/* SPDX-License-Identifier: MIT */
#include "target/site-bytes.h"

#include <errno.h>
#include <stdlib.h>

int texts_init(struct probe_target *target, const struct probe_snapshot *snapshot,
               struct texts *texts, struct probe_error *error)
{
    texts->target = target;
    texts->of = calloc(target->loaded.count + 1, sizeof(*texts->of));
    if (!texts->of)
        return error_memory(error);
    for (size_t i = 0; i < snapshot->site_count; i++) {
        const struct loaded *loaded = snapshot->sites[i].loaded;
        text_of_sites *text = &texts->of[loaded - target->loaded.items];
        int status = *text ? 0 : target_text(target, loaded, text, error);
        if (status < 0) {
            texts_done(texts);
            return status;
        }
    }
    return 0;
}

int texts_init_patched(struct probe_target *target, const struct probe_snapshot *snapshot,
                       struct texts *texts)
{
    const struct loaded *unreadable = NULL;
    texts->target = target;
    texts->of = calloc(target->loaded.count + 1, sizeof(*texts->of));
    if (!texts->of)
        return -ENOMEM;
    for (size_t i = 0; i < snapshot->site_count; i++) {
        const struct loaded *loaded = snapshot->sites[i].loaded;
        text_of_sites *text = &texts->of[loaded - target->loaded.items];
        /* Sites of one object mostly stand together: one that failed is not asked for each. */
        if (!snapshot->sites[i].patched || *text || loaded == unreadable)
            continue;
        if (target_text(target, loaded, text, NULL) < 0)
            unreadable = loaded;
    }
    return 0;
}

void texts_done(struct texts *texts)
{
    free(texts->of);
    texts->of = NULL;
}

const uint8_t *texts_of_site(void *data, const struct snapshot_site *site)
{
    const struct texts *texts = data;
    text_of_sites text = texts->of[site->loaded - texts->target->loaded.items];
    return text ? text[site->index] : NULL;
}

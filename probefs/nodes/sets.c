/* SPDX-License-Identifier: MIT */
#include "nodes/sets.h"

/* FNV-1a. A user who forges a collision keeps a reference in a process of their own. */
#define DIGEST_START 0xcbf29ce484222325
#define DIGEST_PRIME 0x100000001b3

static uint64_t digest_of(const char *name)
{
    uint64_t digest = DIGEST_START;
    for (; *name; name++)
        digest = (digest ^ (unsigned char)*name) * DIGEST_PRIME;
    return digest;
}

int sets_init(struct sets *sets)
{
    sets->count = 0;
    return -pthread_mutex_init(&sets->lock, NULL);
}

void sets_done(struct sets *sets)
{
    pthread_mutex_destroy(&sets->lock);
}

void sets_note(struct sets *sets, pid_t pid, const struct probe_image_id *id, const char *name)
{
    const struct set_probe set = {pid, id->start_time, digest_of(name)};
    pthread_mutex_lock(&sets->lock);
    sets->ring[sets->count++ % SETS_MAX] = set;
    pthread_mutex_unlock(&sets->lock);
}

bool sets_has(struct sets *sets, pid_t pid, uint64_t start_time, const char *name)
{
    const uint64_t digest = digest_of(name);
    bool found = false;
    pthread_mutex_lock(&sets->lock);
    for (size_t i = 0; i < sets->count && i < SETS_MAX && !found; i++)
        found = sets->ring[i].pid == pid && sets->ring[i].start_time == start_time &&
                sets->ring[i].name == digest;
    pthread_mutex_unlock(&sets->lock);
    return found;
}

/* SPDX-License-Identifier: MIT */
/* Inside the engine: the counters and sites of some probes of a target, as they are at one moment.
 */
#ifndef ENGINE_SNAPSHOT_H
#define ENGINE_SNAPSHOT_H

#include "target/target.h"

struct snapshot_counter {
    uint64_t address; /* at runtime */
    const struct loaded *loaded;
    uint16_t value;
    bool kernel_counts;
};

struct snapshot_site {
    uint64_t address; /* at runtime */
    const struct loaded *loaded;
    size_t counter; /* index among the snapshot's counters */
    uint32_t index; /* among the object's sites */
    bool patched;
    bool foreign;               /* no site's bytes: see snapshot_compare() */
    uint8_t bytes[SITE_LENGTH]; /* only the first, where the site is not patched */
};

/* One probe: its counters and sites, one after the other among the snapshot's. */
struct snapshot_probe {
    const char *name;
    size_t first_counter, counter_count;
    size_t first_site, site_count;
};

struct probe_snapshot {
    struct snapshot_probe *probes; /* in the order they were asked for */
    struct snapshot_counter *counters;
    struct snapshot_site *sites;
    size_t probe_count, counter_count, site_count;
};

/*
 * Reads COUNT probes of TARGET, given by their indices (NULL: all). Errors: those of memory_read();
 * ESRCH the image has gone meanwhile.
 */
int snapshot_init(struct probe_target *target, const size_t *indices, size_t count,
                  struct probe_snapshot *snapshot, struct probe_error *error);
void snapshot_done(struct probe_snapshot *snapshot);

/*
 * Compares the bytes at patched sites with those in the files, for states: anything else there is
 * not a site. Where a file cannot be read any more, a site's own form has to do. Errors: ENOMEM.
 */
int snapshot_compare(struct probe_target *target, struct probe_snapshot *snapshot,
                     struct probe_error *error);

#endif

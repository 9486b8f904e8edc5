/* SPDX-License-Identifier: MIT */
/* The counters and sites of some probes of a target, as they were at one moment. */
#ifndef ENGINE_SNAPSHOT_H
#define ENGINE_SNAPSHOT_H

#include "target/target.h"

struct snapshot_counter {
    uint64_t address; /* at runtime */
    const struct loaded *loaded;
    uint16_t value;
    uint16_t kernel; /* how much of it is the kernel's, and says nothing of the sites */
    bool kernel_counts;
};

/* Does COUNTER say that its probe is on? */
static inline bool snapshot_counter_is_on(const struct snapshot_counter *counter)
{
    return counter->value > counter->kernel;
}

/* Of a site whose object has no counter for the probe. */
#define SNAPSHOT_NO_COUNTER SIZE_MAX

struct snapshot_site {
    uint64_t address; /* at runtime */
    const struct loaded *loaded;
    size_t counter; /* index among the snapshot's counters, or SNAPSHOT_NO_COUNTER */
    uint32_t index; /* among the object's sites */
    bool patched;
    bool foreign;               /* its bytes are not a site's: see snapshot_compare() */
    uint8_t bytes[SITE_LENGTH]; /* 0 behind the end of the object's code */
};

/* One probe, as ranges of the snapshot's counters and sites. */
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
 * Reads COUNT probes of TARGET, given by their indices (NULL: all). Errors: those of memory_read()
 * and target_check().
 */
int snapshot_init(struct probe_target *target, const size_t *indices, size_t count,
                  struct probe_snapshot *snapshot, struct probe_error *error);
void snapshot_done(struct probe_snapshot *snapshot);

/*
 * Finds what the kernel has counted in counters that also say whether OCaml's probes are on: 1 for
 * each site with a breakpoint. Who only watches such a probe would switch it on, as far as the
 * counter goes, and not its sites. A breakpoint may also be of a debugger, which counts nothing: so
 * where a site is on, a counter that could be the kernel's alone is not. (snapshot_init() does it.)
 */
void snapshot_find_references(struct probe_snapshot *snapshot);

/*
 * Finds the patched sites whose bytes are not those of their files, which have no state. If a file
 * cannot be read any more, the form of a site has to do. Errors: ENOMEM.
 */
int snapshot_compare(struct probe_target *target, struct probe_snapshot *snapshot,
                     struct probe_error *error);

#endif

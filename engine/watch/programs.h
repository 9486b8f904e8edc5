/* SPDX-License-Identifier: MIT */
/*
 * The BPF programs of one watch, in the kernel. Needs CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN);
 * nothing here looks at a process or parses what came from one.
 */
#ifndef ENGINE_WATCH_PROGRAMS_H
#define ENGINE_WATCH_PROGRAMS_H

#include "error.h"
#include "watch/record.h"

/* How the kernel is asked to run a program at sites. */
enum watch_way {
    WATCH_MULTI = 1, /* uprobe_multi links: Linux 6.6 and later */
    WATCH_PERF,      /* a perf event for each site: needs CAP_SYS_ADMIN, and is slow to detach */
};

struct programs_wanted {
    pid_t pid; /* the process, in the initial pid namespace */
    enum watch_way way;
    bool lines;        /* else firings are only counted */
    bool ignores_exec; /* nothing marks an exec: the process is this one */
    const struct watch_recipe *recipes;
    size_t recipe_count;
    size_t first_recipe; /* the number of the first of them, as records have it */
    size_t tally_count;  /* WATCH_COUNTS and the probes */
    size_t ring_size;    /* a power of two, at least a page */
    /* Those of programs that were loaded before for the same watch, or -1. */
    int ring, tallies;
};

struct watch_programs {
    void *object; /* libbpf's */
    int site;     /* the program that runs at sites */
    int ring;     /* the records: to be mapped by whoever reads them */
    int tallies;  /* likewise, and for reading alone, whoever has it */
    int exec;     /* what marks an exec of the process, for as long as it is open */
};

#define WATCH_PROGRAMS_NONE                                                                        \
    ((struct watch_programs){.site = -1, .ring = -1, .tallies = -1, .exec = -1})

/*
 * Loads the programs; from here on an exec of the process is marked. Errors: EPERM the capabilities
 * are not there; EOPNOTSUPP this library was built without them, or the kernel does not know what
 * they need; EMFILE, ENFILE; ENOMEM; EIO.
 */
int programs_load(const struct programs_wanted *wanted, struct watch_programs *programs,
                  struct probe_error *error);
void programs_done(struct watch_programs *programs);

/* Maps the tallies FD of COUNT, for reading. Errors: those of mmap(). */
int tallies_open(int fd, size_t count, const volatile __u64 **tallies);
void tallies_close(const volatile __u64 *tallies, size_t count);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Links between sites and a program, by bpf(2) itself: libbpf 1.1 does not know uprobe_multi. Only
 * system calls: these run in processes that may do nothing else.
 */
#ifndef ENGINE_WATCH_LINKS_H
#define ENGINE_WATCH_LINKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* BPF_TRACE_UPROBE_MULTI: what the program is loaded for. */
enum { LINK_UPROBE_MULTI = 48 };

/* COUNT sites of one file. */
struct link_sites {
    int file;
    size_t count;
    const uint64_t *offsets;    /* in the file */
    const uint64_t *references; /* where the kernel counts itself in, in the file; 0: nowhere */
    const uint64_t *cookies;
};

/*
 * Runs PROGRAM at SITES in the process PID. Returns a descriptor: what is attached lasts as long as
 * it is open. Errors: EINVAL this kernel has none, or another tracer has one of these sites with
 * another reference; EPERM; ESRCH; ENOMEM; others of the file's own.
 */
int link_multi(int program, pid_t pid, const struct link_sites *sites);

/* The kind of perf events that are uprobes, as the kernel numbers it. Errors: ENOENT. */
int link_perf_kind(void);

/*
 * The same by a perf event of that KIND at site INDEX alone, through the live thread TID. The
 * program sees all threads of the process. Errors: likewise.
 */
int link_perf(int program, int kind, pid_t tid, const struct link_sites *sites, size_t index);

#endif

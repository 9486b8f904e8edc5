/* SPDX-License-Identifier: MIT */
/*
 * The side of watching that needs capabilities: it takes a plan of fixed form and programs that are
 * loaded, and attaches one to the other. It parses nothing and prints nothing.
 *
 *     planner                     attacher                     holder, a process of its own
 *     plan: files, offsets  --->  cuts it into chunks   --->   attaches them and holds them
 *     ring, tallies         <---  how it went           <---
 *     ends, however it ends ------------------------------->   detaches
 *
 * A holder exists because of what the kernel does when a process is killed: in the middle of an
 * attach or a detach it leaves breakpoints behind, with raised counters. So what attaches and
 * detaches is a process that nobody has a reason to kill, in a session of its own, that ends when
 * the other end of its socket is closed.
 *
 * It takes one file after the other. The kernel spends 4 us of CPU time on each site, to attach and
 * to detach it; all else is waiting. At each site it takes a lock that every fork() of the machine
 * shares: two who detach many sites at the same time wait for each other at each of them, and so
 * does whoever detaches beside others that fork. At the end of each detach it waits for all CPUs,
 * 20 to 60 ms, whether it was one site or 10,000. So many sites go into one chunk, and files with
 * few sites, of which a process with many libraries has many, are detached at the same time.
 * Whoever attaches should have a real-time priority, CAP_SYS_NICE, or an RLIMIT_RTPRIO of 1, so
 * that a busy machine does not make all that last ten times as long.
 */
#ifndef ENGINE_WATCH_ATTACH_H
#define ENGINE_WATCH_ATTACH_H

#include "engine.h"
#include "watch/links.h"
#include "watch/programs.h"

#include <time.h>

/* The sites of one file, one after the other in the plan. */
struct watch_file {
    int fd; /* open for reading */
    size_t first, count;
};

/* What is to be attached. A site's cookie is the number of its recipe. */
struct watch_plan {
    pid_t pid;
    pid_t tid;   /* a live thread */
    int process; /* its pidfd, which says whether PID is still that process afterwards */
    struct watch_file *files;
    size_t file_count;
    uint64_t *offsets, *references, *cookies; /* of each site */
    size_t site_count;
    size_t probes_before; /* the planner's own */
    size_t first_recipe;  /* the number of the recipe whose cookie is 0 */
};

/*
 * Sites that are attached, for as long as the socket is open. Its descriptors may be another
 * process's to keep: then that one decides.
 */
struct watch_attachment {
    int socket;
    int ended; /* a pipe that ends when all is detached */
};

#define WATCH_ATTACHMENT_NONE ((struct watch_attachment){-1, -1})

/* How many sites can be watched by perf events, and in how many files sites may be. */
enum { ATTACH_PERF_MAX = 64, ATTACH_FILES_MAX = 1000 };

/*
 * Which way does this kernel go? Decided by watching a thread of this very process. Errors:
 * EOPNOTSUPP neither works; EPERM; ENOMEM; EAGAIN.
 */
int attach_find_way(enum watch_way *way, struct probe_error *error);

/* The same, which is tried once for ENGINE; a live thread TID of process PID is what it is for. */
int attach_choose_way(struct probe_engine *engine, pid_t pid, pid_t tid, enum watch_way *way,
                      struct probe_error *error);

/*
 * Attaches all sites of PLAN, or none. The holder also ends when the other end of LIFETIME closes
 * (-1: there is none), and keeps what marks an exec. Errors: EBUSY another tracer has one of them
 * with another semaphore; E2BIG there are too many for perf events; ETIMEDOUT the kernel did not
 * answer in time, and it is undone when it does: ATTACHMENT then has what says when; ESRCH; EPERM;
 * ENOMEM; EAGAIN; EIO.
 */
int attach_plan(const struct watch_plan *plan, const struct watch_programs *programs,
                enum watch_way way, int lifetime, struct watch_attachment *attachment,
                struct probe_error *error);

/* Begins to detach. */
void attachment_release(struct watch_attachment *attachment);
/* Has that been done? Waits for it until DEADLINE (NULL: without end). */
bool attachment_has_ended(const struct watch_attachment *attachment,
                          const struct timespec *deadline);
/* Detaches, and waits a bounded time until that is done. */
void attachment_done(struct watch_attachment *attachment);

#endif

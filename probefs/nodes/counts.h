/* SPDX-License-Identifier: MIT */
/*
 * How often the probes of one target fired, while somebody counts. Guarded by the target's lock.
 *
 * Probes that are counted by one write share a watch, as a watch of many sites costs little more
 * than one of few.
 */
#ifndef PROBEFS_COUNTS_H
#define PROBEFS_COUNTS_H

#include <probe-engine.h>
#include <time.h>

struct count_group;
struct counted;

struct counts {
    struct count_group *groups;
    struct count_group *leaving; /* those that the kernel still detaches */
    struct counted **list;       /* what is counted, by its name */
    size_t count, room;
};

/* What counting begins with. */
struct counts_ask {
    int attacher;             /* the grant; it becomes that of the counts */
    struct timespec deadline; /* of all that a change waits for */
};

/*
 * Counts those of TARGET's probes that are CHOSEN from 0 on, anew where they are counted already,
 * with all sites that they have by now. Errors, with all as before: ETIMEDOUT; those of watching.
 */
int counts_begin(struct counts *counts, struct probe_target *target, const bool *chosen,
                 struct counts_ask *ask, struct probe_error *error);
/*
 * Ends that; others go on. ASK is used where what is left of a group is to be watched anew. Errors:
 * likewise.
 */
int counts_end(struct counts *counts, struct probe_target *target, const bool *chosen,
               struct counts_ask *ask, struct probe_error *error);
/*
 * Counts also at sites of these probes that have come with TARGET's last look. Waits for nothing:
 * it takes two calls, or more. What fails is tried again; what cannot be watched is left out.
 */
void counts_join(struct counts *counts, struct probe_target *target);

/* How often NAME fired; false where it is not counted. */
bool counts_find(const struct counts *counts, const char *name, uint64_t *count);

/* Calls VISIT for each probe that is counted. */
typedef int counts_visit(void *data, const char *name, uint64_t count);
int counts_visit_all(const struct counts *counts, counts_visit *visit, void *data);

/* Has the image gone of which something is counted? */
bool counts_have_ended(const struct counts *counts);

/* Counts nothing any more, without waiting; what is left then is for counts_sweep(). */
void counts_release(struct counts *counts);
/* Frees what has been detached. Returns whether anything is left, counted ones included. */
bool counts_sweep(struct counts *counts);

/* Counts nothing any more, and waits until nothing is left. */
void counts_done(struct counts *counts);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * From probes of a target to what an attacher needs (a plan) and what a reader needs (a table). No
 * capability is needed here: notes and symbols are parsed with the identity of whoever asks.
 */
#ifndef ENGINE_PLAN_TO_WATCH_H
#define ENGINE_PLAN_TO_WATCH_H

#include "target/loaded.h"
#include "target/target.h"
#include "watch/arguments.h"
#include "watch/attach.h"

#include <sys/stat.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* A file stays open while its sites are watched: so its number is of no other one. */
struct watch_table_file {
    int fd;
    dev_t device;
    ino_t inode;
};

/* A probe, by its name. */
struct watch_probe {
    char *name;
    uint32_t number;
    UT_hash_handle hh;
};

struct watch_seen;

/* Whose sites were planned last, or why no plan was made. */
struct watch_blamed {
    struct file_id file; /* of an object, as maps shows it */
    char path[256];      /* likewise, cut to fit */
    size_t objects;      /* that had sites in the plan: 0, 1, or 2 for more */
};

/* All that is watched, and how it is shown; it grows with each plan. */
struct watch_table {
    struct watch_table_file *files;
    size_t file_count, file_room;
    struct watch_recipe *recipes; /* one for each site, by its cookie */
    struct watch_format *formats; /* likewise */
    size_t recipe_count, recipe_room, format_room;
    struct watch_probe **probes;
    size_t probe_count, probe_room;
    struct watch_probe *by_name;
    struct watch_seen *seen;
    /* Of plans that add to others: */
    struct file_id *left_out; /* objects that cannot be watched */
    size_t left_out_count, left_out_room;
    bool one_by_one; /* a plan has the sites of one object that is new; */
    bool is_partial; /* the last one has not those of another */
    struct watch_blamed blamed;
};

void watch_table_done(struct watch_table *table);

/* No plan has sites of the object FILE any more. Errors: ENOMEM. */
int watch_table_leave_out(struct watch_table *table, const struct file_id *file);

/*
 * Plans to watch the probes at COUNT INDICES of TARGET (NULL: all), as they were at its last look:
 * those of their sites that TABLE does not have. Touches the pages of sites and semaphores, so that
 * the kernel need not wait for them. Errors, with TABLE as before: ERANGE a semaphore has no room;
 * EOPNOTSUPP the code was copied to where the kernel does not watch it, or the file is on a file
 * system that could make the kernel wait; EAGAIN a file was replaced, look again; ESRCH the image
 * has gone; those of opening files; ENOMEM.
 */
int watch_plan_make(struct probe_target *target, const size_t *indices, size_t count,
                    struct watch_table *table, struct watch_plan *plan, struct probe_error *error);
void watch_plan_done(struct watch_plan *plan);

/* Takes the sites of PLAN, the last one that was made with TABLE, out of it: it was not attached.
 */
void watch_plan_revoke(const struct watch_plan *plan, struct watch_table *table);

#endif

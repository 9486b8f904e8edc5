/* SPDX-License-Identifier: MIT */
/* What all FUSE operations share. */
#ifndef PROBEFS_SERVER_H
#define PROBEFS_SERVER_H

#include "server/budget.h"
#include "server/inodes.h"
#include "server/router.h"
#include "workers/grants.h"

/* The holds on one user's processes that wait to be closed, by the thread that closes the first. */
struct closing {
    uid_t user;
    struct file *files;
    struct closing *next;
};

/* Who may watch probes, beside those who may do what root may. */
enum trace_mode { TRACE_ROOT, TRACE_USERS /* of their own processes */, TRACE_NO };

struct streams;

/* How long all look-ups in the root together may still wait, and since when that is so. */
struct look_up_waits {
    pthread_mutex_t lock;
    int64_t left; /* nanoseconds; may be negative */
    struct timespec since;
};

struct server {
    bool has_group; /* whose members may do what root may: */
    gid_t group;
    struct router *router;
    struct guard *guard; /* of holds */
    enum trace_mode trace;
    int64_t answer_time; /* how long a call may wait for its answer */
    struct grants *grants;
    struct streams *streams; /* open ones: see fuse/streams.h */
    struct waiting *waiting;
    struct inodes inodes;
    struct budgets budgets;
    struct look_up_waits waits;
    atomic_ullong last_file; /* the number of the file that was opened last */
    atomic_ullong last_listing;
    struct fuse_session *session;
    atomic_bool ending; /* no more requests */
    pthread_mutex_t closing_lock;
    struct closing *closing; /* guarded by closing_lock */
    unsigned int max_read;   /* as in the options */
    struct timespec started;
    uid_t uid;
    gid_t gid;
    /* Called once, when the kernel and the server have agreed that the mount answers. */
    void (*mounted)(void *data);
    void *mounted_data;
};

#endif

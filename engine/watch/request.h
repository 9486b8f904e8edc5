/* SPDX-License-Identifier: MIT */
/*
 * What a watcher without capabilities asks of an attacher in another process: a plan of fixed form.
 *
 *   watcher:  attach_request     with a sealed memfd that holds the plan, the target's memory,
 * files attacher: attach_reply       with the holder's socket, its pipe and, the first time, ring,
 * tallies
 *
 * The memfd holds, one after the other, the files' request_file, the sites' offsets, references and
 * cookies, and the recipes. It is sealed, so that it does not change while it is read, and reading
 * it never waits for anybody.
 */
#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include "watch/attach.h"

/* What may be asked for at most. */
enum {
    REQUEST_FILES_MAX = 240,
    REQUEST_SITES_MAX = 1 << 17,
    REQUEST_RING_MAX = 64 << 20,
    REQUEST_TALLIES_MAX = 1 << 18,
};

struct request_file {
    uint64_t first, count; /* of its sites */
};

struct attach_request {
    pid_t tid;      /* a live thread */
    uint32_t lines; /* 0: firings are only counted */
    uint64_t file_count, site_count, recipe_count;
    uint64_t first_recipe; /* the number of the first recipe, as records have it */
    uint64_t tally_count, ring_size;
};

/* Which descriptors come with each, in this order. */
enum { REQUEST_PLAN, REQUEST_MEM, REQUEST_FILES };
enum { REPLY_SOCKET, REPLY_ENDED, REPLY_RING, REPLY_TALLIES, REPLY_FDS };

struct attach_reply {
    int status; /* 0 or a negative errno value */
    struct probe_error error;
};

/* What was attached; ring and tallies are -1 but in the first answer. */
struct attach_answer {
    struct watch_attachment attachment;
    int ring, tallies;
};

/*
 * Asks over SOCKET for PLAN, by programs as WANTED; MEM, the target's memory, open for writing, is
 * what proves the right. Errors: E2BIG it is more than can be asked for; ENOMEM; EIO there is no
 * attacher any more.
 */
int request_send(int socket, const struct watch_plan *plan, const struct programs_wanted *wanted,
                 int mem, struct probe_error *error);

/* Receives the answer. Errors: EAGAIN there is none yet; those of attach_plan(); EIO. */
int request_receive(int socket, struct attach_answer *answer, struct probe_error *error);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * How a worker is started. The server starts its own program again under another name, with what
 * the worker has to know as arguments: both ends of that are here.
 */
#ifndef PROBEFS_START_H
#define PROBEFS_START_H

#include <probe-engine.h>

/* The name that the server starts itself under, to be a worker; shown by ps. */
#define WORKER_NAME "probefs-worker"

/* The same for what attaches to probes: see attacher.h. */
#define ATTACHER_NAME "probefs-attacher"

/*
 * The descriptors that it starts with: where it gets its channels, the table of who waits, and a
 * pipe where it tells which holds it gives back at its end.
 */
enum { WORKER_CONTROL = 3, WORKER_WAITING, WORKER_GIVEN, WORKER_FDS_END };

enum worker_role {
    WORKER_OF_USER,   /* all ids are those of `identity`, no capability but one; see become.h */
    WORKER_OF_SERVER, /* the server's own identity, with all that it may */
    WORKER_LENDER,    /* the same; opens images of processes of `uid` for others, touches none */
};

/* Whose processes a worker looks into, and as whom. */
struct worker_identity { /* no padding: it is a key */
    uid_t uid;
    gid_t gid;
    enum worker_role role;
};

struct worker_setup {
    struct worker_identity identity;
    enum probe_log_level log_level;
    bool to_syslog;
    enum probe_method method;
    bool allow_gigatext;
    bool all;
};

/* What it gets as these descriptors; -1: nothing. */
struct worker_fds {
    int control, waiting, given;
};

/*
 * Starts this program as NAME. It starts from nothing: no memory and no descriptor of the server's
 * but its log's, a session of its own. Errors: EAGAIN, ENOMEM, EMFILE, ENFILE.
 */
int worker_spawn(const char *name, const struct worker_setup *setup, const struct worker_fds *fds,
                 pid_t *pid);

/* The setup that worker_spawn() made these arguments of. Errors: EINVAL. */
int worker_setup_parse(int argc, char **argv, struct worker_setup *setup);

#endif

/* SPDX-License-Identifier: MIT */
/* The command line of probefs. */
#ifndef PROBEFS_OPTIONS_H
#define PROBEFS_OPTIONS_H

#include "fuse/libfuse.h"
#include "common/log.h"
#include "server/server.h"

#include <sys/types.h>

struct options {
    char *source; /* what the table of mounts shows in the place of a device */
    char *mountpoint;
    bool foreground, debug;
    bool help, version;
    enum probe_log_level log_level;
    enum probe_method method;
    enum trace_mode trace;
    bool allow_gigatext;
    bool all;       /* also probes without a semaphore */
    bool has_group; /* of -o gid=: */
    gid_t group;
    struct budget_limits user_limits;
    unsigned int max_read; /* the largest read that the kernel sends; 0: as it likes */
};

/*
 * Parses ARGS; what is FUSE's own stays in them, for fuse_session_new(). On failure a message has
 * been printed, and -EINVAL is returned.
 */
int options_parse(struct fuse_args *args, struct options *options);
void options_done(struct options *options);

/* What --help prints. */
void options_print_help(void);

#endif

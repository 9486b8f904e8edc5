/* SPDX-License-Identifier: MIT */
/* Who asks, and what that allows. Decided when a file is opened, and kept with the open file. */
#ifndef PROBEFS_CALLER_H
#define PROBEFS_CALLER_H

#include "server/proc.h"

/* What a caller may ask of a target. */
enum authority {
    AUTHORITY_NONE,  /* nothing */
    AUTHORITY_OWN,   /* what the kernel grants the target's own user */
    AUTHORITY_ADMIN, /* all that the server itself may */
};

/* As FUSE reports it. */
struct caller {
    pid_t pid; /* a thread's; 0: in another pid namespace */
    uid_t uid;
    gid_t gid;
    bool in_group; /* of -o gid= */
    /* What caller_record() found; who has the pid later does not matter any more. */
    bool recorded, admin;
};

/* Decides once what the caller is; for those that are asked about again later. */
void caller_record(struct caller *caller);

/*
 * The authority of CALLER over processes of USER. Uid 0 alone is none: its thread needs
 * CAP_SYS_PTRACE in effect, in the server's user namespace.
 */
enum authority caller_authority(const struct caller *caller, const struct process_user *user);

/* Has the thread that authority over everybody's processes? */
bool caller_is_admin(const struct caller *caller);

#endif

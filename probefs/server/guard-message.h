/* SPDX-License-Identifier: MIT */
/*
 * What a server tells its guardian: one packet for each change of a hold, without an answer. Both
 * are the same program, so it crosses the socket as it is in memory.
 *
 *   server: guard_message, with two descriptors    then the saved bytes, in packets of 64 KiB
 */
#ifndef PROBEFS_GUARD_MESSAGE_H
#define PROBEFS_GUARD_MESSAGE_H

#include "server/router.h"

/* The name that the server starts itself under, to be a guardian; shown by ps. */
#define GUARDIAN_NAME "probefs-guard"

/* The descriptors that it starts with: those that a worker has for the same two things and others.
 */
enum { GUARDIAN_SOCKET = WORKER_CONTROL, GUARDIAN_SERVER = WORKER_WAITING };

enum guard_event {
    GUARD_KEPT,      /* a worker keeps the hold: another one than before, or a new hold */
    GUARD_FORGOTTEN, /* there is nothing to give back any more, or the worker is about to do it */
};

/* Descriptors that come with GUARD_KEPT, about the worker. */
enum guard_fd {
    GUARD_FD_PROCESS, /* a pidfd */
    GUARD_FD_GIVEN,   /* a pipe: the numbers of the holds that it gives back at its end */
    GUARD_FDS,
};

struct guard_message {
    enum guard_event event;
    /* As for HOLD_KEEP; its `file` is the number of the hold. */
    struct request request;
    struct worker_identity identity;
    enum authority authority;
    uint64_t worker;  /* its number, which is never used again */
    uint64_t same_as; /* the hold, perhaps this one, whose saved bytes are the same; 0: none */
    uint64_t length;  /* of the saved bytes behind this packet, if there is no such hold */
};

#endif

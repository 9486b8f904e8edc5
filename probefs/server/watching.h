/* SPDX-License-Identifier: MIT */
/* Who may watch probes, and how watching begins. */
#ifndef PROBEFS_WATCHING_H
#define PROBEFS_WATCHING_H

#include "server/file-handle.h"

/*
 * May whoever opens FILE, whose route is known, watch probes of its process? Errors, with a
 * sentence: EPERM; EOPNOTSUPP this server, or this kernel, cannot; those of starting the attacher.
 */
int watching_check(struct server *server, const struct file *file, struct probe_error *error);

/* What a stream has here, once it has begun. */
struct stream_feed {
    int socket;            /* lines come from here: see stream-packet.h */
    int lifetime;          /* the grant's */
    struct worker *worker; /* who feeds it, and is not idle meanwhile */
};

#define STREAM_FEED_NONE ((struct stream_feed){-1, -1, NULL})

/* How much room for firings a stream of USER gets, where COUNT streams are open already. */
size_t watching_room(uid_t user, unsigned int count);

/* What a stream is to be fed with, and for whom. */
struct stream_wish {
    const char *names; /* that choose probes of the process; of LENGTH bytes, 0: all */
    size_t length;
    size_t room;  /* for firings */
    pid_t reader; /* 0: unknown */
};

/*
 * Begins to feed the stream FILE: of its probe, or of probes of its process, as WISH says. Errors:
 * those of the service, and of grants_give(); ESRCH.
 */
int watching_begin(struct server *server, struct file *file, const struct stream_wish *wish,
                   struct stream_feed *feed, struct probe_error *error);
void watching_end(struct stream_feed *feed);

/*
 * Makes CALL, which may begin to count. Frees the reply's payload. Errors: those of the service,
 * and of grants_give().
 */
int watching_change(struct server *server, struct file *file, struct call *call,
                    struct probe_error *error);

/* Are LENGTH bytes of NAMES those of probes? Errors: those of the service. */
int watching_check_names(struct server *server, struct file *file, const char *names, size_t length,
                         struct probe_error *error);

/* How probes are watched here, as a line for people, without its newline. May wait a moment. */
const char *watching_describe(struct server *server);

/* Writes where the link KIND in INODE leads to. */
void watching_write_link(const struct inode *inode, char *path, size_t size);

#endif

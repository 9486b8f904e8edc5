/* SPDX-License-Identifier: MIT */
/*
 * The attacher: a process of its own that attaches to probes for workers. It is started by the
 * server when something is to be watched first, and ends with it. It holds the capabilities that
 * watching takes and no others, and is sealed: it can write no file, execute and signal nothing. It
 * parses nothing; what it checks, the engine's attacher does (engine/watch/attacher.c).
 *
 * One attach at a time. An attach that the kernel does not finish keeps every process of the
 * machine from forking: so a thread that was there before the first one says so in the log after a
 * second, and refuses everybody else until it ends. What hangs is not the attacher but a holder, as
 * long as it can fork one; after some seconds the attacher gives it up, and refuses by itself.
 */
#ifndef PROBEFS_ATTACHER_H
#define PROBEFS_ATTACHER_H

#include <probe-engine.h>

/* Whose memory of the kernel's is used: grants of the same number have so many bytes together. */
struct grant_purse {
    uint64_t number, memory;
};

/* What the server sends for each grant, with the watcher's socket and perhaps a lifetime. */
struct grant_packet {
    struct probe_grant grant;
    struct grant_purse purse;
};

/* What it hears once: how this kernel watches, or why it does not. */
struct way_packet {
    int status;
    enum probe_watch_way way;
    struct probe_error sentence;
};

/* Serves until the server has ended. Returns the exit status. */
int attacher_main(int argc, char **argv);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What a worker sends over a stream's socket: packets of whole lines, then one that says how the
 * stream ends. A worker that dies sends none.
 */
#ifndef PROBEFS_STREAM_PACKET_H
#define PROBEFS_STREAM_PACKET_H

#include <probe-engine.h>

/* A packet's first byte, and how long it is at most. */
enum { STREAM_LINES = 'L', STREAM_ENDS = 'E', STREAM_PACKET_MAX = 64 << 10 };

/* What follows STREAM_ENDS. */
struct stream_end {
    int error; /* an errno value; 0: the process ended, or replaced its program */
    struct probe_error sentence;
};

#endif

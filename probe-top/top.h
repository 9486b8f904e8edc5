/* SPDX-License-Identifier: MIT */
/* One run of probe-top: what it was asked for, and what it sees. */
#ifndef PROBE_TOP_TOP_H
#define PROBE_TOP_TOP_H

#include "tree.h"

enum { SUMMARY_SIZE = 128 };

struct top {
    const char *tree;
    pid_t pid;     /* of the only process to show; 0: all */
    int64_t delay; /* from look to look, in nanoseconds */
    enum column column;
    struct rows rows; /* sorted by that column */
    char summary[SUMMARY_SIZE];
    char sentence[SENTENCE_SIZE]; /* what failed last; empty: nothing */
};

/* Looks anew. If that fails, what was seen stays, and the sentence says why. 0 or -errno. */
int top_look(struct top *top);

/* Shows it on the terminal until the user has enough. An exit status. */
int screen_run(struct top *top);

#endif

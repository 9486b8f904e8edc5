/* SPDX-License-Identifier: MIT */
/* Who reads the trace of a target's probes, and whether they are counted. */
#ifndef PROBEFS_WATCHERS_H
#define PROBEFS_WATCHERS_H

#include "service/answers.h"

struct watchers_data {
    struct service *service;
    struct service_target *target; /* locked */
};

/* The functions of struct node_watchers, for a struct watchers_data. */
void watchers_explain(void *data, const bool *blocked, struct probe_error *error);
bool watchers_await(void *data);

#endif

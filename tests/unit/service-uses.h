/* SPDX-License-Identifier: MIT */
/* All that a service does for the files of one process, as its worker has it do. */
#ifndef UNIT_SERVICE_USES_H
#define UNIT_SERVICE_USES_H

#include <probe-engine.h>

struct waiting;

struct service_use {
    pid_t target; /* tests/targets/demo.c */
    struct waiting *waiting;
    /* Called with true before, and with false after, what nobody would see fail; may be NULL. */
    void (*find_memory)(bool always);
    enum probe_method method;
};

/*
 * A service of its own scans for the target, takes a hold and gives it back, reads each file and
 * switches all probes on. Errors: of the first call that failed.
 */
int service_use_all(const struct service_use *use, struct probe_error *error);

#endif

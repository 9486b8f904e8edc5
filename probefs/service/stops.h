/* SPDX-License-Identifier: MIT */
/*
 * The processes that a lender keeps stopped for other workers: one stop of each at a time. Whoever
 * asked for one ends it, or ends the lender, and then the kernel lets all go.
 */
#ifndef PROBEFS_STOPS_H
#define PROBEFS_STOPS_H

#include <probe-engine.h>

#include <pthread.h>

struct kept_stop;

struct stops {
    pthread_mutex_t lock; /* guards the list */
    struct kept_stop *list;
};

int stops_init(struct stops *stops);
/* Lets all go. */
void stops_done(struct stops *stops);

/* Stops the image of PID that ID names. Errors: EBUSY also if it is stopped here already. */
int stops_begin(struct stops *stops, struct probe_engine *engine, pid_t pid,
                const struct probe_image_id *id, struct probe_error *error);
/* See probe_stop_write_code(). Errors: also ESRCH PID is not stopped here. */
int stops_write_code(struct stops *stops, pid_t pid, uint64_t address, uint8_t byte);
/* Lets PID go, if it is stopped here. */
void stops_end(struct stops *stops, pid_t pid);

#endif

/* SPDX-License-Identifier: MIT */
/* Answers calls on the files of processes, with the authority of the process that it runs in. */
#ifndef PROBEFS_SERVICE_H
#define PROBEFS_SERVICE_H

#include "service/protocol.h"

struct service;
struct waiting;

struct service_options {
    enum probe_method method;
    bool allow_gigatext;
    bool all;                /* also show probes without a semaphore */
    struct waiting *waiting; /* who waits for the mount; must outlive the service */
    /* Ask whoever lent an image for a file that it has mapped, and for stops; NULL: nobody does. */
    int (*open_mapped)(void *data, const struct probe_image *image, uint64_t start, uint64_t end);
    const struct probe_tracer *tracer;
    /* Told of each hold that service_end_holds() gives back, by its number; NULL: nobody is. */
    void (*hold_given)(uint64_t file);
};

/* Errors: ENOMEM; what opening procfs gives. */
int service_new(const struct service_options *options, struct service **service);
void service_free(struct service *service);

/* Answers one call: fills in its reply and payload. Any thread may call at any time. */
void service_call(struct service *service, struct call *call);

/*
 * Gives all holds back, as far as that takes no longer than a moment; for a worker whose server is
 * gone. No call may come after it.
 */
void service_end_holds(struct service *service);

#endif

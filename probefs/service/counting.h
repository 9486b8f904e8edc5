/* SPDX-License-Identifier: MIT */
/*
 * The targets of which this worker counts firings: each stays in use for that long. One thread, the
 * looker, looks for those whose image has gone, as nobody may ask for them again: what was attached
 * to it would stay in the next image, a setuid program perhaps. Another, the joiner, looks for what
 * is loaded later. That reads the process's memory map, which may take long; so these are two.
 */
#ifndef PROBEFS_COUNTING_H
#define PROBEFS_COUNTING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct service;
struct service_target;

struct counting {
    pthread_mutex_t lock; /* guards what follows; a target's is taken before it */
    struct service_target *targets;
    atomic_uint count;      /* of these */
    pthread_cond_t changed; /* there are some now, or it ends */
    pthread_t looker, joiner;
    unsigned int round; /* of the joiner */
    bool has_looker, has_joiner, ending;
};

int counting_init(struct counting *counting);
/* Ends all counting. */
void counting_done(struct service *service);

/* TARGET, which is locked and has its image, may have begun or ended to count. */
void counting_note(struct service *service, struct service_target *target);

/* Is anything counted? */
bool counting_is_on(const struct service *service);

#endif

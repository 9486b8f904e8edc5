/* SPDX-License-Identifier: MIT */
/*
 * The holds that this worker keeps, by the numbers of their open files. The server has a record of
 * each as well; ARCHITECTURE.md, "Holds", says how the two go together.
 */
#ifndef PROBEFS_KEEPER_H
#define PROBEFS_KEEPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct kept_hold;
struct service;

struct keeper {
    pthread_mutex_t lock;
    struct kept_hold *table;      /* guarded by lock */
    atomic_bool ending;           /* no new hold */
    void (*given)(uint64_t file); /* told of each hold that is given back at the end; or NULL */
};

int keeper_init(struct keeper *keeper, void (*given)(uint64_t file));
bool keeper_has_holds(struct keeper *keeper);
/* Forgets all holds: nothing is given back. */
void keeper_done(struct service *service);

/* Gives all holds back, as far as that takes no longer than a moment. No call may come after it. */
void keeper_end_holds(struct service *service);

#endif

/* SPDX-License-Identifier: MIT */
/* What the parts of feeds share. */
#ifndef PROBEFS_FEED_LIST_H
#define PROBEFS_FEED_LIST_H

#include "service/feeds.h"
#include "service/targets.h"

struct feed {
    struct service_target *target; /* in use */
    struct probe_image image;      /* that was lent, or none */
    char *probe;                   /* whose it is; NULL: the process's, with the names: */
    char *names;                   /* NULL: all probes */
    size_t names_length;
    pid_t reader; /* 0: unknown */
    int attacher; /* the grant */
    struct timespec deadline;

    pthread_mutex_t lock; /* guards the watch */
    struct probe_watch *watch;
    uint64_t generation; /* of the target, when probes were added last */
    bool is_settled;     /* the attacher has answered at least once */

    /* Of the pump: */
    int socket;
    char *packet; /* that the socket has no room for */
    size_t packet_length;
    bool has_ended;  /* nothing comes behind the packet */
    bool has_hangup; /* nobody reads any more */

    unsigned int users; /* lookers; guarded by the list's lock, as is the list */
    struct feed *prev, *next;
};

struct feeds {
    struct service *service;
    pthread_mutex_t lock; /* guards the lists */
    struct feed *list;
    struct feed *dead;     /* to be freed by the looker, and here until they are detached */
    pthread_cond_t looked; /* there are dead ones */
    int events;            /* an epoll */
    bool is_started;       /* the threads run */
};

/* The threads. */
void *feed_pump(void *feeds);
void *feed_look(void *feeds);

/* Begins to watch what STREAM is about, in its target, which is locked and attached. */
int feed_watch(struct feed *feed, size_t room, struct probe_error *error);

void feed_free(struct feeds *feeds, struct feed *feed);

#endif

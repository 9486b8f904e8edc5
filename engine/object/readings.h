/* SPDX-License-Identifier: MIT */
/*
 * Files that are being read, each by one thread; others that want one wait for it.
 *
 * A file with millions of notes takes seconds, and one whose pages do not come takes for ever. Who
 * cannot wait for that long has a thread of its own read the file, which goes on when nobody waits
 * any more. What hangs uses no processor time: from that, whoever waits sees that it is at work.
 */
#ifndef ENGINE_READINGS_H
#define ENGINE_READINGS_H

#include "error.h"

#include <pthread.h>
#include <sys/stat.h>

/* Tells a file with its contents from any other. */
struct file_key {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

/* Reads the file, and keeps what is in it where others look before they have it read. */
typedef int readings_read(void *data, const struct file_key *key, int fd,
                          struct probe_error *error);

struct reading;

struct readings {
    pthread_mutex_t *lock; /* the user's: guards what follows */
    readings_read *read;   /* called without the lock */
    void *data;
    pthread_cond_t done; /* one of them is */
    struct reading *list;
    struct reading *ended;  /* whose threads are to be joined */
    struct reading *failed; /* whose threads failed when nobody waited any more */
    unsigned int failed_count;
};

void readings_init(struct readings *readings, pthread_mutex_t *lock, readings_read *read,
                   void *data);
/* Waits for all threads. */
void readings_done(struct readings *readings);

/*
 * Has the file KEY, which is open as FD, read, unless a thread does so: then waits for that. Called
 * with the lock held, which is free meanwhile. 0: look again whether it was read. UNTIL
 * (CLOCK_MONOTONIC) is how long to wait, if it is not read by this very thread; NULL: it is, and
 * nobody is in a hurry. Errors: those of reading; EINPROGRESS it is still being read, or others
 * are; ENOMEM; EMFILE, ENFILE.
 */
int readings_make(struct readings *readings, const struct file_key *key, int fd,
                  const struct timespec *until, struct probe_error *error);

#endif

/* SPDX-License-Identifier: MIT */
#include "object/readings.h"

#include "shared/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

/*
 * A file of this size may have so many notes that to read them takes long, and much memory: so no
 * more than two are read at a time. Smaller ones need not wait for these.
 */
enum { LARGE = 4 << 20, LARGE_MAX = 2 };

/* What failed when nobody waited for it any more is told to who asks next: of so many files. */
enum { FAILED_MAX = 8 };

enum { STACK_SIZE = 1 << 20 };

/* How often whoever waits looks whether a thread gets on, and when it is late. */
#define CHECK      (50 * CLOCK_MILLISECOND)
#define CHECK_LATE (10 * CLOCK_MILLISECOND)

struct reading {
    struct readings *readings;
    struct file_key key;
    int fd;           /* of a thread of its own; -1: whoever wanted it reads it */
    pthread_t thread; /* likewise */
    clockid_t clock;  /* of the processor time of the thread that reads */
    bool is_done;     /* and, with it: */
    bool is_untold;   /* it failed, and nobody waited for it */
    int status;
    struct probe_error error;
    unsigned int users; /* who reads it, and who waits for it */
    struct reading *prev, *next;
};

static void reading_put(struct reading *reading)
{
    if (--reading->users == 0)
        free(reading);
}

static void forget_failed(struct readings *readings, struct reading *reading)
{
    DL_DELETE(readings->failed, reading);
    readings->failed_count--;
    reading_put(reading);
}

/* What failed untold is kept for who asks next. */
static void settle_ended(struct readings *readings, struct reading *reading)
{
    if (!reading->is_untold) {
        reading_put(reading);
        return;
    }
    DL_APPEND(readings->failed, reading);
    if (++readings->failed_count > FAILED_MAX)
        forget_failed(readings, readings->failed);
}

/* Their threads have nothing left to do, and need no lock. */
static void join_ended(struct readings *readings)
{
    while (readings->ended) {
        struct reading *reading = readings->ended;
        DL_DELETE(readings->ended, reading);
        pthread_join(reading->thread, NULL);
        settle_ended(readings, reading);
    }
}

void readings_init(struct readings *readings, pthread_mutex_t *lock, readings_read *read,
                   void *data)
{
    *readings = (struct readings){.lock = lock, .read = read, .data = data};
    pthread_cond_init(&readings->done, NULL);
}

void readings_done(struct readings *readings)
{
    pthread_mutex_lock(readings->lock);
    while (readings->list)
        pthread_cond_wait(&readings->done, readings->lock);
    join_ended(readings);
    while (readings->failed)
        forget_failed(readings, readings->failed);
    pthread_mutex_unlock(readings->lock);
    pthread_cond_destroy(&readings->done);
}

/* All below are called with the lock held, but for what a thread does. */

static bool has_thread(const struct reading *reading)
{
    return reading->fd >= 0;
}

static bool is_large(const struct reading *reading)
{
    return has_thread(reading) && reading->key.size >= LARGE;
}

static unsigned int count_large(const struct readings *readings)
{
    unsigned int count = 0;
    const struct reading *reading = NULL;
    DL_FOREACH(readings->list, reading)
    count += is_large(reading);
    return count;
}

static struct reading *reading_find(struct reading *list, const struct file_key *key)
{
    struct reading *reading = NULL;
    DL_FOREACH(list, reading)
    {
        if (memcmp(&reading->key, key, sizeof(*key)) == 0)
            break;
    }
    return reading;
}

static struct reading *reading_new(struct readings *readings, const struct file_key *key)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    if (!reading)
        return NULL;
    reading->readings = readings;
    reading->key = *key;
    reading->fd = -1;
    reading->users = 1;
    return reading;
}

/* ---- reading ---------------------------------------------------------------------------- */

/* THREAD reads it from now on. */
static void reading_begin(struct reading *reading, pthread_t thread)
{
    pthread_getcpuclockid(thread, &reading->clock);
    DL_APPEND(reading->readings->list, reading);
}

static void reading_end(struct reading *reading, int status)
{
    struct readings *readings = reading->readings;
    reading->status = status;
    reading->is_done = true;
    reading->is_untold = status < 0 && reading->users == 1;
    DL_DELETE(readings->list, reading);
    pthread_cond_broadcast(&readings->done);
    if (has_thread(reading))
        DL_APPEND(readings->ended, reading);
    else
        reading_put(reading);
}

static int read_here(struct readings *readings, const struct file_key *key, int fd,
                     struct probe_error *error)
{
    struct reading *reading = reading_new(readings, key);
    if (!reading)
        return error_memory(error);
    reading_begin(reading, pthread_self());
    pthread_mutex_unlock(readings->lock);
    int status = readings->read(readings->data, key, fd, &reading->error);
    pthread_mutex_lock(readings->lock);
    if (status < 0 && error)
        *error = reading->error;
    reading_end(reading, status);
    return status;
}

static void *read_in_thread(void *data)
{
    struct reading *reading = data;
    struct readings *readings = reading->readings;
    pthread_mutex_t *lock = readings->lock;
    int status = readings->read(readings->data, &reading->key, reading->fd, &reading->error);
    close(reading->fd);
    pthread_mutex_lock(lock);
    reading_end(reading, status);
    pthread_mutex_unlock(lock);
    return NULL;
}

/* A thread that gets none of the signals of the program that it is in. */
static int start_thread(struct reading *reading)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = -pthread_create(&reading->thread, &attributes, read_in_thread, reading);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return status;
}

/* Without a thread, it is read here. */
static int begin_in_thread(struct readings *readings, const struct file_key *key, int fd,
                           struct probe_error *error)
{
    struct reading *reading = reading_new(readings, key);
    if (!reading)
        return error_memory(error);
    reading->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (reading->fd < 0) {
        reading_put(reading);
        return error_set(error, errno, "cannot keep the file open");
    }
    if (start_thread(reading) < 0) {
        close(reading->fd);
        reading_put(reading);
        return read_here(readings, key, fd, error);
    }
    reading_begin(reading, reading->thread); /* it cannot have ended: that takes the lock */
    return 0;
}

/* ---- waiting ---------------------------------------------------------------------------- */

static int64_t processor_time(const struct reading *reading)
{
    struct timespec time;
    if (clock_gettime(reading->clock, &time) < 0)
        return 0;
    return (int64_t)time.tv_sec * CLOCK_SECOND + time.tv_nsec;
}

/* That of ONLY, or of all large ones where that is NULL; of what has ended, there is none. */
static int64_t sum_processor_time(const struct readings *readings, const struct reading *only)
{
    int64_t sum = 0;
    const struct reading *reading = NULL;
    DL_FOREACH(readings->list, reading)
    {
        if (only ? reading == only : is_large(reading))
            sum += processor_time(reading);
    }
    return sum;
}

/*
 * Waits for ONLY, or for any large one where that is NULL, and no longer than a moment. After UNTIL
 * it waits only for what makes no progress: whoever hangs must not look as if it was at work. Each
 * of many that wait looks for itself, or one after the other would see what has changed.
 */
static int wait_a_moment(struct readings *readings, const struct reading *only,
                         const struct timespec *until)
{
    if (!until) {
        pthread_cond_wait(&readings->done, readings->lock);
        return 0;
    }
    const int64_t before = sum_processor_time(readings, only);
    bool is_late = clock_is_past(until);
    struct timespec end = clock_after(is_late ? CHECK_LATE : CHECK);
    if (!is_late && clock_between(until, &end) > 0)
        end = *until;
    pthread_cond_clockwait(&readings->done, readings->lock, CLOCK_MONOTONIC, &end);
    bool has_worked = sum_processor_time(readings, only) != before;
    return has_worked && clock_is_past(until) ? -EINPROGRESS : 0;
}

static int wait_for(struct readings *readings, struct reading *reading,
                    const struct timespec *until, struct probe_error *error)
{
    int status = 0;
    reading->users++;
    while (!reading->is_done && status == 0)
        status = wait_a_moment(readings, reading, until);
    if (reading->is_done)
        status = reading->status;
    if (status < 0 && reading->is_done && error)
        *error = reading->error;
    reading_put(reading);
    return status;
}

/* Once: whoever asks again has it read again. */
static int tell_failed(struct readings *readings, struct reading *reading,
                       struct probe_error *error)
{
    int status = reading->status;
    if (error)
        *error = reading->error;
    forget_failed(readings, reading);
    return status;
}

int readings_make(struct readings *readings, const struct file_key *key, int fd,
                  const struct timespec *until, struct probe_error *error)
{
    join_ended(readings);
    struct reading *reading = reading_find(readings->list, key);
    if (reading)
        return wait_for(readings, reading, until, error);
    reading = reading_find(readings->failed, key);
    if (reading)
        return tell_failed(readings, reading, error);
    if (!until)
        return read_here(readings, key, fd, error);
    if (key->size >= LARGE && count_large(readings) >= LARGE_MAX)
        return wait_a_moment(readings, NULL, until);
    return begin_in_thread(readings, key, fd, error);
}

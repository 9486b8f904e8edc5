/* SPDX-License-Identifier: MIT */
#include "service/stops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

struct kept_stop {
    pid_t pid;
    struct probe_stop *stop;
    bool busy; /* it is under way, or used: it belongs to that thread */
    struct kept_stop *next;
};

int stops_init(struct stops *stops)
{
    *stops = (struct stops){.list = NULL};
    return -pthread_mutex_init(&stops->lock, NULL);
}

static struct kept_stop *find_stop(const struct stops *stops, pid_t pid)
{
    struct kept_stop *kept = NULL;
    LL_SEARCH_SCALAR(stops->list, kept, pid, pid);
    return kept;
}

static void remove_stop(struct stops *stops, struct kept_stop *kept)
{
    pthread_mutex_lock(&stops->lock);
    LL_DELETE(stops->list, kept);
    pthread_mutex_unlock(&stops->lock);
    free(kept);
}

void stops_done(struct stops *stops)
{
    struct kept_stop *kept = NULL;
    struct kept_stop *next = NULL;
    LL_FOREACH_SAFE(stops->list, kept, next)
    {
        probe_stop_end(kept->stop);
        free(kept);
    }
    pthread_mutex_destroy(&stops->lock);
}

/* Adds a stop that is under way. Errors: EBUSY, ENOMEM. */
static int add_stop(struct stops *stops, pid_t pid, struct kept_stop **result)
{
    int status = -ENOMEM;
    struct kept_stop *kept = calloc(1, sizeof(*kept));
    if (!kept)
        return status;
    kept->pid = pid;
    kept->busy = true;
    pthread_mutex_lock(&stops->lock);
    status = find_stop(stops, pid) ? -EBUSY : 0;
    if (status == 0)
        LL_PREPEND(stops->list, kept);
    pthread_mutex_unlock(&stops->lock);
    if (status < 0)
        free(kept);
    else
        *result = kept;
    return status;
}

static void release_stop(struct stops *stops, struct kept_stop *kept)
{
    pthread_mutex_lock(&stops->lock);
    kept->busy = false;
    pthread_mutex_unlock(&stops->lock);
}

int stops_begin(struct stops *stops, struct probe_engine *engine, pid_t pid,
                const struct probe_image_id *id, struct probe_error *error)
{
    struct kept_stop *kept = NULL;
    int status = add_stop(stops, pid, &kept);
    if (status == -EBUSY)
        snprintf(error->text, sizeof(error->text), "process %d is stopped for another change", pid);
    if (status < 0)
        return status;
    status = probe_stop_begin(engine, pid, id, &kept->stop, error);
    if (status < 0)
        remove_stop(stops, kept);
    else
        release_stop(stops, kept);
    return status;
}

/* The stop of PID, for this thread alone until release_stop() or remove_stop(); or NULL. */
static struct kept_stop *take_stop(struct stops *stops, pid_t pid)
{
    pthread_mutex_lock(&stops->lock);
    struct kept_stop *kept = find_stop(stops, pid);
    if (kept && kept->busy)
        kept = NULL;
    if (kept)
        kept->busy = true;
    pthread_mutex_unlock(&stops->lock);
    return kept;
}

int stops_write_code(struct stops *stops, pid_t pid, uint64_t address, uint8_t byte)
{
    struct kept_stop *kept = take_stop(stops, pid);
    if (!kept)
        return -ESRCH;
    int status = probe_stop_write_code(kept->stop, address, byte);
    release_stop(stops, kept);
    return status;
}

void stops_end(struct stops *stops, pid_t pid)
{
    struct kept_stop *kept = take_stop(stops, pid);
    if (!kept)
        return;
    probe_stop_end(kept->stop);
    remove_stop(stops, kept);
}

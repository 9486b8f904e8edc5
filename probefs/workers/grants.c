/* SPDX-License-Identifier: MIT */
#include "workers/grants.h"

#include "common/log.h"
#include "shared/clock.h"
#include "workers/attacher.h"
#include "workers/channel.h"
#include "workers/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* For a packet to the attacher: it may be busy, and have many to take already. */
#define SEND_TIME CLOCK_SECOND

struct grants {
    struct worker_setup setup;
    pthread_mutex_t lock; /* guards what follows */
    int control;          /* -1: no attacher */
    bool is_known;        /* the attacher has said how: */
    struct way_packet way;
};

int grants_new(const struct workers_options *options, struct grants **result)
{
    struct grants *grants = calloc(1, sizeof(*grants));
    if (!grants)
        return -ENOMEM;
    grants->setup = (struct worker_setup){
        .identity = {.role = WORKER_OF_SERVER},
        .log_level = options->log_level,
        .to_syslog = options->to_syslog,
    };
    grants->control = -1;
    pthread_mutex_init(&grants->lock, NULL);
    *result = grants;
    return 0;
}

void grants_free(struct grants *grants)
{
    if (!grants)
        return;
    if (grants->control >= 0)
        close(grants->control);
    pthread_mutex_destroy(&grants->lock);
    free(grants);
}

/* ---- the attacher ------------------------------------------------------------------------ */

/* All below are called with the lock held. */

static int fail_start(int status, struct probe_error *error)
{
    snprintf(error->text, sizeof(error->text), "what attaches to probes cannot be started: %s",
             strerror(-status));
    return status;
}

static void end_attacher(struct grants *grants)
{
    if (grants->control >= 0)
        close(grants->control);
    grants->control = -1;
}

static int start_attacher(struct grants *grants, struct probe_error *error)
{
    int ends[2];
    pid_t pid = 0;
    if (grants->control >= 0)
        return 0;
    int status = channel_pair(ends);
    if (status < 0)
        return fail_start(status, error);
    const struct worker_fds fds = {.control = ends[1], .waiting = -1, .given = -1};
    status = worker_spawn(ATTACHER_NAME, &grants->setup, &fds, &pid);
    close(ends[1]);
    if (status < 0) {
        close(ends[0]);
        return fail_start(status, error);
    }
    log_message(PROBE_LOG_DEBUG, "process %d attaches to probes", pid);
    grants->control = ends[0];
    grants->is_known = false;
    return 0;
}

/* May what went wrong be better another time? */
static bool is_passing(int status)
{
    return status == -ENOMEM || status == -EAGAIN || status == -EMFILE || status == -ENFILE;
}

/* Hears how this kernel watches. */
static int hear_way(struct grants *grants, int64_t wait, struct probe_error *error)
{
    const struct timespec deadline = clock_after(wait);
    if (grants->is_known)
        return 0;
    int status =
        packet_receive(grants->control, &grants->way, sizeof(grants->way), NULL, NULL, &deadline);
    if (status == -ETIMEDOUT) {
        snprintf(error->text, sizeof(error->text),
                 "what attaches to probes is still being started: try again");
        return status;
    }
    if (status < 0) {
        end_attacher(grants);
        return fail_start(-EIO, error);
    }
    grants->is_known = true;
    grants->way.sentence.text[sizeof(grants->way.sentence.text) - 1] = '\0';
    if (grants->way.status < 0)
        end_attacher(grants);
    return 0;
}

static int find_way(struct grants *grants, int64_t wait, struct probe_error *error)
{
    /* What has failed for good is not tried again. */
    bool is_refused = grants->is_known && grants->way.status < 0 && !is_passing(grants->way.status);
    int status = is_refused ? 0 : start_attacher(grants, error);
    if (status == 0 && !is_refused)
        status = hear_way(grants, wait, error);
    if (status < 0 || grants->way.status == 0)
        return status;
    *error = grants->way.sentence;
    return is_passing(grants->way.status) ? grants->way.status : -EOPNOTSUPP;
}

int grants_find_way(struct grants *grants, int64_t wait, enum probe_watch_way *way,
                    struct probe_error *error)
{
    pthread_mutex_lock(&grants->lock);
    int status = find_way(grants, wait, error);
    if (status == 0)
        *way = grants->way.way;
    pthread_mutex_unlock(&grants->lock);
    return status;
}

/* ---- grants ------------------------------------------------------------------------------ */

static int send_grant(struct grants *grants, const struct grant_packet *packet, const int *fds,
                      size_t count, struct probe_error *error)
{
    const struct timespec deadline = clock_after(SEND_TIME);
    pthread_mutex_lock(&grants->lock);
    int status = start_attacher(grants, error);
    if (status == 0) {
        status = packet_send(grants->control, packet, sizeof(*packet), fds, count, &deadline);
        if (status < 0)
            snprintf(error->text, sizeof(error->text),
                     status == -ETIMEDOUT ? "what attaches to probes does not answer"
                                          : "what attaches to probes has ended: try again");
        if (status == -EPIPE)
            end_attacher(grants);
    }
    pthread_mutex_unlock(&grants->lock);
    return status;
}

static void close_pair(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

int grants_give(struct grants *grants, const struct probe_grant *granted,
                const struct grant_purse *purse, bool lives, struct grant *result,
                struct probe_error *error)
{
    int watcher[2];
    int lifetime[2] = {-1, -1};
    const struct grant_packet packet = {*granted, *purse};
    int status = channel_pair(watcher);
    if (status < 0)
        return fail_start(status, error);
    if (lives && pipe2(lifetime, O_CLOEXEC) < 0) {
        status = fail_start(-errno, error);
        close_pair(watcher);
        return status;
    }
    const int fds[] = {watcher[1], lifetime[0]};
    status = send_grant(grants, &packet, fds, lives ? 2 : 1, error);
    if (status == -EPIPE) /* it has died: there is another now */
        status = send_grant(grants, &packet, fds, lives ? 2 : 1, error);
    close(watcher[1]);
    if (lives)
        close(lifetime[0]);
    if (status < 0) {
        close(watcher[0]);
        if (lives)
            close(lifetime[1]);
        return status == -EPIPE ? -EIO : status;
    }
    *result = (struct grant){watcher[0], lifetime[1]};
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "workers/attacher.h"

#include "common/file-limit.h"
#include "common/log.h"
#include "shared/array.h"
#include "shared/clock.h"
#include "workers/become.h"
#include "workers/packet.h"
#include "workers/seal.h"
#include "workers/start.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* How many grants, and holders, a user may have at once; root is not counted. */
enum { CLIENTS_MAX = 192, HOLDERS_MAX = 256 };

/* After so many seconds an attach is told of in the log. */
enum { HANGS_SECONDS = 1 };

/* A grant. */
struct client {
    struct probe_attacher *attacher;
    int socket; /* the attacher's */
    pid_t pid;
    uid_t uid;
};

/* Something that is attached, until its end is closed. */
struct held {
    int end;
    uid_t uid;
};

struct attaching {
    struct probe_engine *engine;
    struct client *clients;
    size_t client_count, client_room;
    struct held *held;
    size_t held_count, held_room;
    struct pollfd *polled;
    size_t polled_room;
    int stuck; /* the end of an attach that did not finish in time; -1 */
    pid_t stuck_pid;

    pthread_mutex_t lock; /* guards what follows, which the watchdog looks at */
    pthread_cond_t begun;
    pid_t under_way; /* whose attach is; 0: none */
    unsigned int serial;
};

/* ---- the watchdog ------------------------------------------------------------------------ */

static void tell_hang(pid_t pid, uid_t uid)
{
    log_message(PROBE_LOG_ERROR,
                "the kernel has not finished attaching to probes of process %d (user %u) for %d s: "
                "until it does, no process of this machine may be able to fork; end that process, "
                "and whatever serves the files that it has mapped",
                pid, uid, HANGS_SECONDS);
}

static uid_t user_of(const struct attaching *this, pid_t pid)
{
    for (size_t i = 0; i < this->client_count; i++) {
        if (this->clients[i].pid == pid)
            return this->clients[i].uid;
    }
    return 0;
}

/* Says once of each attach that it takes too long. It never forks, and needs no memory to do so. */
static void *watch_attaches(void *data)
{
    struct attaching *this = data;
    pthread_mutex_lock(&this->lock);
    for (;;) {
        while (this->under_way == 0)
            pthread_cond_wait(&this->begun, &this->lock);
        unsigned int serial = this->serial;
        const struct timespec end = clock_after(HANGS_SECONDS * CLOCK_SECOND);
        while (this->under_way != 0 && this->serial == serial && !clock_is_past(&end))
            pthread_cond_timedwait(&this->begun, &this->lock, &end);
        if (this->under_way == 0 || this->serial != serial)
            continue;
        tell_hang(this->under_way, user_of(this, this->under_way));
        while (this->under_way != 0 && this->serial == serial)
            pthread_cond_wait(&this->begun, &this->lock);
    }
    return NULL;
}

static void set_under_way(struct attaching *this, pid_t pid)
{
    pthread_mutex_lock(&this->lock);
    this->under_way = pid;
    this->serial++;
    pthread_cond_signal(&this->begun);
    pthread_mutex_unlock(&this->lock);
}

static int start_watchdog(struct attaching *this)
{
    pthread_t thread;
    pthread_condattr_t attributes;
    pthread_mutex_init(&this->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&this->begun, &attributes);
    pthread_condattr_destroy(&attributes);
    return -pthread_create(&thread, NULL, watch_attaches, this);
}

/* ---- clients ----------------------------------------------------------------------------- */

static size_t count_clients(const struct attaching *this, uid_t uid)
{
    size_t count = 0;
    for (size_t i = 0; i < this->client_count; i++)
        count += this->clients[i].uid == uid;
    return count;
}

static size_t count_held(const struct attaching *this, uid_t uid)
{
    size_t count = 0;
    for (size_t i = 0; i < this->held_count; i++)
        count += this->held[i].uid == uid;
    return count;
}

static int add_client(struct attaching *this, const struct probe_grant *grant, int socket,
                      int lifetime)
{
    struct probe_attacher *attacher = NULL;
    if (grant->uid != 0 && count_clients(this, grant->uid) >= CLIENTS_MAX)
        return -EMFILE;
    if (ARRAY_RESERVE(this->clients, this->client_room, this->client_count + 1) < 0)
        return -ENOMEM;
    int status = probe_attacher_new(this->engine, socket, grant, lifetime, &attacher);
    if (status == 0) {
        pthread_mutex_lock(&this->lock);
        this->clients[this->client_count++] =
            (struct client){attacher, socket, grant->pid, grant->uid};
        pthread_mutex_unlock(&this->lock);
    }
    return status;
}

/* Takes a grant. Errors: EPIPE the server has ended. */
static int take_grant(struct attaching *this)
{
    struct grant_packet packet;
    int fds[PACKET_FDS_MAX];
    size_t count = 0;
    int status = packet_receive(WORKER_CONTROL, &packet, sizeof(packet), fds, &count, NULL);
    if (status < 0)
        return status;
    if ((count == 1 || count == 2) &&
        add_client(this, &packet.grant, fds[0], count == 2 ? fds[1] : -1) == 0)
        return 0;
    while (count > 0)
        close(fds[--count]);
    return 0;
}

static void drop_client(struct attaching *this, size_t index)
{
    probe_attacher_free(this->clients[index].attacher);
    pthread_mutex_lock(&this->lock);
    this->clients[index] = this->clients[--this->client_count];
    pthread_mutex_unlock(&this->lock);
}

/* Remembers what was attached, to count it. */
static void note_held(struct attaching *this, const struct client *client, int status)
{
    int end = probe_attacher_take_end(client->attacher);
    if (end < 0)
        return;
    if (status == -ETIMEDOUT && this->stuck < 0) {
        this->stuck = end;
        this->stuck_pid = client->pid;
        return;
    }
    if (ARRAY_RESERVE(this->held, this->held_room, this->held_count + 1) < 0)
        close(end);
    else
        this->held[this->held_count++] = (struct held){end, client->uid};
}

/* What a request is refused for before anybody looks at it; NULL: nothing. */
static int find_refusal(const struct attaching *this, const struct client *client,
                        struct probe_error *error)
{
    if (this->stuck >= 0) {
        snprintf(error->text, sizeof(error->text),
                 "process %d: the kernel does not finish attaching to probes of process %d, which "
                 "has to be ended first",
                 client->pid, this->stuck_pid);
        return -ETIMEDOUT;
    }
    if (client->uid != 0 && count_held(this, client->uid) >= HOLDERS_MAX) {
        snprintf(error->text, sizeof(error->text),
                 "process %d: as much of user %u is watched and counted as may be at once",
                 client->pid, client->uid);
        return -EMFILE;
    }
    return 0;
}

/* Serves what client INDEX asks for; returns false where it has gone. */
static bool serve_client(struct attaching *this, size_t index)
{
    struct client *client = &this->clients[index];
    struct probe_error error = {.text = ""};
    int status = find_refusal(this, client, &error);
    if (status < 0) {
        status = probe_attacher_refuse(client->attacher, status, &error);
    } else {
        set_under_way(this, client->pid);
        status = probe_attacher_serve(client->attacher, &error);
        set_under_way(this, 0);
        note_held(this, client, status);
    }
    if (status < 0 && error.text[0])
        log_message(PROBE_LOG_DEBUG, "%s", error.text);
    return status != -EPIPE;
}

/* ---- waiting ----------------------------------------------------------------------------- */

/* Everything that something may come from: the server, clients, what is held, what is stuck. */
static int fill_polled(struct attaching *this)
{
    size_t count = 0;
    size_t needed = 2 + this->client_count + this->held_count;
    if (ARRAY_RESERVE(this->polled, this->polled_room, needed) < 0)
        return -ENOMEM;
    this->polled[count++] = (struct pollfd){.fd = WORKER_CONTROL, .events = POLLIN};
    this->polled[count++] = (struct pollfd){.fd = this->stuck};
    for (size_t i = 0; i < this->client_count; i++)
        this->polled[count++] = (struct pollfd){.fd = this->clients[i].socket, .events = POLLIN};
    for (size_t i = 0; i < this->held_count; i++)
        this->polled[count++] = (struct pollfd){.fd = this->held[i].end};
    return (int)count;
}

/* Forgets what is detached. CLIENTS: how many there were when it was asked for. */
static void forget_ended(struct attaching *this, size_t clients)
{
    if (this->polled[1].revents) {
        close(this->stuck);
        this->stuck = -1;
    }
    for (size_t i = this->held_count; i > 0; i--) {
        if (!this->polled[2 + clients + i - 1].revents)
            continue;
        close(this->held[i - 1].end);
        this->held[i - 1] = this->held[--this->held_count];
    }
}

/* Backwards, as the last takes the place of one that has gone. */
static void serve_clients(struct attaching *this, size_t clients)
{
    for (size_t i = clients; i > 0; i--) {
        if (this->polled[2 + i - 1].revents && !serve_client(this, i - 1))
            drop_client(this, i - 1);
    }
}

static void serve(struct attaching *this)
{
    int status = 0;
    while (status == 0) {
        size_t clients = this->client_count;
        int count = fill_polled(this);
        if (count < 0 || poll(this->polled, (nfds_t)count, -1) < 0)
            continue;
        forget_ended(this, clients);
        serve_clients(this, clients);
        if (this->polled[0].revents)
            status = take_grant(this);
    }
}

/* ---- the process ------------------------------------------------------------------------- */

static int begin(int argc, char **argv, struct attaching *this)
{
    struct worker_setup setup;
    const struct probe_engine_options options = {.log = log_from_engine};
    if (worker_setup_parse(argc, argv, &setup) < 0)
        return -EINVAL;
    log_open(ATTACHER_NAME, setup.log_level, setup.to_syslog);
    raise_file_limit();
    if (chdir("/") < 0 || become_attacher() < 0 || become_sealed() < 0)
        return -errno;
    int status = probe_engine_new(&options, &this->engine);
    if (status == 0)
        status = start_watchdog(this);
    if (status == 0 && seal_attacher() < 0)
        status = -errno;
    return status;
}

/* Tells the server how this kernel watches. */
static int tell_way(struct attaching *this, int status)
{
    struct way_packet packet = {.status = status};
    if (status == 0)
        packet.status = probe_watch_find_way(this->engine, &packet.way, &packet.sentence);
    else
        snprintf(packet.sentence.text, sizeof(packet.sentence.text),
                 "what attaches to probes cannot start: %s", strerror(-status));
    status = packet_send(WORKER_CONTROL, &packet, sizeof(packet), NULL, 0, NULL);
    return status < 0 ? status : packet.status;
}

int attacher_main(int argc, char **argv)
{
    struct attaching this = {.stuck = -1};
    prctl(PR_SET_NAME, ATTACHER_NAME, 0, 0, 0);
    /* Whoever ends the server ends all its processes (systemd does): it ends when the server has.
     */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    int status = begin(argc, argv, &this);
    if (status < 0)
        log_message(PROBE_LOG_ERROR, "what attaches to probes cannot start: %s", strerror(-status));
    if (tell_way(&this, status) < 0)
        return 1;
    serve(&this);
    /* What is held is no child of this process, and ends by itself. */
    _exit(0);
}

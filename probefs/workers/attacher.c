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

/*
 * How many grants, and holders, a user may have at once; root is not counted. More than a user has
 * room for: that of streams, most of it the kernel's, counts as memory (-o user_memory=).
 */
enum { CLIENTS_MAX = 1024, HOLDERS_MAX = 2048 };

/* After so many seconds an attach is told of in the log, and others are refused, */
enum { HANGS_SECONDS = 1 };
/* who are looked for at such intervals. */
#define REFUSE_AGAIN (20 * CLOCK_MILLISECOND)

/* A grant. */
struct client {
    struct probe_attacher *attacher;
    int socket; /* the attacher's */
    pid_t pid;
    uid_t uid;
    struct grant_purse purse;
};

/* Something that is attached, until its end is closed. */
struct held {
    int end;
    uid_t uid;
    uint64_t purse, memory;
};

/*
 * All but what the lock guards is the main thread's. While that one attaches it touches nothing of
 * it, so that the watchdog may, with the lock held: who wants to attach is let in and refused.
 */
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

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct client under_way; /* whose attach is; pid 0: none */
    unsigned int serial;
};

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

/* How much is left in the purse of CLIENT. */
static uint64_t count_left(const struct attaching *this, const struct client *client)
{
    uint64_t used = 0;
    for (size_t i = 0; i < this->client_count; i++) {
        if (this->clients[i].purse.number == client->purse.number)
            used += probe_attacher_kept(this->clients[i].attacher);
    }
    for (size_t i = 0; i < this->held_count; i++)
        used += this->held[i].purse == client->purse.number ? this->held[i].memory : 0;
    return used < client->purse.memory ? client->purse.memory - used : 0;
}

static int add_client(struct attaching *this, const struct grant_packet *packet, int socket,
                      int lifetime)
{
    const struct probe_grant *grant = &packet->grant;
    struct probe_attacher *attacher = NULL;
    if (grant->uid != 0 && count_clients(this, grant->uid) >= CLIENTS_MAX)
        return -EMFILE;
    if (ARRAY_RESERVE(this->clients, this->client_room, this->client_count + 1) < 0)
        return -ENOMEM;
    int status = probe_attacher_new(this->engine, socket, grant, lifetime, &attacher);
    if (status == 0)
        this->clients[this->client_count++] =
            (struct client){attacher, socket, grant->pid, grant->uid, packet->purse};
    return status;
}

static bool has_come(int socket)
{
    struct pollfd polled = {.fd = socket, .events = POLLIN};
    return poll(&polled, 1, 0) > 0;
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
        add_client(this, &packet, fds[0], count == 2 ? fds[1] : -1) == 0)
        return 0;
    while (count > 0)
        close(fds[--count]);
    return 0;
}

/* Takes all that are there. Errors: EPIPE, as above. */
static int take_grants(struct attaching *this)
{
    int status = 0;
    while (status == 0 && has_come(WORKER_CONTROL))
        status = take_grant(this);
    return status;
}

static void drop_client(struct attaching *this, size_t index)
{
    probe_attacher_free(this->clients[index].attacher);
    this->clients[index] = this->clients[--this->client_count];
}

/* Refuses what CLIENT asks for. Errors: EPIPE it has gone. */
static int refuse(const struct client *client, int status, const struct probe_error *error)
{
    int answered = probe_attacher_refuse(client->attacher, status, error);
    if (answered != -EPIPE)
        log_message(PROBE_LOG_DEBUG, "%s", error->text);
    return answered;
}

static int refuse_for_hang(const struct client *client, pid_t hanging)
{
    struct probe_error error = {.text = ""}; /* all of it is sent */
    snprintf(error.text, sizeof(error.text),
             "process %d: the kernel does not finish attaching to probes of process %d, which "
             "has to be ended first",
             client->pid, hanging);
    return refuse(client, -ETIMEDOUT, &error);
}

static int refuse_for_number(const struct client *client)
{
    struct probe_error error = {.text = ""}; /* all of it is sent */
    snprintf(error.text, sizeof(error.text),
             "process %d: as much of user %u is watched and counted as may be at once", client->pid,
             client->uid);
    return refuse(client, -EMFILE, &error);
}

/* ---- the watchdog ------------------------------------------------------------------------ */

static void tell_hang(const struct client *client)
{
    log_message(PROBE_LOG_ERROR,
                "the kernel has not finished attaching to probes of process %d (user %u) for %d s: "
                "until it does, no process of this machine may be able to fork; end that process, "
                "and whatever serves the files that it has mapped",
                client->pid, client->uid, HANGS_SECONDS);
}

/*
 * Refuses all but the one whose attach is under way. Who has gone is left for the main thread to
 * drop, which counts on their places.
 */
static void refuse_others(struct attaching *this)
{
    (void)take_grants(this); /* that the server has ended, the main thread sees */
    for (size_t i = 0; i < this->client_count; i++) {
        const struct client *client = &this->clients[i];
        if (client->attacher != this->under_way.attacher && has_come(client->socket))
            refuse_for_hang(client, this->under_way.pid);
    }
}

static bool is_under_way(const struct attaching *this, unsigned int serial)
{
    return this->under_way.pid != 0 && this->serial == serial;
}

/* Says of each attach that takes too long that it does, and refuses others until it ends. */
static void *watch_attaches(void *data)
{
    struct attaching *this = data;
    pthread_mutex_lock(&this->lock);
    for (;;) {
        while (this->under_way.pid == 0)
            pthread_cond_wait(&this->changed, &this->lock);
        unsigned int serial = this->serial;
        struct timespec next = clock_after(HANGS_SECONDS * CLOCK_SECOND);
        while (is_under_way(this, serial) && !clock_is_past(&next))
            pthread_cond_timedwait(&this->changed, &this->lock, &next);
        if (is_under_way(this, serial))
            tell_hang(&this->under_way);
        while (is_under_way(this, serial)) {
            refuse_others(this);
            next = clock_after(REFUSE_AGAIN);
            pthread_cond_timedwait(&this->changed, &this->lock, &next);
        }
    }
    return NULL;
}

static void set_under_way(struct attaching *this, const struct client *client)
{
    pthread_mutex_lock(&this->lock);
    this->under_way = *client;
    this->serial++;
    pthread_cond_signal(&this->changed);
    pthread_mutex_unlock(&this->lock);
}

static int start_watchdog(struct attaching *this)
{
    pthread_t thread;
    pthread_condattr_t attributes;
    pthread_mutex_init(&this->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&this->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return -pthread_create(&thread, NULL, watch_attaches, this);
}

/* ---- attaching --------------------------------------------------------------------------- */

/* Remembers what was attached, and has taken MEMORY, to count it. */
static void note_held(struct attaching *this, const struct client *client, uint64_t memory,
                      int status)
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
        this->held[this->held_count++] =
            (struct held){end, client->uid, client->purse.number, memory};
}

static int attach(struct attaching *this, const struct client *client)
{
    struct probe_error error = {.text = ""};
    uint64_t left = count_left(this, client);
    uint64_t before = left + probe_attacher_kept(client->attacher);
    set_under_way(this, client);
    int status = probe_attacher_serve(client->attacher, &left, &error);
    set_under_way(this, &(struct client){.pid = 0});
    note_held(this, client, before - left - probe_attacher_kept(client->attacher), status);
    if (status < 0 && error.text[0])
        log_message(PROBE_LOG_DEBUG, "%s", error.text);
    return status;
}

/* Serves what client INDEX asks for; returns false where it has gone. */
static bool serve_client(struct attaching *this, size_t index)
{
    /* A copy: where its attach hangs, the watchdog lets others in. */
    const struct client client = this->clients[index];
    if (this->stuck >= 0)
        return refuse_for_hang(&client, this->stuck_pid) != -EPIPE;
    if (client.uid != 0 && count_held(this, client.uid) >= HOLDERS_MAX)
        return refuse_for_number(&client) != -EPIPE;
    return attach(this, &client) != -EPIPE;
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

/*
 * Backwards, as the last takes the place of one that has gone. What came may have been answered
 * since, by the watchdog: so it is asked for again. The server waits a second for room for its
 * grants, and many attaches take longer.
 */
static int serve_clients(struct attaching *this, size_t clients)
{
    int status = 0;
    for (size_t i = clients; i > 0 && status == 0; i--) {
        if (!this->polled[2 + i - 1].revents || !has_come(this->clients[i - 1].socket))
            continue;
        if (!serve_client(this, i - 1))
            drop_client(this, i - 1);
        status = take_grants(this);
    }
    return status;
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
        status = serve_clients(this, clients);
        if (status == 0)
            status = take_grants(this);
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
    /* The watchdog is sealed as well: it comes last. */
    if (status == 0 && seal_attacher() < 0)
        status = -errno;
    if (status == 0)
        status = start_watchdog(this);
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
    status = tell_way(&this, status);
    if (status == 0)
        serve(&this);
    /* What is held is no child of this process, and ends by itself. */
    _exit(status < 0 ? 1 : 0);
}

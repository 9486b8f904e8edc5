/* SPDX-License-Identifier: MIT */
/* The guardian's side: see guard.h. */
#include "server/guard.h"

#include "common/log.h"
#include "common/waiting.h"
#include "server/guard-message.h"
#include "shared/clock.h"
#include "workers/become.h"
#include "workers/packet.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#define HASH_NONFATAL_OOM 1 /* without memory, an entry is not added: nobody exits */
#include <uthash.h>

/* How long a server that has closed its socket may take to die, and the guardian for all holds. */
enum { DEATH_SECONDS = 10, GIVE_SECONDS = 60 };

/* Between two rounds: at first, and when nothing can be given back. */
#define PAUSE     (10 * CLOCK_MILLISECOND)
#define PAUSE_MAX (CLOCK_SECOND / 10)

/* A worker that keeps holds, or did. */
struct keeping_worker {
    uint64_t number;
    int pidfd;
    int given;    /* the pipe, not blocking */
    size_t holds; /* of those below */
    bool is_dead; /* and `given` was read to its end */
    UT_hash_handle hh;
};

/* What several holds were saved as. */
struct saved_bytes {
    char *bytes;
    size_t length;
    size_t holds;
};

struct guarded_hold {
    uint64_t file;
    struct request request;
    struct route route;
    struct keeping_worker *worker;
    struct saved_bytes *saved;
    unsigned int next_round; /* in which it is tried: its user's others did not answer before */
    UT_hash_handle hh;
};

struct guardian {
    struct keeping_worker *workers; /* by number */
    struct guarded_hold *holds;     /* by file */
    struct router *router;          /* once the server has gone */
    unsigned int round;
};

/* ---- what the server tells --------------------------------------------------------------- */

static void worker_drop(struct guardian *guardian, struct keeping_worker *worker)
{
    if (!worker || --worker->holds > 0)
        return;
    HASH_DEL(guardian->workers, worker);
    close(worker->pidfd);
    close(worker->given);
    free(worker);
}

static void saved_drop(struct saved_bytes *saved)
{
    if (!saved || --saved->holds > 0)
        return;
    free(saved->bytes);
    free(saved);
}

static void hold_drop(struct guardian *guardian, struct guarded_hold *hold)
{
    HASH_DEL(guardian->holds, hold);
    worker_drop(guardian, hold->worker);
    saved_drop(hold->saved);
    free(hold);
}

static struct guarded_hold *hold_find(struct guardian *guardian, uint64_t file)
{
    struct guarded_hold *hold = NULL;
    HASH_FIND(hh, guardian->holds, &file, sizeof(file), hold);
    return hold;
}

/* The worker of that number, for one more hold; owns FDS from here on. NULL: no memory. */
static struct keeping_worker *worker_use_known(struct guardian *guardian, uint64_t number,
                                               const int fds[GUARD_FDS])
{
    struct keeping_worker *worker = NULL;
    HASH_FIND(hh, guardian->workers, &number, sizeof(number), worker);
    if (!worker && (worker = calloc(1, sizeof(*worker)))) {
        *worker = (struct keeping_worker){
            .number = number, .pidfd = fds[GUARD_FD_PROCESS], .given = fds[GUARD_FD_GIVEN]};
        HASH_ADD(hh, guardian->workers, number, sizeof(worker->number), worker);
        if (worker->hh.tbl) {
            worker->holds = 1;
            return worker;
        }
        free(worker);
        worker = NULL;
    }
    close(fds[GUARD_FD_PROCESS]);
    close(fds[GUARD_FD_GIVEN]);
    if (worker)
        worker->holds++;
    return worker;
}

/* What comes behind MESSAGE, or what another hold has. NULL: no memory, or no such hold. */
static struct saved_bytes *receive_saved(struct guardian *guardian,
                                         const struct guard_message *message)
{
    const struct guarded_hold *same = hold_find(guardian, message->same_as);
    struct saved_bytes *saved = same ? same->saved : NULL;
    if (message->same_as != 0) {
        if (saved)
            saved->holds++;
        return saved;
    }
    saved = calloc(1, sizeof(*saved));
    char *bytes = NULL;
    if (packets_receive(GUARDIAN_SOCKET, message->length, &bytes, 0, NULL) < 0 || !saved) {
        free(bytes);
        free(saved);
        return NULL;
    }
    *saved = (struct saved_bytes){bytes, message->length, 1};
    return saved;
}

/* Without memory for it, nobody guards the hold; its worker keeps it all the same. */
static void hold_keep(struct guardian *guardian, const struct guard_message *message,
                      const int fds[GUARD_FDS])
{
    struct saved_bytes *saved = receive_saved(guardian, message);
    struct keeping_worker *worker = worker_use_known(guardian, message->worker, fds);
    struct guarded_hold *hold = hold_find(guardian, message->request.file);
    if (hold)
        hold_drop(guardian, hold);
    hold = calloc(1, sizeof(*hold));
    if (hold) {
        hold->file = message->request.file;
        hold->request = message->request;
        hold->route = (struct route){message->identity, message->authority, NULL, NULL};
        hold->worker = worker;
        hold->saved = saved;
        HASH_ADD(hh, guardian->holds, file, sizeof(hold->file), hold);
    }
    if (hold && hold->hh.tbl && worker && saved)
        return;
    if (hold && hold->hh.tbl) {
        hold_drop(guardian, hold);
        return;
    }
    worker_drop(guardian, worker);
    saved_drop(saved);
    free(hold);
}

/*
 * Until the server has gone. Returns false where it may live on, and something was missed: what
 * seems left would be given back twice.
 */
static bool listen_to_server(struct guardian *guardian)
{
    char byte = 0;
    struct guard_message message;
    int fds[PACKET_FDS_MAX];
    size_t count = 0;
    while (packet_receive(GUARDIAN_SOCKET, &message, sizeof(message), fds, &count, NULL) == 0) {
        struct guarded_hold *hold = hold_find(guardian, message.request.file);
        if (message.event == GUARD_KEPT && count == GUARD_FDS)
            hold_keep(guardian, &message, fds);
        else if (message.event == GUARD_FORGOTTEN && hold)
            hold_drop(guardian, hold);
    }
    return recv(GUARDIAN_SOCKET, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* ---- giving back ------------------------------------------------------------------------- */

static bool is_dead(int pidfd, int timeout)
{
    struct pollfd poller = {.fd = pidfd, .events = POLLIN};
    return poll(&poller, 1, timeout) > 0;
}

/* Which of its holds WORKER has given back. */
static void take_notes(struct guardian *guardian, const struct keeping_worker *worker)
{
    uint64_t files[512];
    ssize_t got = 0;
    while ((got = read(worker->given, files, sizeof(files))) > 0) {
        for (size_t i = 0; i < (size_t)got / sizeof(*files); i++) {
            struct guarded_hold *hold = hold_find(guardian, files[i]);
            if (hold && hold->worker == worker)
                hold_drop(guardian, hold);
        }
    }
}

static void look_at_workers(struct guardian *guardian)
{
    struct keeping_worker *worker = NULL;
    struct keeping_worker *next = NULL;
    HASH_ITER (hh, guardian->workers, worker, next) {
        worker->is_dead = is_dead(worker->pidfd, 0); /* first: then all its notes are there */
        worker->holds++;                             /* it stays for as long as it is looked at */
        take_notes(guardian, worker);
        worker_drop(guardian, worker);
    }
}

static int hold_call(struct guardian *guardian, struct guarded_hold *hold, struct worker *worker,
                     enum operation operation)
{
    struct call call = CALL_INIT;
    call.request = hold->request;
    call.request.operation = operation;
    if (operation == OPERATION_HOLD_KEEP) {
        call.in = hold->saved->bytes;
        call.in_length = hold->saved->length;
    }
    int status = router_call_worker(guardian->router, &hold->route, worker, &call);
    hold->request.lent = call.request.lent;
    free(call.out);
    return status;
}

/* Through another worker: returns 0 when there is nothing to give back any more. */
static int hold_give(struct guardian *guardian, struct guarded_hold *hold)
{
    struct worker *worker = NULL;
    int status = router_get_worker(guardian->router, &hold->route, &worker);
    if (status < 0)
        return status;
    status = hold_call(guardian, hold, worker, OPERATION_HOLD_KEEP);
    if (status == 0)
        status = hold_call(guardian, hold, worker, OPERATION_HOLD_GIVE);
    /* The worker has it, and gives it back when it ends. */
    if (status == -ENOMEM)
        status = 0;
    worker_put(worker);
    return status == -ESRCH || status == -ENOENT ? 0 : status;
}

/* Whoever has a process that does not answer has more of them: these wait for the next round. */
static void pass_over_user(struct guardian *guardian, uid_t user)
{
    struct guarded_hold *hold = NULL;
    struct guarded_hold *next = NULL;
    HASH_ITER (hh, guardian->holds, hold, next) {
        if (hold->route.identity.uid == user)
            hold->next_round = guardian->round + 1;
    }
}

/* All that dead workers kept, once. Returns how many were given back. */
static size_t give_round(struct guardian *guardian)
{
    struct guarded_hold *hold = NULL;
    struct guarded_hold *next = NULL;
    size_t given = 0;
    guardian->round++;
    HASH_ITER (hh, guardian->holds, hold, next) {
        if (!hold->worker->is_dead || hold->next_round > guardian->round)
            continue;
        int status = hold_give(guardian, hold);
        if (status == -ETIMEDOUT)
            pass_over_user(guardian, hold->route.identity.uid);
        if (status < 0)
            continue;
        log_message(PROBE_LOG_INFO,
                    "process %d: a hold was given back, whose worker and server have ended",
                    hold->request.pid);
        hold_drop(guardian, hold);
        given++;
    }
    return given;
}

/* Workers that live give back theirs, which may take a while; those of others are tried again. */
static void give_all(struct guardian *guardian)
{
    const struct timespec end = clock_after(GIVE_SECONDS * CLOCK_SECOND);
    int64_t pause = PAUSE;
    while (guardian->holds && !clock_is_past(&end)) {
        const struct timespec wait = {.tv_nsec = pause};
        look_at_workers(guardian);
        if (give_round(guardian) > 0)
            pause = PAUSE;
        else if (pause < PAUSE_MAX)
            pause *= 2;
        if (guardian->holds)
            nanosleep(&wait, NULL);
    }
    if (guardian->holds)
        log_message(PROBE_LOG_WARNING, "%u holds of a server that has gone cannot be given back",
                    HASH_COUNT(guardian->holds));
}

static int give_back(struct guardian *guardian, const struct worker_setup *setup,
                     int64_t answer_time)
{
    struct workers_options options = {
        .log_level = setup->log_level,
        .to_syslog = setup->to_syslog,
        .service = {.method = setup->method, .allow_gigatext = setup->allow_gigatext},
        .answer_time = answer_time,
    };
    /* The kernel reaps workers. */
    signal(SIGCHLD, SIG_IGN);
    int status = waiting_new(&options.service.waiting);
    if (status == 0)
        status = router_new(&options, &guardian->router);
    if (status == 0)
        give_all(guardian);
    router_free(guardian->router);
    waiting_free(options.service.waiting);
    return status;
}

/* ---- the process ------------------------------------------------------------------------- */

int guardian_main(int argc, char **argv, int64_t answer_time)
{
    struct guardian guardian = {.holds = NULL};
    struct worker_setup setup;
    prctl(PR_SET_NAME, GUARDIAN_NAME, 0, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    /* As for workers: whoever ends the server ends all its processes. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (worker_setup_parse(argc, argv, &setup) < 0 || become_sealed() < 0 || chdir("/") < 0)
        _exit(EXIT_FAILURE);
    log_open(GUARDIAN_NAME, setup.log_level, setup.to_syslog);
    if (!listen_to_server(&guardian)) {
        log_message(PROBE_LOG_ERROR, "the guardian of holds cannot hear the server any more");
        _exit(EXIT_FAILURE);
    }
    /* A server that lives looks after its holds itself. */
    if (!guardian.holds || !is_dead(GUARDIAN_SERVER, DEATH_SECONDS * 1000))
        _exit(EXIT_SUCCESS);
    int status = give_back(&guardian, &setup, answer_time);
    if (status < 0)
        log_message(PROBE_LOG_ERROR, "the holds of a server that has gone cannot be given back: %s",
                    strerror(-status));
    /* At once, as workers end: a sanitizer's look for leaks may hang in what is sealed. */
    _exit(status < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

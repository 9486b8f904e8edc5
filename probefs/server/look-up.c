/* SPDX-License-Identifier: MIT */
#include "server/look-up.h"

#include "server/lent-find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * How long a look-up waits at most, and all of them together in each second. What an answer takes
 * that is not kept from coming is none of that.
 */
#define WAIT_MAX    (20 * CLOCK_MILLISECOND)
#define WAIT_QUICK  (2 * CLOCK_MILLISECOND)
#define WAITS_MAX   (CLOCK_SECOND / 10)
#define WAITS_SHARE 10 /* one part in so many of the time that passes */

/* One question, which may outlive its look-up. */
struct question {
    struct call call;
    struct server *server;
    struct target *target; /* in use */
    struct route route;
};

static void question_free(struct question *question)
{
    inodes_put_target(&question->server->inodes, question->target);
    free(question->call.out);
    free(question);
}

/* The target is used up to then by who looks it up, too: so this is not the last use. */
static int question_new(struct server *server, struct target *target,
                        const struct process_user *user, struct question **result)
{
    struct question *question = calloc(1, sizeof(*question));
    if (!question)
        return -ENOMEM;
    int status =
        router_find(server->router, user, AUTHORITY_ADMIN, &target->silence, &question->route);
    if (status < 0) {
        free(question);
        return status;
    }
    question->server = server;
    question->target = target;
    question->call = CALL_INIT;
    question->call.request.operation = OPERATION_FIND;
    question->call.request.pid = target->pid;
    question->call.request.any_image = true;
    inodes_use_target(&server->inodes, target);
    *result = question;
    return 0;
}

/* ---- waiting ---------------------------------------------------------------------------- */

/* How long may a look-up wait now, for a process of USER? */
static int64_t take_wait(struct server *server, uid_t user)
{
    struct look_up_waits *waits = &server->waits;
    if (router_is_silent(server->router, user))
        return 0;
    pthread_mutex_lock(&waits->lock);
    const struct timespec now = clock_now();
    waits->left += clock_between(&waits->since, &now) / WAITS_SHARE;
    waits->left = waits->left < WAITS_MAX ? waits->left : WAITS_MAX;
    waits->since = now;
    int64_t left = waits->left > 0 ? waits->left : 0;
    pthread_mutex_unlock(&waits->lock);
    return left < WAIT_MAX - WAIT_QUICK ? left + WAIT_QUICK : WAIT_MAX;
}

static void charge_wait(struct server *server, const struct timespec *start)
{
    const struct timespec now = clock_now();
    int64_t waited = clock_between(start, &now) - WAIT_QUICK;
    if (waited <= 0)
        return;
    pthread_mutex_lock(&server->waits.lock);
    server->waits.left -= waited;
    pthread_mutex_unlock(&server->waits.lock);
}

/* ---- processes -------------------------------------------------------------------------- */

/* The answer, after the look-up had to do without. */
static void take_late_answer(struct call *call, int status, void *data)
{
    struct question *question = data;
    struct target *target = question->target;
    router_end_question(&question->route, status);
    if (status == 0 && call->reply.error == 0 &&
        inodes_identify(&question->server->inodes, target, &call->reply.id) < 0)
        atomic_store(&target->is_gone, true);
    atomic_store(&target->is_asked, false);
    question_free(question);
}

/* Where the user's authority does not reach: in what is left of the wait that began at START. */
static int ask_with_image(struct question *question, const struct timespec *start, int64_t wait)
{
    const struct timespec end = clock_add(*start, wait);
    struct lent_find find = {.pid = question->target->pid, .route = question->route};
    find.route.silence = NULL; /* it may outlive the target */
    int status = lent_finds_make(question->server->router, &find, 1, &end);
    question->call.reply.id = find.id;
    return status < 0 ? status : find.status;
}

/*
 * Asks whether the process has probes. Returns 0, with the image in ID; -EINPROGRESS nobody has
 * answered yet; or the error.
 */
static int ask(struct question *question, struct probe_image_id *id)
{
    struct server *server = question->server;
    struct target *target = question->target;
    const struct timespec start = clock_now();
    int64_t wait = take_wait(server, question->route.identity.uid);
    int status = router_ask_question(server->router, &question->route, &question->call, wait,
                                     take_late_answer, question);
    if (status == -EINPROGRESS) {
        charge_wait(server, &start);
        return status;
    }
    if (status < 0 && question->call.reply.needs_image)
        status = ask_with_image(question, &start, wait);
    charge_wait(server, &start);
    *id = question->call.reply.id;
    atomic_store(&target->is_asked, false);
    question_free(question);
    return status == -ETIMEDOUT ? -EINPROGRESS : status;
}

/* The same of TARGET, if nobody asks it already; whether it is still silent, others find out. */
static int ask_target(struct server *server, struct target *target, const struct process_user *user,
                      struct probe_image_id *id)
{
    struct question *question = NULL;
    if (silence_is_on(&target->silence) || atomic_exchange(&target->is_asked, true))
        return -EINPROGRESS;
    int status = question_new(server, target, user, &question);
    if (status < 0) {
        atomic_store(&target->is_asked, false);
        return status;
    }
    return ask(question, id);
}

void look_up_again(struct server *server, struct target *target, const struct process_user *user)
{
    struct question *question = NULL;
    if (atomic_exchange(&target->is_asked, true))
        return;
    int status = question_new(server, target, user, &question);
    if (status == 0)
        status = router_ask_question(server->router, &question->route, &question->call, 0,
                                     take_late_answer, question);
    if (status == -EINPROGRESS)
        return;
    atomic_store(&target->is_asked, false);
    if (question)
        question_free(question);
}

/* To a look-up, what cannot be looked into is not there. */
static int name_error(int status)
{
    return status == -ESRCH || status == -EBUSY || status == -EACCES || status == -EPERM ? -ENOENT
                                                                                         : status;
}

/* PROCESS is a descriptor of the process, or -1. */
static int look_up_pid(struct server *server, pid_t pid, int process, struct inode **inode,
                       bool *sure)
{
    struct process_user user;
    struct probe_image_id id;
    struct target *target = NULL;
    struct target *found = NULL;
    int status = process_find_user(pid, process, &user);
    if (status == 0)
        status = inodes_get_target(&server->inodes, pid, NULL, process, &target);
    if (status < 0 || !target)
        return status;
    status = ask_target(server, target, &user, &id);
    *sure = status == 0;
    if (status == 0)
        status = inodes_get_target(&server->inodes, pid, &id, process, &found);
    if (status == 0 || status == -EINPROGRESS)
        status = inodes_look_up(&server->inodes, found ? found : target, NULL, false, inode);
    if (found)
        inodes_put_target(&server->inodes, found);
    inodes_put_target(&server->inodes, target);
    return name_error(status);
}

int look_up_process(struct server *server, const char *name, struct inode **inode, bool *sure)
{
    pid_t pid = process_parse(name);
    if (pid <= 0)
        return -ENOENT;
    int process = process_open(pid);
    if (process == -ENOENT)
        return process;
    int status = look_up_pid(server, pid, process, inode, sure);
    if (process >= 0)
        close(process);
    return status;
}

/* ---- probes ----------------------------------------------------------------------------- */

int look_up_probe(struct server *server, const struct inode *parent, const char *name,
                  struct inode **inode)
{
    struct target *target = parent->target;
    struct process_user user;
    struct route route;
    struct call call = CALL_INIT;
    int status = process_find_user(target->pid, inodes_get_process(target), &user);
    if (status == 0)
        status = router_find(server->router, &user, AUTHORITY_ADMIN, &target->silence, &route);
    if (status < 0)
        return status;
    call.request.operation = OPERATION_FIND;
    call.request.pid = target->pid;
    call.request.any_image = !atomic_load(&target->identified);
    if (!call.request.any_image)
        call.request.id = target->id;
    snprintf(call.request.probe, sizeof(call.request.probe), "%s", name);
    status = router_call(server->router, &route, &call);
    free(call.out);
    if (status == 0)
        status = inodes_identify(&server->inodes, target, &call.reply.id);
    if (status == 0)
        status = inodes_look_up(&server->inodes, target, name, call.reply.watch_only, inode);
    return name_error(status);
}

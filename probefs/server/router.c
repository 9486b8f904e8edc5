/* SPDX-License-Identifier: MIT */
#include "server/router.h"

#include "common/advice.h"
#include "service/operations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct router {
    struct workers *workers;
    struct silences silences;
    uid_t uid; /* the server's */
    gid_t gid;
};

int router_new(const struct workers_options *options, struct router **result)
{
    struct router *router = calloc(1, sizeof(*router));
    if (!router)
        return -ENOMEM;
    router->uid = geteuid();
    router->gid = getegid();
    int status = silences_init(&router->silences, options->answer_time);
    if (status < 0) {
        free(router);
        return status;
    }
    status = workers_new(options, &router->workers);
    if (status < 0) {
        router_free(router);
        return status;
    }
    *result = router;
    return 0;
}

void router_free(struct router *router)
{
    if (!router)
        return;
    workers_free(router->workers);
    silences_done(&router->silences);
    free(router);
}

int router_find(struct router *router, const struct process_user *user, enum authority authority,
                struct silence *silence, struct route *route)
{
    *route = (struct route){
        .identity = {user->uid, user->gid, WORKER_OF_USER},
        .authority = authority,
        .silence = silence,
        .silences = &router->silences,
    };
    if (authority == AUTHORITY_NONE || (router->uid != 0 && user->uid != router->uid))
        return -EACCES;
    /* A caller of uid 0 without the capability gets what the kernel would give to it. */
    if (user->uid == router->uid && (authority == AUTHORITY_ADMIN || router->uid != 0))
        route->identity = (struct worker_identity){router->uid, router->gid, WORKER_OF_SERVER};
    return 0;
}

/* ---- calls ------------------------------------------------------------------------------ */

/* A sentence holds names and text of others', and goes to logs and terminals. */
static void clean_sentence(struct probe_error *sentence)
{
    if (!sentence->text[0])
        return;
    const struct probe_error raw = *sentence;
    probe_escape(raw.text, strlen(raw.text), sentence->text, sizeof(sentence->text));
}

static const char *explain_status(int status)
{
    switch (status) {
    case -ETIMEDOUT:
        return "its user's worker did not answer in time: something that this user's processes "
               "have mapped hangs, which has to be ended first";
    case -ESHUTDOWN:
        return "its user's worker was stopped by a signal, and has been ended: try again";
    case -ETIME:
        return "its user's worker got too little processor time to answer: this machine is busy; "
               "try again";
    case -EALREADY:
        return "its user's worker was still at work when its time was over: this process has many "
               "probes or mappings; try again";
    case -ECONNRESET:
        return "its user's worker did not answer another request in time, and was ended: try again";
    case -EIO:
        return "its user's worker ended before it answered: look what the state is now, and try "
               "again";
    default:
        return "its user's worker cannot be started";
    }
}

static int fail_call(int status, const char *reason, struct call *call)
{
    call->reply = (struct reply){0};
    snprintf(call->reply.sentence.text, sizeof(call->reply.sentence.text), "process %d: %s",
             call->request.pid, reason);
    return status;
}

/* Has the worker not answered in time, for any reason that worker_call() knows? */
static bool is_late(int status)
{
    return status == -ETIMEDOUT || status == -ESHUTDOWN || status == -ETIME || status == -EALREADY;
}

/* For callers, a worker that was ended because another call hung did not answer. */
static int end_call(int status, struct call *call)
{
    bool is_silent = is_late(status) || status == -ECONNRESET;
    if (status < 0)
        return fail_call(is_silent ? -ETIMEDOUT : status, explain_status(status), call);
    clean_sentence(&call->reply.sentence);
    /* EAGAIN is what a user's budget says. */
    return call->reply.error == EAGAIN ? -EIO : -call->reply.error;
}

int router_ask_worker(struct worker *worker, struct call *call)
{
    return end_call(worker_call(worker, call, worker_answer_time(worker)), call);
}

/*
 * What a hold needs is tried whatever is known of the target: nobody would give its reference back
 * later.
 */
static bool minds_silence(const struct route *route, const struct call *call)
{
    return route->silence && call->request.operation < OPERATION_HOLD_KEEP;
}

/*
 * The target of the route DATA did not answer. This is noted before anybody learns of it: who was
 * told, and asks again at once, would wait again.
 */
static void note_silence(const void *data, int status)
{
    const struct route *route = data;
    silence_end(route->silences, route->silence, route->identity.uid, status);
}

/* Begins to ask the target of ROUTE. Returns how long to wait; 0: it is silent. */
static int64_t begin_asking(const struct route *route, struct call *call)
{
    call->given_up = note_silence;
    call->given_up_data = route;
    return silence_begin(route->silences, route->silence, route->identity.uid);
}

static void end_asking(const struct route *route, int status)
{
    if (!is_late(status))
        silence_end(route->silences, route->silence, route->identity.uid, status);
}

/* The same for the target of ROUTE, which may be silent. */
static int ask_target(const struct route *route, struct worker *worker, struct call *call)
{
    if (!minds_silence(route, call))
        return router_ask_worker(worker, call);
    int64_t wait = begin_asking(route, call);
    if (wait == 0)
        return fail_call(-ETIMEDOUT,
                         silence_hangs(route->silence)
                             ? "it did not answer a moment ago, and is not asked again yet: "
                               "something that it has mapped, or its exec, hangs, and has to be "
                               "ended first"
                             : "its user's worker got or had no time to answer a moment ago, and "
                               "is not asked about it again yet: try again in some seconds",
                         call);
    int status = worker_call(worker, call, wait);
    call->given_up = NULL; /* the call may outlive the route */
    end_asking(route, status);
    return end_call(status, call);
}

int router_get_worker(struct router *router, const struct route *route, struct worker **worker)
{
    return workers_get(router->workers, &route->identity, worker);
}

/* Has the worker ended in the call (its user may kill it), which another may then answer? */
static bool may_repeat(struct worker *worker, const struct call *call, int status)
{
    return status == -EIO && operation_rows[call->request.operation].repeatable &&
           worker_is_gone(worker);
}

/* How a question is asked: router_ask_question(). */
struct manner {
    int64_t wait;
    worker_late *late;
    void *data;
};

static int ask_without_waiting(const struct route *route, struct worker *worker, struct call *call,
                               const struct manner *manner)
{
    bool is_silent = route->silence && silence_is_on(route->silence);
    if (route->silence && begin_asking(route, call) == 0)
        return -ETIMEDOUT;
    int status = worker_ask(worker, call, is_silent ? 0 : manner->wait, manner->late, manner->data);
    if (status == -EINPROGRESS)
        return status;
    router_end_question(route, status);
    return end_call(status, call);
}

/* Asks a worker, and another if that one ends. MANNER is NULL where the answer is waited for. */
static int ask_any(struct router *router, const struct route *route, struct call *call,
                   const struct manner *manner)
{
    bool again = true;
    int status = -EIO;
    for (int i = 0; i < 2 && again; i++) {
        struct worker *worker = NULL;
        status = router_get_worker(router, route, &worker);
        if (status < 0)
            return fail_call(status, explain_status(status), call);
        status = manner ? ask_without_waiting(route, worker, call, manner)
                        : ask_target(route, worker, call);
        again = may_repeat(worker, call, status);
        worker_put(worker);
    }
    return status;
}

int router_ask(struct router *router, const struct route *route, struct call *call)
{
    return ask_any(router, route, call, NULL);
}

int router_ask_question(struct router *router, const struct route *route, struct call *call,
                        int64_t wait, worker_late *late, void *data)
{
    return ask_any(router, route, call, &(struct manner){wait, late, data});
}

void router_end_question(const struct route *route, int status)
{
    if (route->silence)
        end_asking(route, status);
}

bool router_is_silent(struct router *router, uid_t user)
{
    return silence_is_fresh(&router->silences, user);
}

/* Of any worker where WORKER is NULL. */
static int ask_some(struct router *router, const struct route *route, struct worker *worker,
                    struct call *call)
{
    return worker ? ask_target(route, worker, call) : router_ask(router, route, call);
}

/*
 * May the server open the image for the worker, which says that it may not? Never with more than
 * the request needs, whatever the worker says. For administrators yes, where the user's own
 * authority does not reach. For the user themselves only for reading, and only where they may see
 * its mappings: that is what Yama forbids, and reading shows no more than maps do.
 */
static bool may_lend(const struct route *route, const struct call *call)
{
    if (!call->reply.needs_image)
        return false;
    return route->authority == AUTHORITY_ADMIN ||
           (route->authority == AUTHORITY_OWN && call->reply.sees_maps &&
            call->request.access == PROBE_READ);
}

/* Is the memory its user's own, and not root's (of a program that is not dumpable)? */
static bool belongs_to(const struct probe_image *image, uid_t uid)
{
    struct stat status;
    return fstat(image->mem, &status) == 0 && status.st_uid == uid;
}

/* The lender for processes of the user of ROUTE: trouble with one user's costs no other's. */
static struct route lender_of(const struct router *router, const struct route *route,
                              const struct call *call)
{
    struct route lender = *route;
    if (!minds_silence(route, call))
        lender.silence = NULL;
    lender.identity.gid = router->gid;
    lender.identity.role = WORKER_LENDER;
    return lender;
}

/* Has the image of the call opened, and no other, for the service to use once. */
static int lend(struct router *router, const struct route *route, struct call *call)
{
    const struct route lender = lender_of(router, route, call);
    struct call lending = CALL_INIT;
    lending.request = (struct request){
        .operation = OPERATION_LEND,
        .pid = call->request.pid,
        .id = call->request.id,
        .any_image = call->request.any_image,
        .access = call->request.access,
    };
    int status = router_ask(router, &lender, &lending);
    free(lending.out);
    call->reply.sentence = lending.reply.sentence;
    if (status < 0)
        return status;
    if (route->authority != AUTHORITY_ADMIN && !belongs_to(&lending.lent, route->identity.uid)) {
        probe_image_done(&lending.lent);
        return -EACCES;
    }
    call->request.id = lending.lent.id;
    call->request.any_image = false;
    call->image = lending.lent;
    return 0;
}

/* Whose image it is that a worker asks for more of. */
struct lent {
    struct router *router;
    const struct route *route;
    const struct call *call;
    struct worker *stopper; /* the lender that has stopped the process, or NULL */
};

/* A call to a lender about the image. */
static struct call call_lender(const struct lent *lent, enum operation operation)
{
    const struct probe_image *image = &lent->call->image;
    struct call call = CALL_INIT;
    call.request = (struct request){.operation = operation, .pid = image->pid, .id = image->id};
    return call;
}

static int open_lent_file(const struct lent *lent, const struct worker_question *question)
{
    const struct route lender = lender_of(lent->router, lent->route, lent->call);
    const struct probe_image *image = &lent->call->image;
    struct call lending = call_lender(lent, OPERATION_LEND_FILE);
    lending.request.offset = question->start;
    lending.request.end = question->end;
    lending.image.pid = image->pid;
    lending.image.tid = image->tid;
    lending.image.id = image->id;
    int status = router_ask(lent->router, &lender, &lending);
    free(lending.out);
    return status < 0 ? status : lending.lent.exe >= 0 ? lending.lent.exe : -EIO;
}

/* A lender that does not answer is ended, and then the kernel lets go of what it has stopped. */
static int stop_lent(struct lent *lent, struct probe_error *sentence)
{
    const struct route lender = lender_of(lent->router, lent->route, lent->call);
    struct call call = call_lender(lent, OPERATION_STOP);
    struct worker *worker = NULL;
    if (lent->stopper)
        return -EBUSY;
    int status = router_get_worker(lent->router, &lender, &worker);
    if (status < 0)
        return status;
    status = router_ask_worker(worker, &call);
    free(call.out);
    *sentence = call.reply.sentence;
    if (status < 0)
        worker_put(worker);
    else
        lent->stopper = worker;
    return status;
}

static int write_lent_code(const struct lent *lent, const struct worker_question *question)
{
    struct call call = call_lender(lent, OPERATION_WRITE_CODE);
    if (!lent->stopper || question->end > UINT8_MAX)
        return -EPERM;
    call.request.offset = question->start;
    call.request.size = (uint32_t)question->end;
    int status = router_ask_worker(lent->stopper, &call);
    free(call.out);
    return status;
}

static void resume_lent(struct lent *lent)
{
    struct call call = call_lender(lent, OPERATION_RESUME);
    if (!lent->stopper)
        return;
    router_ask_worker(lent->stopper, &call);
    free(call.out);
    worker_put(lent->stopper);
    lent->stopper = NULL;
}

/* For a call's `answer`. */
static int answer_lent(void *data, const struct worker_question *question,
                       struct probe_error *sentence)
{
    struct lent *lent = data;
    switch (question->kind) {
    case QUESTION_FILE:
        return open_lent_file(lent, question);
    case QUESTION_STOP:
        return stop_lent(lent, sentence);
    case QUESTION_WRITE_CODE:
        return write_lent_code(lent, question);
    case QUESTION_RESUME:
        resume_lent(lent);
        return 0;
    case QUESTION_NONE:
        break;
    }
    return -EINVAL;
}

/* Makes the call with an image that is opened for it. */
static int call_with_image(struct router *router, const struct route *route, struct worker *worker,
                           struct call *call)
{
    struct lent lent = {router, route, call, NULL};
    int status = lend(router, route, call);
    if (status < 0)
        return status;
    if (route->authority == AUTHORITY_ADMIN) {
        call->answer = answer_lent;
        call->answer_data = &lent;
    }
    status = ask_some(router, route, worker, call);
    resume_lent(&lent);
    call->answer = NULL;
    call->answer_data = NULL;
    probe_image_done(&call->image);
    return status;
}

/* What was opened with an image that was lent is lent one each time, and not tried without. */
int router_call_worker(struct router *router, const struct route *route, struct worker *worker,
                       struct call *call)
{
    call->request.lendable = router->uid == 0 && (route->authority == AUTHORITY_ADMIN ||
                                                  call->request.access <= PROBE_READ);
    if (!call->request.lent) {
        int status = ask_some(router, route, worker, call);
        if (status == 0 || !may_lend(route, call))
            return status;
        free(call->out);
        call->out = NULL;
        call->out_length = 0;
        call->request.lent = true;
    }
    return call_with_image(router, route, worker, call);
}

int router_call(struct router *router, const struct route *route, struct call *call)
{
    return router_call_worker(router, route, NULL, call);
}

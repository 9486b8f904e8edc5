/* SPDX-License-Identifier: MIT */
#include "workers/worker.h"

#include "common/log.h"
#include "common/waiting.h"
#include "service/service.h"
#include "workers/become.h"
#include "workers/channel.h"
#include "workers/start.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Of a thread that serves a channel. All that they could take counts for the limit of memory, and
 * there are as many as calls at the same time: with the usual stacks, that would end at some
 * hundred.
 */
enum { STACK_SIZE = 1 << 20 };

/* How long, in milliseconds, the end of a worker waits for calls that are under way. */
enum { DRAIN_MAX = 200 };

struct work {
    struct service *service;
    atomic_uint calls; /* that are under way */
};

/* What each thread that serves a channel needs. */
struct channel_thread {
    struct work *work;
    int channel;
};

/* The channel that the calling thread serves; none for the engine's own threads. */
static _Thread_local int served_channel = -1;

/* ---- asking the server -------------------------------------------------------------------- */

/* What follows is for the service: the server has lent the image, and may do more with it. */

static int ask_server(enum question_kind kind, uint64_t start, uint64_t end,
                      struct probe_error *error)
{
    const struct worker_question question = {kind, start, end};
    return served_channel < 0 ? -EOPNOTSUPP : channel_ask(served_channel, &question, error);
}

static int ask_for_file(void *data, const struct probe_image *image, uint64_t start, uint64_t end)
{
    (void)data, (void)image;
    return ask_server(QUESTION_FILE, start, end, NULL);
}

static int ask_to_stop(void *data, const struct probe_image *image, struct probe_error *error)
{
    (void)data, (void)image;
    return ask_server(QUESTION_STOP, 0, 0, error);
}

static int ask_to_write(void *data, const struct probe_image *image, uint64_t address, uint8_t byte)
{
    (void)data, (void)image;
    return ask_server(QUESTION_WRITE_CODE, address, byte, NULL);
}

static void ask_to_resume(void *data, const struct probe_image *image)
{
    (void)data, (void)image;
    ask_server(QUESTION_RESUME, 0, 0, NULL);
}

static const struct probe_tracer tracer = {
    .stop = ask_to_stop, .write_code = ask_to_write, .resume = ask_to_resume};

/* For the service: a hold was given back at the end. Whoever guards it needs to do nothing. */
static void tell_given(uint64_t file)
{
    /* Without room in the pipe, there is nobody who reads it, or thousands were told before. */
    while (write(WORKER_GIVEN, &file, sizeof(file)) < 0 && errno == EINTR)
        ;
}

/* ---- serving ------------------------------------------------------------------------------ */

static void *serve_channel(void *data)
{
    struct channel_thread thread = *(struct channel_thread *)data;
    struct call call;
    free(data);
    served_channel = thread.channel;
    for (int status = 0; status == 0;) {
        status = channel_receive(thread.channel, &call);
        if (status == -ENOMEM) {
            status = channel_refuse(thread.channel, false);
            continue;
        }
        if (status < 0)
            break;
        atomic_fetch_add(&thread.work->calls, 1);
        service_call(thread.work->service, &call);
        atomic_fetch_sub(&thread.work->calls, 1);
        status = channel_reply(thread.channel, &call);
        probe_image_done(&call.lent);
        free((char *)call.in);
        free(call.out);
    }
    close(thread.channel);
    return NULL;
}

/* Without a thread for it, CHANNEL is closed; but not before the call that comes on it is answered.
 */
static void refuse_channel(int channel)
{
    struct call call;
    int status = channel_receive(channel, &call);
    if (status == 0) {
        probe_image_done(&call.image);
        call_close_given(&call);
        free((char *)call.in);
    }
    if (status == 0 || status == -ENOMEM)
        channel_refuse(channel, true);
    close(channel);
}

static void start_channel(struct work *work, int channel)
{
    struct channel_thread *thread = malloc(sizeof(*thread));
    pthread_attr_t attributes;
    pthread_t id;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (thread)
        *thread = (struct channel_thread){work, channel};
    if (!thread || pthread_create(&id, &attributes, serve_channel, thread) != 0) {
        log_message(PROBE_LOG_ERROR, "a worker cannot start a thread");
        free(thread);
        refuse_channel(channel);
    }
    pthread_attr_destroy(&attributes);
}

/* An update that is cut off would leave its probe at X. */
static void wait_for_calls(struct work *work)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < DRAIN_MAX && atomic_load(&work->calls) > 0; i++)
        nanosleep(&pause, NULL);
}

/* ---- the process ------------------------------------------------------------------------ */

/* Becomes what the arguments say. Returns 0, or -1 with errno. */
static int worker_begin(int argc, char **argv, struct service_options *options)
{
    struct worker_setup setup;
    if (worker_setup_parse(argc, argv, &setup) < 0) {
        errno = EINVAL;
        return -1;
    }
    log_open(WORKER_NAME, setup.log_level, setup.to_syslog);
    options->method = setup.method;
    options->allow_gigatext = setup.allow_gigatext;
    options->all = setup.all;
    if (setup.identity.role == WORKER_OF_USER &&
        become_user(setup.identity.uid, setup.identity.gid) < 0)
        return -1;
    return become_sealed();
}

int worker_main(int argc, char **argv)
{
    struct service_options options = {
        .open_mapped = ask_for_file, .tracer = &tracer, .hold_given = tell_given};
    struct work work = {.service = NULL};
    /* The kernel has named it after the link that it was started through. */
    prctl(PR_SET_NAME, WORKER_NAME, 0, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    /* Whoever ends the server ends all its processes (systemd does); holds are released first. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (worker_begin(argc, argv, &options) < 0 || chdir("/") < 0) {
        log_message(PROBE_LOG_ERROR, "cannot become a worker: %s", strerror(errno));
        return 1;
    }
    int status = waiting_open(WORKER_WAITING, &options.waiting);
    if (status == 0)
        status = service_new(&options, &work.service);
    if (status < 0) {
        log_message(PROBE_LOG_ERROR, "a worker cannot start: %s", strerror(-status));
        return 1;
    }
    for (;;) {
        int channel = channel_receive_fd(WORKER_CONTROL);
        if (channel < 0)
            break;
        start_channel(&work, channel);
    }
    /* The server has gone, or needs this worker no more. A thread may be stuck: nothing waits. */
    service_end_holds(work.service);
    wait_for_calls(&work);
    _exit(0);
}

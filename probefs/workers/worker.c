/* SPDX-License-Identifier: MIT */
#include "workers/worker.h"

#include "workers/channel.h"
#include "common/log.h"
#include "service/service.h"
#include "common/waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DATA_MAX = 1 << 30 };

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

/* For the service: the server has lent the image, and may lend its files. */
static int ask_server(void *data, const struct probe_image *image, uint64_t start, uint64_t end)
{
    (void)data, (void)image;
    return served_channel < 0 ? -ENOENT : channel_ask_mapped(served_channel, start, end);
}

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
static void drain(struct work *work)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < DRAIN_MAX && atomic_load(&work->calls) > 0; i++)
        nanosleep(&pause, NULL);
}

/* ---- becoming the user ------------------------------------------------------------------ */

/* Supplementary groups as at the user's login; none where the user is not in the database. */
static int take_groups(uid_t uid, gid_t gid)
{
    errno = 0;
    const struct passwd *user = getpwuid(uid);
    if (!user && (errno == ENOMEM || errno == EMFILE || errno == ENFILE))
        return -1;
    return user ? initgroups(user->pw_name, gid) : setgroups(0, NULL);
}

/* Leaves CAPABILITIES permitted, none in effect, and none to be had again. */
static int keep_capabilities(const cap_value_t *capabilities, int count, cap_flag_value_t effective)
{
    cap_t set = cap_init();
    int status = set ? 0 : -1;
    if (status == 0 && count > 0)
        status = cap_set_flag(set, CAP_PERMITTED, count, capabilities, CAP_SET);
    if (status == 0 && count > 0)
        status = cap_set_flag(set, CAP_EFFECTIVE, count, capabilities, effective);
    if (status == 0)
        status = cap_set_proc(set);
    cap_free(set);
    return status;
}

/*
 * What a hostile user's files make a worker take must not be at the cost of the server: it has a
 * limit, and is the first to go where memory is short.
 */
static int limit_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* whose memory would count */
    const struct rlimit limit = {DATA_MAX, DATA_MAX};
    if (setrlimit(RLIMIT_DATA, &limit) < 0)
        return -1;
#endif
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t put = write(fd, "1000", strlen("1000"));
    close(fd);
    return put < 0 ? -1 : 0;
}

/* No program that it could start would have any capability. Needs CAP_SETPCAP. */
static int drop_bounding_set(void)
{
    for (cap_value_t capability = 0; cap_get_bound(capability) >= 0; capability++) {
        if (cap_drop_bound(capability) < 0)
            return -1;
    }
    return 0;
}

/*
 * All three user ids, all three group ids and the groups become the user's. Of the capabilities,
 * CAP_CHECKPOINT_RESTORE stays permitted: it is raised to open /proc/PID/map_files, and allows no
 * more than the kernel's checks on the process do.
 */
static int become(uid_t uid, gid_t gid)
{
    static const cap_value_t kept[] = {CAP_CHECKPOINT_RESTORE};
    /* Kernels before 5.9 do not know it. */
    int count = cap_get_bound(CAP_CHECKPOINT_RESTORE) == CAP_SET ? 1 : 0;
    if (limit_memory() < 0 || drop_bounding_set() < 0 || take_groups(uid, gid) < 0 ||
        setresgid(gid, gid, gid) < 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
        setresuid(uid, uid, uid) < 0)
        return -1;
    if (keep_capabilities(kept, count, CAP_CLEAR) < 0)
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/*
 * Its memory and its descriptors are nobody's but the server's. When that ends, the worker goes on
 * even where its user has stopped it, and so releases what it holds.
 */
static int seal(void)
{
    if (prctl(PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/*
 * The arguments: NAME UID GID LOG-LEVEL LOG-TO ENGINE GIGATEXT, where UID is "-" for the identity
 * that it is started with.
 */
static int take_arguments(int argc, char **argv, struct service_options *options)
{
    enum probe_log_level level = PROBE_LOG_WARNING;
    if (argc != 7 || !log_level_parse(argv[3], &level)) {
        errno = EINVAL;
        return -1;
    }
    log_open(WORKER_NAME, level, strcmp(argv[4], "syslog") == 0);
    options->method = strcmp(argv[5], "ptrace") == 0 ? PROBE_METHOD_PTRACE : PROBE_METHOD_VM;
    options->allow_gigatext = strcmp(argv[6], "gigatext") == 0;
    if (strcmp(argv[1], "-") == 0)
        return 0;
    return become((uid_t)strtoul(argv[1], NULL, 10), (gid_t)strtoul(argv[2], NULL, 10));
}

int worker_main(int argc, char **argv)
{
    struct service_options options = {.open_mapped = ask_server};
    struct work work = {.service = NULL};
    /* The kernel has named it after the link that it was started through. */
    prctl(PR_SET_NAME, WORKER_NAME, 0, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    /* Whoever ends the server ends all its processes (systemd does); holds are released first. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (take_arguments(argc, argv, &options) < 0 || seal() < 0 || chdir("/") < 0) {
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
    drain(&work);
    _exit(0);
}

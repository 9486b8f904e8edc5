/* SPDX-License-Identifier: MIT */
/*
 * One thread at a time receives. The thread that received a request serves it at once, and goes on
 * to receive: handing over to another would cost a wake-up for each request. Others are called to
 * receive in its place only
 *
 *   - where requests queue up, and not all CPUs serve
 *   - where the request turns out to be slow: a watchdog sees that nothing was received for the
 *     time of a tick
 *
 * so there are as many threads as slow requests under way, a few that serve, and some idle ones.
 * Of one user's requests, so many are served at a time as budget.h says, and what is beyond that is
 * refused: the rest of the threads is for the others. The watchdog is armed by the first request
 * after a pause, and sleeps while none come. It takes the signals that end the server, too, and
 * gets whoever receives out of that.
 *
 * Whoever has just answered knows that its caller may ask again within microseconds (a READ after
 * an OPEN): it tries to receive for a moment before it sleeps. For which requests that is worth it,
 * is learned from what came (struct spin).
 */
#include "fuse/loop.h"

#include "common/log-limit.h"
#include "fuse/answer.h"
#include "fuse/raw-requests.h"
#include "fuse/spin.h"
#include "fuse/stale.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

/* Idle threads beyond the first number end; no more than the second serve at the same time. */
enum { IDLE_MAX = 16, THREADS_MAX = 512 };

/* How long it is waited for requests at the end: for more than what a request can wait for. */
enum { END_SECONDS = 6 };

/*
 * When a request counts as slow, how long it is tried to receive before sleeping, and after which
 * time without memory to receive again.
 */
enum { TICK_NS = 1000000, TRY_NS = 25000, MEMORY_NS = 10000000, NS = 1000000000 };

/* For the one thread that waits for requests; nothing happens where others send it. */
enum { WAKE_SIGNAL = SIGURG };

/*
 * So many requests in a row that wait already when it is looked are a queue. It is looked at each
 * of so many, if nobody has to know.
 */
enum { QUEUE = 3, LOOK_EVERY = 4 };

/* One request under way. */
struct served {
    struct fuse_in_header header; /* 0 where it was too short */
    struct served *prev, *next;
};

struct loop {
    struct server *server;
    struct fuse_session *session; /* the server's, and so is what follows */
    struct waiting *waiting;
    int signals; /* a signalfd */
    int ticks;   /* a timerfd */
    unsigned int cpus;
    uid_t uid;             /* the server's */
    struct spin spin;      /* of whoever receives, and so are the next */
    unsigned int receives; /* since the start */
    unsigned int queued;   /* requests, the last in a row, that waited already, as far as looked */
    pthread_mutex_t lock;  /* guards what follows */
    pthread_cond_t called; /* somebody is to receive */
    pthread_cond_t ended;
    bool receiving;     /* somebody does: */
    pthread_t receiver; /* who that is */
    bool armed;         /* the watchdog will look */
    unsigned int threads, idle;
    unsigned int serving; /* that are not slow, as far as is known */
    unsigned int slow;    /* how often those that served were found to be slow */
    uint64_t received;    /* requests, since the start */
    uint64_t seen;        /* by the watchdog */
    struct served *served;
    int status; /* of the first thread that failed to receive */
};

static void set_of_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

int loop_block_signals(void)
{
    sigset_t set;
    set_of_signals(&set);
    signal(SIGPIPE, SIG_IGN);
    return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/*
 * Looks into a request that was just received; called while no other can be. Returns the slot in
 * which its caller waits.
 */
static int note_request(struct loop *loop, const struct fuse_buf *buffer,
                        struct fuse_in_header *header)
{
    *header = (struct fuse_in_header){0};
    if (buffer->size < sizeof(*header))
        return waiting_begin(loop->waiting, 0);
    memcpy(header, buffer->mem, sizeof(*header));
    raw_request_expect(buffer->mem, buffer->size);
    return waiting_begin(loop->waiting, (pid_t)header->pid);
}

/* No more requests. */
static void end(struct loop *loop)
{
    atomic_store(&loop->server->ending, true);
    fuse_session_exit(loop->session);
}

/* ---- receiving -------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NS + (uint64_t)time.tv_nsec;
}

/* Is there a request, or the end? */
static bool is_there(const struct loop *loop)
{
    struct pollfd poller = {.fd = fuse_session_fd(loop->session), .events = POLLIN};
    return poll(&poller, 1, 0) > 0;
}

/* Waits for a moment for what follows the request OPCODE. */
static void await_soon(struct loop *loop, uint32_t opcode)
{
    bool there = false;
    /* No sched_yield(): on a busy machine, it gives away the CPU for milliseconds. */
    for (uint64_t until = now_ns() + TRY_NS; !there && now_ns() < until;)
        there = is_there(loop);
    spin_learn(&loop->spin, opcode, there);
}

/*
 * Waits for one request, after one of OPCODE. Returns its length, 0 at the end, or an error. Called
 * by the one thread that receives. It sleeps in the receiving itself: to be woken by poll() first
 * would cost each request more. At the end, wake_receiver() interrupts it.
 */
static int receive(struct loop *loop, uint32_t opcode, struct fuse_buf *buffer)
{
    int result = -EINTR;
    bool spins = spin_is_worth_it(&loop->spin, opcode);
    /* To ask is a system call: done where it may save a sleep, and now and then. */
    if (spins || loop->receives++ % LOOK_EVERY == 0) {
        bool there = is_there(loop);
        loop->queued = there ? loop->queued + 1 : 0;
        if (!there && spins)
            await_soon(loop, opcode);
    }
    while ((result == -EINTR || result == -EAGAIN) && !fuse_session_exited(loop->session))
        result = fuse_session_receive_buf(loop->session, buffer);
    /* The connection was cut from its other side: that is an end, as an unmount is. */
    return fuse_session_exited(loop->session) || result == -ECONNABORTED ? 0 : result;
}

/* ---- threads ---------------------------------------------------------------------------- */

static void *serve_requests(void *data);

/* The watchdog is to look after a tick. */
static void arm(const struct loop *loop)
{
    const struct itimerspec tick = {.it_value = {.tv_nsec = TICK_NS}};
    timerfd_settime(loop->ticks, 0, &tick, NULL);
}

/* All below are called with the lock held. */

static int start_thread(struct loop *loop)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int status = -pthread_create(&thread, &attributes, serve_requests, loop);
    pthread_attr_destroy(&attributes);
    if (status == 0)
        loop->threads++;
    return status;
}

/* Somebody else is to receive. Where nobody can be found, whoever is ready first will. */
static void call_another(struct loop *loop)
{
    if (loop->idle > 0)
        pthread_cond_signal(&loop->called);
    else if (loop->threads < THREADS_MAX && start_thread(loop) < 0)
        log_message(PROBE_LOG_WARNING, "no more threads: requests wait for each other");
}

/* Waits until nobody else receives. Returns false where this thread is not needed any more. */
static bool begin_receiving(struct loop *loop)
{
    if (loop->receiving && loop->idle >= IDLE_MAX)
        return false;
    loop->idle++;
    while (loop->receiving && !fuse_session_exited(loop->session))
        pthread_cond_wait(&loop->called, &loop->lock);
    loop->idle--;
    /* At the end, another may still be receiving. */
    if (fuse_session_exited(loop->session))
        return false;
    loop->receiving = true;
    loop->receiver = pthread_self();
    return true;
}

/* A request was received, and will be served by this thread. */
static void begin_serving(struct loop *loop, struct served *served)
{
    DL_APPEND(loop->served, served);
    loop->receiving = false;
    loop->received++;
    loop->serving++;
    if (loop->queued >= QUEUE && loop->serving < loop->cpus)
        call_another(loop);
    if (loop->armed)
        return;
    loop->armed = true;
    loop->seen = loop->received;
    arm(loop);
}

/* SLOW: as it was at the begin. Those that were found to be slow do not count since. */
static void end_serving(struct loop *loop, struct served *served, unsigned int slow)
{
    DL_DELETE(loop->served, served);
    if (loop->slow == slow)
        loop->serving--;
}

/* Does somebody wait for the answer, who is told as well that there is none? */
static bool can_be_refused(uint32_t opcode)
{
    return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET && opcode != FUSE_RELEASE &&
           opcode != FUSE_RELEASEDIR && opcode != FUSE_INTERRUPT && opcode != FUSE_INIT &&
           opcode != FUSE_DESTROY;
}

/* Is it one more than its user gets served at the same time? */
static bool is_one_too_many(struct loop *loop, const struct fuse_in_header *header)
{
    static const struct log_reason many = {.most = 1};
    const unsigned int most = loop->server->budgets.limits.requests;
    unsigned int count = 0;
    const struct served *served = NULL;
    if (loop->threads - loop->idle <= most || header->uid == 0 || header->uid == loop->uid ||
        !can_be_refused(header->opcode))
        return false;
    DL_FOREACH(loop->served, served)
    count += served->header.uid == header->uid;
    if (count <= most)
        return false;
    log_limited(header->uid, &many, PROBE_LOG_WARNING,
                "user %u has more than %u requests that wait for processes which do not answer: "
                "what comes beside them is refused",
                header->uid, most);
    return true;
}

/* A tick has passed. Returns whether to look again after the next. */
static bool look_for_slow(struct loop *loop)
{
    if (!loop->receiving && loop->received == loop->seen) {
        loop->slow++;
        loop->serving = 0;
        call_another(loop);
    }
    loop->seen = loop->received;
    return !loop->receiving;
}

/* ---- what threads do -------------------------------------------------------------------- */

/* Interrupts whoever waits for requests, or is about to: then it has to be done again. */
static void wake_receiver(const struct loop *loop)
{
    if (loop->receiving)
        pthread_kill(loop->receiver, WAKE_SIGNAL);
}

/* A tick has passed, or a signal has come; called with the lock held. Returns whether to go on. */
static bool look(struct loop *loop, bool signalled)
{
    if (signalled)
        end(loop);
    bool ended = fuse_session_exited(loop->session);
    if (ended) {
        wake_receiver(loop);
        pthread_cond_broadcast(&loop->called);
        pthread_cond_signal(&loop->ended);
    }
    loop->armed = ended ? loop->receiving : look_for_slow(loop);
    if (loop->armed)
        arm(loop);
    return !ended || loop->receiving;
}

static void *watch(void *data)
{
    struct loop *loop = data;
    uint64_t ticks = 0;
    bool goes_on = true;
    while (goes_on) {
        struct pollfd pollers[] = {
            {.fd = loop->ticks, .events = POLLIN},
            {.fd = loop->signals, .events = POLLIN},
        };
        struct signalfd_siginfo signal;
        if (poll(pollers, 2, -1) < 0)
            continue;
        bool signalled = read(loop->signals, &signal, sizeof(signal)) > 0;
        if (!signalled && read(loop->ticks, &ticks, sizeof(ticks)) < 0)
            continue;
        pthread_mutex_lock(&loop->lock);
        goes_on = look(loop, signalled);
        pthread_mutex_unlock(&loop->lock);
    }
    return NULL;
}

/* The session is over, or failed; nobody waits for requests any more. */
static void end_session(struct loop *loop, int status)
{
    end(loop);
    loop->receiving = false;
    if (loop->status == 0)
        loop->status = status;
    pthread_cond_broadcast(&loop->called);
}

/*
 * The library has no memory to receive into: requests wait, and others receive meanwhile, who have
 * theirs. Called with the lock held, and by the one who was to receive.
 */
static void wait_for_memory(struct loop *loop)
{
    const struct timespec pause = {.tv_nsec = MEMORY_NS};
    loop->receiving = false;
    pthread_cond_signal(&loop->called);
    pthread_mutex_unlock(&loop->lock);
    nanosleep(&pause, NULL);
    pthread_mutex_lock(&loop->lock);
}

/* The mount answers, unless the library could not agree with the kernel, and said so. */
static void end_init(struct loop *loop)
{
    const struct server *server = loop->server;
    if (!fuse_session_exited(loop->session) && server->mounted)
        server->mounted(server->mounted_data);
    else if (fuse_session_exited(loop->session))
        loop->status = -EIO;
}

static void *serve_requests(void *data)
{
    struct loop *loop = data;
    struct fuse_buf buffer = {.mem = NULL};
    struct served served = {.prev = NULL};
    pthread_mutex_lock(&loop->lock);
    while (begin_receiving(loop)) {
        pthread_mutex_unlock(&loop->lock);
        int result = receive(loop, served.header.opcode, &buffer);
        int slot = result > 0 ? note_request(loop, &buffer, &served.header) : 0;
        pthread_mutex_lock(&loop->lock);
        if (result == -ENOMEM) {
            wait_for_memory(loop);
            continue;
        }
        if (result <= 0) {
            end_session(loop, result);
            break;
        }
        unsigned int slow = loop->slow;
        answer_begin(served.header.unique);
        begin_serving(loop, &served);
        bool refused = is_one_too_many(loop, &served.header);
        pthread_mutex_unlock(&loop->lock);
        stale_begin((pid_t)served.header.pid);
        if (refused)
            answer_directly(loop->session, served.header.unique, -EAGAIN);
        else if (!raw_request_serve(loop->server, buffer.mem, buffer.size))
            fuse_session_process_buf(loop->session, &buffer);
        stale_end((pid_t)served.header.pid);
        waiting_end(loop->waiting, slot);
        pthread_mutex_lock(&loop->lock);
        if (served.header.opcode == FUSE_INIT)
            end_init(loop);
        end_serving(loop, &served, slow);
    }
    loop->threads--;
    pthread_cond_signal(&loop->ended);
    pthread_mutex_unlock(&loop->lock);
    free(buffer.mem);
    return NULL;
}

/* ---- the whole -------------------------------------------------------------------------- */

static void do_nothing(int signal)
{
    (void)signal;
}

static int prepare(struct loop *loop)
{
    sigset_t set;
    const struct sigaction wake = {.sa_handler = do_nothing}; /* without SA_RESTART */
    set_of_signals(&set);
    loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    loop->ticks = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->signals < 0 || loop->ticks < 0 || sigaction(WAKE_SIGNAL, &wake, NULL) < 0)
        return -errno;
    return 0;
}

/* Waits until all threads have ended; only so long once they have been told to. */
static int wait_for_end(struct loop *loop)
{
    int status = 0;
    struct timespec until;
    while (loop->threads > 0 && !fuse_session_exited(loop->session))
        pthread_cond_wait(&loop->ended, &loop->lock);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += END_SECONDS;
    while (loop->threads > 0 && status == 0)
        status = pthread_cond_timedwait(&loop->ended, &loop->lock, &until);
    return loop->threads > 0 ? -ETIMEDOUT : loop->status;
}

/* Serves with a watchdog beside. */
static int serve(struct loop *loop)
{
    pthread_t watchdog;
    int status = -pthread_create(&watchdog, NULL, watch, loop);
    if (status < 0)
        return status;
    pthread_mutex_lock(&loop->lock);
    status = start_thread(loop);
    if (status == 0)
        status = wait_for_end(loop);
    else
        end(loop);
    arm(loop); /* for the watchdog to see that it is over */
    pthread_mutex_unlock(&loop->lock);
    pthread_join(watchdog, NULL);
    return status;
}

static void loop_free(struct loop *loop)
{
    if (loop->signals >= 0)
        close(loop->signals);
    if (loop->ticks >= 0)
        close(loop->ticks);
    pthread_cond_destroy(&loop->called);
    pthread_cond_destroy(&loop->ended);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

int loop_serve(struct server *server)
{
    /* Not on the stack: a thread that hangs in a target may outlive this call. */
    struct loop *loop = calloc(1, sizeof(*loop));
    pthread_condattr_t attributes;
    if (!loop)
        return -ENOMEM;
    loop->server = server;
    loop->session = server->session;
    loop->waiting = server->waiting;
    loop->signals = loop->ticks = -1;
    loop->uid = geteuid();
    loop->cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
    pthread_mutex_init(&loop->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&loop->called, NULL);
    pthread_cond_init(&loop->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    int status = prepare(loop);
    if (status == 0)
        status = serve(loop);
    if (status != -ETIMEDOUT)
        loop_free(loop);
    return status;
}

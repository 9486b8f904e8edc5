/* SPDX-License-Identifier: MIT */
#include "watch/attach.h"

#include "process/child.h"
#include "process/privilege.h"
#include "shared/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A chunk is what one call of the kernel attaches. How long it is waited for: the kernel takes some
 * milliseconds, and seconds where hundreds of processes have the file mapped.
 */
enum { CHUNK_SITES = 10000, WAIT_MS = 5000, KEPT_MAX = ATTACH_FILES_MAX + 6 };
enum { LINKS_MAX = ATTACH_FILES_MAX + WATCH_SITES_MAX / CHUNK_SITES + ATTACH_PERF_MAX };

/* Links of at most SMALL_SITES are detached by CLOSERS at the same time. */
enum { SMALL_SITES = 32, CLOSERS = 16 };

/*
 * After an exec the kernel puts its breakpoints and references into the new image as well, though
 * nothing is recorded there. If it is told to let go of them while a loader maps the file, first as
 * a whole and then its segments (seen on Linux 6.18: in 2 of 600 tries, and in 11 of 800 on a busy
 * machine), it may leave its reference in a semaphore for good. So long is the loader given.
 */
enum { LOADING_MS = 50 };

struct link {
    int fd;
    size_t sites;
};

/* What a holder is made with. */
struct holder {
    const struct watch_plan *plan;
    const struct watch_programs *programs;
    int kind;          /* of perf events; 0: uprobe_multi */
    int socket, ended; /* its ends */
    int lifetime;      /* it also ends with this; or -1 */
};

/* What it has attached. */
struct held {
    struct link links[LINKS_MAX];
    size_t count;
};

/* ---- in a holder: system calls only, as other threads' locks stay held ------------------- */

/* The first of the COUNT descriptors in KEPT that is not below FROM; -1: there is none. */
static int next_kept(const int *kept, size_t count, int from)
{
    int next = -1;
    for (size_t i = 0; i < count; i++) {
        if (kept[i] >= from && (next < 0 || kept[i] < next))
            next = kept[i];
    }
    return next;
}

/* Closes all but the COUNT descriptors in KEPT. */
static void keep_descriptors(const int *kept, size_t count)
{
    int from = 0;
    for (int next = 0; (next = next_kept(kept, count, from)) >= 0; from = next + 1) {
        if (next > from)
            close_range((unsigned int)from, (unsigned int)next - 1, 0);
    }
    close_range((unsigned int)from, ~0U, 0);
}

static int keep_link(struct held *held, int fd, size_t sites)
{
    if (fd >= 0)
        held->links[held->count++] = (struct link){fd, sites};
    return fd < 0 ? fd : 0;
}

/* Attaches a chunk. */
static int attach_chunk(const struct holder *holder, const struct link_sites *sites,
                        struct held *held)
{
    if (holder->kind == 0)
        return keep_link(held, link_multi(holder->programs->site, holder->plan->pid, sites),
                         sites->count);
    int status = 0;
    for (size_t i = 0; i < sites->count && status == 0; i++)
        status = keep_link(
            held, link_perf(holder->programs->site, holder->kind, holder->plan->tid, sites, i), 1);
    return status;
}

/* Attaches the chunks of FILE, and says after each how that went. */
static int attach_file(const struct holder *holder, const struct watch_file *file,
                       struct held *held)
{
    int status = 0;
    const struct watch_plan *plan = holder->plan;
    size_t end = file->first + file->count;
    for (size_t first = file->first; first < end && status == 0; first += CHUNK_SITES) {
        const struct link_sites sites = {
            .file = file->fd,
            .count = end - first < CHUNK_SITES ? end - first : CHUNK_SITES,
            .offsets = plan->offsets + first,
            .references = plan->references + first,
            .cookies = plan->cookies + first,
        };
        status = attach_chunk(holder, &sites, held);
        send(holder->socket, &status, sizeof(status), MSG_NOSIGNAL);
    }
    return status;
}

/* Closes each CLOSERS-th of the small links, from FIRST on. */
static void close_small(const struct held *held, size_t first)
{
    size_t small = 0;
    for (size_t i = 0; i < held->count; i++) {
        if (held->links[i].sites <= SMALL_SITES && small++ % CLOSERS == first)
            close(held->links[i].fd);
    }
}

/* Closes the small links in children that share this table of descriptors, the others here. */
static void detach(const struct held *held)
{
    for (size_t i = 0; i < CLOSERS && i + 1 < held->count; i++) {
        if (syscall(SYS_clone, (long)CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0L) != 0)
            continue;
        close_small(held, i);
        _exit(0);
    }
    for (size_t i = 0; i < held->count; i++) {
        if (held->links[i].sites > SMALL_SITES)
            close(held->links[i].fd);
    }
    while (wait(NULL) > 0 || errno == EINTR)
        continue;
}

static size_t count_chunks(const struct watch_plan *plan)
{
    size_t chunks = 0;
    for (size_t i = 0; i < plan->file_count; i++)
        chunks += (plan->files[i].count + CHUNK_SITES - 1) / CHUNK_SITES;
    return chunks;
}

/* Waits until there is nobody any more who wants it. */
static void wait_for_hangup(const struct holder *holder)
{
    struct pollfd ends[] = {{.fd = holder->socket}, {.fd = holder->lifetime}};
    while (poll(ends, 2, -1) < 0 && errno == EINTR)
        continue;
}

/* Has the process executed another image? Marked by a program: see watch.bpf.c. */
static bool has_executed(const struct holder *holder)
{
    const uint32_t key = WATCH_REPLACED;
    uint64_t value = 0;
    union bpf_attr attributes = {
        .map_fd = (uint32_t)holder->programs->tallies,
        .key = (uintptr_t)&key,
        .value = (uintptr_t)&value,
    };
    return syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attributes, sizeof(attributes)) == 0 && value > 0;
}

/*
 * Goes before all normal processes, where this process may. What it does takes milliseconds, in
 * which forks of the whole machine wait for it; and it for them: with a priority of -20 it took 0.1
 * to 1 s for 10,000 sites beside 30 busy processes, and so 0.04 to 0.16 s.
 */
static void hurry(void)
{
    const struct sched_param least = {.sched_priority = 1};
    (void)sched_setscheduler(0, SCHED_FIFO, &least);
}

static void hold(const struct holder *holder)
{
    struct held held = {.count = 0};
    int kept[KEPT_MAX];
    size_t count = 0;
    int status = 0;
    kept[count++] = holder->programs->site;
    kept[count++] = holder->programs->exec;
    kept[count++] = holder->programs->tallies;
    kept[count++] = holder->socket;
    kept[count++] = holder->ended;
    if (holder->lifetime >= 0)
        kept[count++] = holder->lifetime;
    for (size_t i = 0; i < holder->plan->file_count; i++)
        kept[count++] = holder->plan->files[i].fd;
    setsid();
    prctl(PR_SET_NAME, "probe-holder");
    hurry();
    keep_descriptors(kept, count);
    int ignored = chdir("/");
    (void)ignored;
    for (size_t i = 0; i < holder->plan->file_count && status == 0; i++)
        status = attach_file(holder, &holder->plan->files[i], &held);
    if (status == 0)
        wait_for_hangup(holder);
    if (has_executed(holder))
        poll(NULL, 0, LOADING_MS);
    detach(&held);
    /* What could not be closed above is closed now; that all is detached is told last. */
    keep_descriptors(&holder->ended, 1);
    _exit(0);
}

/* ---- on the other side ------------------------------------------------------------------ */

/* Starts the holder, as nobody's child. */
static int start_holder(const struct holder *holder)
{
    sigset_t mask;
    pid_t child = child_start(0, &mask);
    if (child == 0) {
        pid_t orphan = _Fork();
        if (orphan == 0)
            hold(holder);
        _exit(orphan < 0 ? 1 : 0);
    }
    if (child > 0)
        child_reap(child);
    return child < 0 ? (int)child : 0;
}

/* Hears how the attach of one chunk went. */
static int hear_holder(int socket)
{
    int status = 0;
    int ready = -1;
    struct pollfd answer = {.fd = socket, .events = POLLIN};
    do {
        ready = poll(&answer, 1, WAIT_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0)
        return -ETIMEDOUT;
    return recv(socket, &status, sizeof(status), 0) == (ssize_t)sizeof(status) ? status : -EAGAIN;
}

static int explain(const struct watch_plan *plan, int status, struct probe_error *error)
{
    if (status == -ESRCH)
        return error_set(error, ESRCH, "process %d has ended", plan->pid);
    if (status == -EINVAL)
        return error_set(error, EBUSY,
                         "process %d: another tracer watches one of these probes with another "
                         "semaphore; end it first",
                         plan->pid);
    if (status == -ETIMEDOUT)
        return error_set(error, ETIMEDOUT,
                         "process %d: the kernel does not finish attaching to its probes; until it "
                         "does, no process of this machine may be able to fork",
                         plan->pid);
    return error_set(error, -status, "process %d: cannot attach to its probes: %s", plan->pid,
                     strerror(-status));
}

static int make_channels(int sockets[2], int ended[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return -errno;
    if (pipe2(ended, O_CLOEXEC) == 0)
        return 0;
    int status = -errno;
    close(sockets[0]);
    close(sockets[1]);
    return status;
}

/* Is it more than can be attached? */
static int check_size(const struct watch_plan *plan, enum watch_way way, struct probe_error *error)
{
    if (way == WATCH_PERF && plan->site_count > ATTACH_PERF_MAX)
        return error_set(error, E2BIG,
                         "process %d: its probes have %zu sites, and only %d can be watched on "
                         "this kernel, or while its main thread has ended; choose fewer",
                         plan->pid, plan->site_count, ATTACH_PERF_MAX);
    if (plan->file_count > ATTACH_FILES_MAX)
        return error_set(error, E2BIG,
                         "process %d: its probes are in %zu files, and only %d can be watched at "
                         "once; choose fewer",
                         plan->pid, plan->file_count, ATTACH_FILES_MAX);
    return 0;
}

/* Hears from the holder of all chunks. */
static int await_holder(const struct watch_plan *plan, int socket)
{
    int status = 0;
    for (size_t left = count_chunks(plan); left > 0 && status == 0; left--)
        status = hear_holder(socket);
    struct pollfd process = {.fd = plan->process, .events = POLLIN};
    return status == 0 && poll(&process, 1, 0) != 0 ? -ESRCH : status;
}

int attach_plan(const struct watch_plan *plan, const struct watch_programs *programs,
                enum watch_way way, int lifetime, struct watch_attachment *result,
                struct probe_error *error)
{
    int sockets[2] = {-1, -1};
    int ended[2] = {-1, -1};
    int kind = way == WATCH_PERF ? link_perf_kind() : 0;
    if (kind < 0)
        return explain(plan, kind, error);
    int status = check_size(plan, way, error);
    if (status < 0)
        return status;
    status = make_channels(sockets, ended);
    if (status < 0)
        return explain(plan, status, error);
    const struct holder holder = {plan, programs, kind, sockets[1], ended[1], lifetime};
    bool raised = way == WATCH_PERF && privilege_raise(CAP_SYS_ADMIN);
    status = start_holder(&holder);
    privilege_lower(CAP_SYS_ADMIN, raised);
    close(sockets[1]);
    close(ended[1]);
    if (status == 0)
        status = await_holder(plan, sockets[0]);
    struct watch_attachment attachment = {.socket = sockets[0], .ended = ended[0]};
    if (status < 0)
        attachment_release(&attachment);
    if (status == 0 || status == -ETIMEDOUT)
        *result = attachment;
    else
        attachment_done(&attachment);
    return status == 0 ? 0 : explain(plan, status, error);
}

void attachment_release(struct watch_attachment *attachment)
{
    if (attachment->socket >= 0)
        close(attachment->socket);
    attachment->socket = -1;
}

bool attachment_has_ended(const struct watch_attachment *attachment,
                          const struct timespec *deadline)
{
    int ready = 0;
    struct pollfd end = {.fd = attachment->ended};
    if (attachment->ended < 0)
        return true;
    do {
        ready = poll(&end, 1, clock_poll_timeout(deadline));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

void attachment_done(struct watch_attachment *attachment)
{
    attachment_release(attachment);
    struct pollfd end = {.fd = attachment->ended};
    while (attachment->ended >= 0 && poll(&end, 1, WAIT_MS) < 0 && errno == EINTR)
        continue;
    if (attachment->ended >= 0)
        close(attachment->ended);
    *attachment = WATCH_ATTACHMENT_NONE;
}

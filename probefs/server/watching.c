/* SPDX-License-Identifier: MIT */
#include "server/watching.h"

#include "shared/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long an open waits for the attacher's first word. */
#define WAY_TIME CLOCK_SECOND

/*
 * Room for firings that are not read yet: the kernel takes all of it at once. Of many streams at
 * the same time, each gets less.
 */
enum {
    ROOM_MOST = 4 << 20,
    ROOM_OF_SOME = 1 << 20,
    ROOM_OF_MANY = 256 << 10,
    SOME = 16,
    MANY = 64,
    SOCKET_ROOM = 1 << 20, /* for lines on their way */
};

/* Purses of users have their numbers; all others come behind. */
#define UNCOUNTED           (UINT64_C(1) << 32)
#define MEMORY_OF_UNCOUNTED (UINT64_C(256) << 20)

size_t watching_room(uid_t user, unsigned int count)
{
    if (user != 0)
        return ROOM_OF_SOME;
    return count < SOME ? ROOM_MOST : count < MANY ? ROOM_OF_SOME : ROOM_OF_MANY;
}

static int refuse(const struct file *file, int status, const char *reason,
                  struct probe_error *error)
{
    snprintf(error->text, sizeof(error->text), "process %d: %s", file->inode->target->pid, reason);
    return status;
}

int watching_check(struct server *server, const struct file *file, struct probe_error *error)
{
    enum probe_watch_way way = PROBE_WATCH_MULTI;
    if (server->uid != 0)
        return refuse(
            file, -EOPNOTSUPP,
            "its probes cannot be watched here: that takes a server that root has started", error);
    if (file->route.authority != AUTHORITY_ADMIN && server->trace != TRACE_USERS)
        return refuse(
            file, -EPERM,
            "its probes are watched by root and by the mount's group (-o gid=): mount with "
            "-o trace=users to let users watch their own",
            error);
    return grants_find_way(server->grants, WAY_TIME, &way, error);
}

/*
 * The kernel's memory that a user may have used for watching is as much as that of the server; each
 * stream and count of those who are not counted has so much of its own.
 */
static struct grant_purse purse_of(struct server *server, uid_t user)
{
    static atomic_uint_least64_t last;
    if (budget_is_counted(&server->budgets, user))
        return (struct grant_purse){user, server->budgets.limits.most[BUDGET_MEMORY]};
    return (struct grant_purse){UNCOUNTED + atomic_fetch_add(&last, 1), MEMORY_OF_UNCOUNTED};
}

/*
 * A grant for the process of FILE, with ROOM for firings; what LIVES ends with the server's end of
 * it.
 */
static int watching_grant(struct server *server, const struct file *file, size_t room, bool lives,
                          struct grant *grant, struct probe_error *error)
{
    struct probe_grant granted = {.pid = file->inode->target->pid, .room = room};
    const struct grant_purse purse = purse_of(server, file->user);
    int status = process_find_owner(granted.pid, &granted.uid, &granted.gid);
    if (status < 0)
        return status == -ENOENT ? refuse(file, -ESRCH, "it has ended", error) : status;
    return grants_give(server->grants, &granted, &purse, lives, grant, error);
}

const char *watching_describe(struct server *server)
{
    struct probe_error unused;
    enum probe_watch_way way = PROBE_WATCH_MULTI;
    if (server->trace == TRACE_NO)
        return "Nothing is watched here (-o trace=no).";
    if (server->uid != 0)
        return "Nothing is watched here: root has not started this server.";
    if (grants_find_way(server->grants, WAY_TIME, &way, &unused) < 0)
        return "Nothing is watched here: see what error_log says of a try.";
    return way == PROBE_WATCH_MULTI ? "Probes are watched by uprobe_multi links here."
                                    : "Probes are watched by perf events here (64 sites).";
}

/* ---- streams ----------------------------------------------------------------------------- */

static int open_socket(int ends[2])
{
    const int room = SOCKET_ROOM;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    /* What is not to be had is done without. */
    if (setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
        setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    return 0;
}

/* Asks a worker, which then feeds the socket GIVEN. */
static int ask(struct server *server, struct file *file, struct call *call, struct worker **worker,
               struct probe_error *error)
{
    int status = router_get_worker(server->router, &file->route, worker);
    if (status < 0)
        return refuse(file, status, "its user's worker cannot be started", error);
    status = router_call_worker(server->router, &file->route, *worker, call);
    atomic_store(&file->lent, call->request.lent);
    free(call->out);
    if (status < 0) {
        *error = call->reply.sentence;
        worker_put(*worker);
        *worker = NULL;
    }
    return status;
}

/* Given the grant and the sockets, which are closed where it fails. */
static int begin(struct server *server, struct file *file, struct call *call,
                 struct stream_feed *feed, struct probe_error *error)
{
    struct grant grant;
    int ends[2];
    int status = watching_grant(server, file, call->request.size, true, &grant, error);
    if (status < 0)
        return status;
    status = open_socket(ends);
    if (status == 0) {
        call->given[GIVEN_ATTACHER] = grant.watcher;
        call->given[GIVEN_STREAM] = ends[1];
        *feed = (struct stream_feed){.socket = ends[0], .lifetime = grant.lifetime};
        status = ask(server, file, call, &feed->worker, error);
        close(ends[1]);
        if (status < 0)
            watching_end(feed);
    } else {
        close(grant.lifetime);
    }
    close(grant.watcher);
    return status;
}

int watching_begin(struct server *server, struct file *file, const struct stream_wish *wish,
                   struct stream_feed *feed, struct probe_error *error)
{
    struct call call;
    int status = -EIO;
    struct target *target = file->inode->target;
    /* A worker that its user has ended leaves room for another. */
    for (int i = 0; i < 2 && status == -EIO; i++) {
        file_handle_init_call(&call, file, OPERATION_STREAM);
        call.request.size = (uint32_t)wish->room;
        call.request.reader = wish->reader;
        call.in = wish->names;
        call.in_length = wish->length;
        status = atomic_load(&target->is_gone)
                     ? refuse(file, -ESRCH, "it has ended or replaced its program", error)
                     : begin(server, file, &call, feed, error);
    }
    if (status == -ESRCH)
        atomic_store(&target->is_gone, true);
    return status;
}

void watching_end(struct stream_feed *feed)
{
    if (feed->lifetime >= 0)
        close(feed->lifetime);
    if (feed->socket >= 0)
        close(feed->socket);
    if (feed->worker)
        worker_put(feed->worker);
    *feed = STREAM_FEED_NONE;
}

int watching_change(struct server *server, struct file *file, struct call *call,
                    struct probe_error *error)
{
    struct grant grant;
    int status = watching_grant(server, file, 1, false, &grant, error);
    if (status < 0)
        return status;
    call->given[GIVEN_ATTACHER] = grant.watcher;
    /* The worker answers even if the attacher does not. */
    call->request.size = (uint32_t)(server->answer_time / CLOCK_MILLISECOND * 7 / 10);
    status = file_handle_call(server, file, call, error);
    close(grant.watcher);
    free(call->out);
    return status;
}

int watching_check_names(struct server *server, struct file *file, const char *names, size_t length,
                         struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_WRITE);
    call.in = names;
    call.in_length = length;
    int status = file_handle_call(server, file, &call, error);
    free(call.out);
    return status;
}

void watching_write_link(const struct inode *inode, char *path, size_t size)
{
    if (inode->probe)
        snprintf(path, size, "../../.trace/%d/%s", inode->target->pid, inode->probe);
    else
        snprintf(path, size, "../.trace/%d/trace", inode->target->pid);
}

/* SPDX-License-Identifier: MIT */
/*
 * The side of an attacher: checks what a watcher asks for, and has it attached.
 *
 * A watcher may lie. Its plan is bounded by counts alone: the kernel refuses what is wrong about
 * offsets, and all of it happens to one process, whose memory the watcher may write anyway. What
 * has to be checked is that this is so (check_right), also after the programs were loaded: from
 * then on they mark an exec, and what a setuid program does is shown to nobody. The ring and the
 * tallies of later requests are the attacher's own copies: in an array of the watcher's, the mark
 * could be taken away.
 */
#include "process/proc.h"
#include "watch/fd-message.h"
#include "watch/request.h"
#include "watch/watched-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* About what the kernel takes for a holder, and for each site. */
enum { HOLDER_COST = 64 << 10, SITE_COST = 256 };

struct probe_attacher {
    struct probe_engine *engine;
    struct probe_grant grant;
    int socket, lifetime;
    int ring, tallies; /* of the first request, and all to come; -1 before */
    uint64_t ring_size, tally_count;
    int end; /* of what was attached last; -1 */
};

/* A request that came. */
struct asked {
    struct attach_request request;
    int fds[REQUEST_FILES + REQUEST_FILES_MAX];
    size_t fd_count;
    void *bytes; /* of the plan: what follows points into it */
    struct watch_plan plan;
    const struct watch_recipe *recipes;
};

int probe_attacher_new(struct probe_engine *engine, int socket, const struct probe_grant *grant,
                       int lifetime, struct probe_attacher **result)
{
    struct probe_attacher *attacher = calloc(1, sizeof(*attacher));
    if (!attacher)
        return -ENOMEM;
    *attacher = (struct probe_attacher){
        .engine = engine,
        .grant = *grant,
        .socket = socket,
        .lifetime = lifetime,
        .ring = -1,
        .tallies = -1,
        .end = -1,
    };
    *result = attacher;
    return 0;
}

int probe_attacher_take_end(struct probe_attacher *attacher)
{
    int end = attacher->end;
    attacher->end = -1;
    return end;
}

uint64_t probe_attacher_kept(const struct probe_attacher *attacher)
{
    return attacher->ring < 0 ? 0 : attacher->ring_size + attacher->tally_count * sizeof(uint64_t);
}

void probe_attacher_free(struct probe_attacher *attacher)
{
    if (!attacher)
        return;
    const int fds[] = {attacher->socket, attacher->lifetime, attacher->ring, attacher->tallies,
                       attacher->end};
    fd_message_close(fds, sizeof(fds) / sizeof(*fds));
    free(attacher);
}

/* ---- the right to watch ------------------------------------------------------------------ */

static int refuse(const struct probe_attacher *attacher, struct probe_error *error)
{
    return error_set(error, EACCES,
                     "process %d: what proves the right to watch it is not its memory, opened for "
                     "writing",
                     attacher->grant.pid);
}

/*
 * Is MEM the memory of the process, as its live thread TID has it, opened for writing? And does it
 * still belong to whom it did when the watcher was let in? That of a setuid program is root's.
 */
static int check_right(const struct probe_attacher *attacher, int mem, pid_t tid,
                       struct probe_error *error)
{
    char path[64];
    struct stat given;
    struct stat now;
    const struct probe_grant *grant = &attacher->grant;
    int flags = fcntl(mem, F_GETFL);
    if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) != O_RDWR || fstat(mem, &given) < 0)
        return refuse(attacher, error);
    if (tid == grant->pid)
        snprintf(path, sizeof(path), "%d/mem", grant->pid);
    else
        snprintf(path, sizeof(path), "%d/task/%d/mem", grant->pid, tid);
    if (fstatat(attacher->engine->proc, path, &now, AT_SYMLINK_NOFOLLOW) < 0)
        return error_gone(error, grant->pid);
    if (given.st_dev != now.st_dev || given.st_ino != now.st_ino)
        return refuse(attacher, error);
    if (now.st_uid != grant->uid || now.st_gid != grant->gid)
        return error_set(error, ESRCH,
                         "process %d belongs to another user now: it has replaced its program",
                         grant->pid);
    return 0;
}

/* Files that could make the kernel wait are refused. */
static int check_files(const struct probe_attacher *attacher, const struct asked *asked,
                       struct probe_error *error)
{
    struct probe_image image = PROBE_IMAGE_NONE;
    image.pid = attacher->grant.pid;
    for (size_t i = 0; i < asked->plan.file_count; i++) {
        struct stat status;
        int fd = asked->plan.files[i].fd;
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) != O_RDONLY ||
            fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
            return error_set(error, EINVAL, "process %d: a file of its plan is none", image.pid);
        int refused = watched_file_check(attacher->engine, &image, fd, "a file of it", error);
        if (refused < 0)
            return refused;
    }
    return 0;
}

/* ---- the plan ---------------------------------------------------------------------------- */

static bool is_ring_size(uint64_t size, size_t room)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t most = room == 0 || room > REQUEST_RING_MAX ? REQUEST_RING_MAX : room;
    /* The next power of two: what is less than twice as much. */
    return size >= page && size <= REQUEST_RING_MAX && (size & (size - 1)) == 0 &&
           (size == page || size / 2 < most);
}

/* Are the numbers such that all that follows has bounds? */
static bool is_sound(const struct probe_attacher *attacher, const struct asked *asked)
{
    const struct attach_request *request = &asked->request;
    bool is_first = attacher->ring < 0;
    return request->tid > 0 && request->file_count <= REQUEST_FILES_MAX &&
           asked->fd_count == REQUEST_FILES + request->file_count &&
           request->site_count <= REQUEST_SITES_MAX && request->recipe_count > 0 &&
           request->recipe_count <= REQUEST_SITES_MAX &&
           request->first_recipe <= REQUEST_SITES_MAX && request->tally_count > WATCH_COUNTS &&
           request->tally_count <= REQUEST_TALLIES_MAX &&
           is_ring_size(request->ring_size, attacher->grant.room) &&
           (is_first || (request->ring_size == attacher->ring_size &&
                         request->tally_count == attacher->tally_count));
}

static bool read_whole(int fd, void *bytes, size_t length)
{
    char *to = bytes;
    for (size_t at = 0; at < length;) {
        ssize_t got = pread(fd, to + at, length - at, (off_t)at);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

/* Reads the plan: a file in memory that nobody can change any more, and of just that length. */
static int read_plan(struct asked *asked)
{
    enum { SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW };
    const struct attach_request *request = &asked->request;
    size_t length = request->file_count * sizeof(struct request_file) +
                    request->site_count * 3 * sizeof(uint64_t) +
                    request->recipe_count * sizeof(struct watch_recipe);
    int file = asked->fds[REQUEST_PLAN];
    struct stat status;
    int seals = fcntl(file, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(file, &status) < 0 ||
        status.st_size != (off_t)length)
        return -EINVAL;
    asked->bytes = malloc(length + 1);
    if (!asked->bytes)
        return -ENOMEM;
    return read_whole(file, asked->bytes, length) ? 0 : -EINVAL;
}

/* Each file has the sites that follow those of the one before. */
static int take_files(struct asked *asked, const struct request_file *files)
{
    struct watch_plan *plan = &asked->plan;
    uint64_t next = 0;
    plan->files = calloc(asked->request.file_count + 1, sizeof(*plan->files));
    if (!plan->files)
        return -ENOMEM;
    for (size_t i = 0; i < asked->request.file_count; i++) {
        if (files[i].first != next || files[i].count > asked->request.site_count - next)
            return -EINVAL;
        next += files[i].count;
        plan->files[plan->file_count++] = (struct watch_file){
            asked->fds[REQUEST_FILES + i], (size_t)files[i].first, (size_t)files[i].count};
    }
    return next == asked->request.site_count ? 0 : -EINVAL;
}

static bool has_sound_recipes(const struct asked *asked)
{
    const struct attach_request *request = &asked->request;
    for (size_t i = 0; i < request->recipe_count; i++) {
        const struct watch_recipe *recipe = &asked->recipes[i];
        if (recipe->probe >= request->tally_count - WATCH_COUNTS ||
            recipe->count > WATCH_ARGUMENTS_MAX || recipe->texts > WATCH_ARGUMENTS_MAX)
            return false;
    }
    for (size_t i = 0; i < request->site_count; i++) {
        if (asked->plan.cookies[i] >= request->recipe_count)
            return false;
    }
    return true;
}

static int parse_plan(const struct probe_attacher *attacher, struct asked *asked)
{
    const struct attach_request *request = &asked->request;
    if (!is_sound(attacher, asked))
        return -EINVAL;
    int status = read_plan(asked);
    if (status < 0)
        return status;
    struct watch_plan *plan = &asked->plan;
    const struct request_file *files = asked->bytes;
    plan->pid = attacher->grant.pid;
    plan->tid = request->tid;
    plan->site_count = request->site_count;
    plan->offsets = (uint64_t *)(uintptr_t)(files + request->file_count);
    plan->references = plan->offsets + plan->site_count;
    plan->cookies = plan->references + plan->site_count;
    asked->recipes = (const struct watch_recipe *)(plan->cookies + plan->site_count);
    status = take_files(asked, files);
    return status == 0 && !has_sound_recipes(asked) ? -EINVAL : status;
}

/* ---- attaching --------------------------------------------------------------------------- */

/* Keeps what later requests of this watcher are recorded and counted in. */
static int keep_results(struct probe_attacher *attacher, const struct asked *asked,
                        const struct watch_programs *programs)
{
    attacher->ring_size = asked->request.ring_size;
    attacher->tally_count = asked->request.tally_count;
    attacher->ring = fcntl(programs->ring, F_DUPFD_CLOEXEC, 0);
    attacher->tallies = attacher->ring < 0 ? -1 : fcntl(programs->tallies, F_DUPFD_CLOEXEC, 0);
    if (attacher->tallies >= 0)
        return 0;
    int status = -errno;
    if (attacher->ring >= 0)
        close(attacher->ring);
    attacher->ring = -1;
    return status;
}

static int load(const struct probe_attacher *attacher, const struct asked *asked,
                enum watch_way way, struct watch_programs *programs, struct probe_error *error)
{
    const struct programs_wanted wanted = {
        .pid = attacher->grant.pid,
        .way = way,
        .lines = asked->request.lines != 0,
        .recipes = asked->recipes,
        .recipe_count = asked->request.recipe_count,
        .first_recipe = asked->request.first_recipe,
        .tally_count = asked->request.tally_count,
        .ring_size = asked->request.ring_size,
        .ring = attacher->ring,
        .tallies = attacher->tallies,
    };
    return programs_load(&wanted, programs, error);
}

/* Attaches to the process whose descriptor the plan has. */
static int attach(struct probe_attacher *attacher, const struct asked *asked,
                  struct watch_attachment *attachment, struct probe_error *error)
{
    enum watch_way way = WATCH_MULTI;
    struct watch_programs programs = WATCH_PROGRAMS_NONE;
    const struct watch_plan *plan = &asked->plan;
    int mem = asked->fds[REQUEST_MEM];
    int status = attach_choose_way(attacher->engine, plan->pid, plan->tid, &way, error);
    if (status == 0)
        status = load(attacher, asked, way, &programs, error);
    /* From here on an exec is marked. */
    if (status == 0)
        status = check_right(attacher, mem, plan->tid, error);
    if (status == 0)
        status = attach_plan(plan, &programs, way, attacher->lifetime, attachment, error);
    if (status == 0 && attacher->ring < 0) {
        status = keep_results(attacher, asked, &programs);
        if (status < 0)
            error_set(error, -status, "cannot keep what is recorded: %s", strerror(-status));
    }
    programs_done(&programs);
    return status;
}

static uint64_t cost_of(const struct probe_attacher *attacher, const struct attach_request *request)
{
    uint64_t cost = HOLDER_COST + request->site_count * SITE_COST +
                    request->recipe_count * sizeof(struct watch_recipe);
    if (attacher->ring < 0)
        cost += request->ring_size + request->tally_count * sizeof(uint64_t);
    return cost;
}

static int check_and_attach(struct probe_attacher *attacher, struct asked *asked, uint64_t memory,
                            struct watch_attachment *attachment, struct probe_error *error)
{
    pid_t pid = attacher->grant.pid;
    int status = parse_plan(attacher, asked);
    if (status < 0)
        return error_set(error, -status, "process %d: the plan of what to watch makes no sense: %s",
                         pid, strerror(-status));
    if (cost_of(attacher, &asked->request) > memory)
        return error_set(error, ENOMEM,
                         "process %d: to watch it would take more of the kernel's memory than is "
                         "left for this user",
                         pid);
    status = check_right(attacher, asked->fds[REQUEST_MEM], asked->request.tid, error);
    if (status == 0)
        status = check_files(attacher, asked, error);
    if (status < 0)
        return status;
    asked->plan.process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (asked->plan.process < 0)
        return errno == ESRCH ? error_gone(error, pid)
                              : error_set(error, errno, "process %d cannot be waited for: %s", pid,
                                          strerror(errno));
    status = attach(attacher, asked, attachment, error);
    close(asked->plan.process);
    return status;
}

/* Hands over what was attached. IS_FIRST: with what is recorded and counted in. */
static int reply(const struct probe_attacher *attacher, bool is_first,
                 const struct watch_attachment *attachment)
{
    const struct attach_reply message = {.status = 0};
    const int fds[REPLY_FDS] = {attachment->socket, attachment->ended, attacher->ring,
                                attacher->tallies};
    return fd_message_send(attacher->socket, &message, sizeof(message), fds,
                           is_first ? REPLY_FDS : REPLY_RING);
}

static int answer(struct probe_attacher *attacher, struct asked *asked, uint64_t *memory,
                  struct probe_error *error)
{
    struct watch_attachment attachment = WATCH_ATTACHMENT_NONE;
    bool is_first = attacher->ring < 0;
    uint64_t cost = cost_of(attacher, &asked->request);
    int status =
        check_and_attach(attacher, asked, memory ? *memory : UINT64_MAX, &attachment, error);
    if (status == 0 && memory)
        *memory -= cost;
    if (status == 0 && reply(attacher, is_first, &attachment) < 0)
        status = error_set(error, EPIPE, "process %d: its watcher has gone", attacher->grant.pid);
    attachment_release(&attachment);
    fd_message_close(&attacher->end, 1);
    attacher->end = attachment.ended;
    return status;
}

/* Receives a request, with the descriptors that come. Errors: EPIPE. */
static int receive(const struct probe_attacher *attacher, struct asked *asked)
{
    *asked = (struct asked){.fd_count = sizeof(asked->fds) / sizeof(*asked->fds)};
    int status = fd_message_receive(attacher->socket, &asked->request, sizeof(asked->request),
                                    asked->fds, &asked->fd_count);
    return status < 0 ? -EPIPE : 0;
}

static void send_refusal(const struct probe_attacher *attacher, int status,
                         const struct probe_error *reason)
{
    const struct attach_reply refusal = {.status = status, .error = *reason};
    fd_message_send(attacher->socket, &refusal, sizeof(refusal), NULL, 0);
}

int probe_attacher_refuse(struct probe_attacher *attacher, int status,
                          const struct probe_error *reason)
{
    struct asked asked;
    if (receive(attacher, &asked) < 0)
        return -EPIPE;
    fd_message_close(asked.fds, asked.fd_count);
    send_refusal(attacher, status, reason);
    return status;
}

int probe_attacher_serve(struct probe_attacher *attacher, uint64_t *memory,
                         struct probe_error *error)
{
    struct probe_error unused = {.text = ""};
    struct asked asked;
    if (receive(attacher, &asked) < 0)
        return -EPIPE;
    int status = answer(attacher, &asked, memory, error ? error : &unused);
    if (status < 0 && status != -EPIPE)
        send_refusal(attacher, status, error ? error : &unused);
    fd_message_close(asked.fds, asked.fd_count);
    free(asked.plan.files);
    free(asked.bytes);
    return status;
}

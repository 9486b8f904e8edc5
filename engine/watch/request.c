/* SPDX-License-Identifier: MIT */
#include "watch/request.h"

#include "watch/fd-message.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int write_whole(int fd, const void *bytes, size_t length)
{
    const char *from = bytes;
    while (length > 0) {
        ssize_t put = write(fd, from, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        from += put;
        length -= (size_t)put;
    }
    return 0;
}

static int write_plan(int fd, const struct watch_plan *plan, const struct programs_wanted *wanted)
{
    int status = 0;
    for (size_t i = 0; i < plan->file_count && status == 0; i++) {
        const struct request_file file = {plan->files[i].first, plan->files[i].count};
        status = write_whole(fd, &file, sizeof(file));
    }
    size_t sites = plan->site_count * sizeof(uint64_t);
    if (status == 0)
        status = write_whole(fd, plan->offsets, sites);
    if (status == 0)
        status = write_whole(fd, plan->references, sites);
    if (status == 0)
        status = write_whole(fd, plan->cookies, sites);
    if (status == 0)
        status = write_whole(fd, wanted->recipes, wanted->recipe_count * sizeof(*wanted->recipes));
    return status;
}

/* The plan as a file that nobody can change any more. */
static int make_plan_file(const struct watch_plan *plan, const struct programs_wanted *wanted)
{
    int fd = memfd_create("probe-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int status = write_plan(fd, plan, wanted);
    if (status == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        status = -errno;
    if (status == 0)
        return fd;
    close(fd);
    return status;
}

static int send_plan(int socket, const struct watch_plan *plan,
                     const struct programs_wanted *wanted, int mem)
{
    int fds[REQUEST_FILES + REQUEST_FILES_MAX];
    const struct attach_request request = {
        .tid = plan->tid,
        .lines = wanted->lines,
        .file_count = plan->file_count,
        .site_count = plan->site_count,
        .recipe_count = wanted->recipe_count,
        .first_recipe = wanted->first_recipe,
        .tally_count = wanted->tally_count,
        .ring_size = wanted->ring_size,
    };
    int file = make_plan_file(plan, wanted);
    if (file < 0)
        return file;
    fds[REQUEST_PLAN] = file;
    fds[REQUEST_MEM] = mem;
    for (size_t i = 0; i < plan->file_count; i++)
        fds[REQUEST_FILES + i] = plan->files[i].fd;
    int status =
        fd_message_send(socket, &request, sizeof(request), fds, REQUEST_FILES + plan->file_count);
    close(file);
    return status;
}

int request_send(int socket, const struct watch_plan *plan, const struct programs_wanted *wanted,
                 int mem, struct probe_error *error)
{
    if (plan->file_count > REQUEST_FILES_MAX || plan->site_count > REQUEST_SITES_MAX)
        return error_set(
            error, E2BIG,
            "process %d: its probes have %zu sites in %zu files, and only %d in %d can "
            "be watched at once; choose fewer",
            plan->pid, plan->site_count, plan->file_count, REQUEST_SITES_MAX, REQUEST_FILES_MAX);
    int status = send_plan(socket, plan, wanted, mem);
    if (status == -EPIPE)
        return error_set(error, EIO, "what attaches to probes has ended");
    if (status < 0)
        return error_set(error, -status, "cannot ask for probes to be attached to: %s",
                         strerror(-status));
    return 0;
}

int request_receive(int socket, struct attach_answer *answer, struct probe_error *error)
{
    struct attach_reply reply;
    int fds[REPLY_FDS];
    size_t count = REPLY_FDS;
    int status = fd_message_receive(socket, &reply, sizeof(reply), fds, &count);
    if (status == -EAGAIN)
        return status;
    if (status < 0)
        return error_set(error, EIO, "what attaches to probes has ended");
    if (reply.status < 0) {
        fd_message_close(fds, count);
        reply.error.text[sizeof(reply.error.text) - 1] = '\0';
        if (error)
            *error = reply.error;
        return reply.status;
    }
    if (count != REPLY_RING && count != REPLY_FDS) {
        fd_message_close(fds, count);
        return error_set(error, EIO, "what attaches to probes makes no sense");
    }
    *answer = (struct attach_answer){
        .attachment = {.socket = fds[REPLY_SOCKET], .ended = fds[REPLY_ENDED]},
        .ring = count == REPLY_FDS ? fds[REPLY_RING] : -1,
        .tallies = count == REPLY_FDS ? fds[REPLY_TALLIES] : -1,
    };
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "fuse/answer.h"

#include "fuse/stale.h"
#include "server/attributes.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <unistd.h>

/* Room for a file's name, and for what was asked, in a sentence. */
enum { NODE_NAME_SIZE = 32, ASKED_SIZE = 256 };

struct caller answer_caller(fuse_req_t request)
{
    const struct server *server = fuse_req_userdata(request);
    const struct fuse_ctx *context = fuse_req_ctx(request);
    return (struct caller){
        .pid = context->pid,
        .uid = context->uid,
        .gid = context->gid,
        .in_group = server->has_group && (context->gid == server->group ||
                                          process_is_in_group(context->pid, server->group)),
    };
}

/*
 * What callers are told: what probefs(8) lists, and what the kernel takes for itself. There are
 * others that would be misread: EFAULT seems to be the caller's, and told ENOSYS once, the kernel
 * would never again ask for what it is the answer to.
 */
static int told_errnum(int status)
{
    static const int told[] = {EINVAL, ERANGE,    EOVERFLOW, ENOENT, ESRCH,       EACCES, EPERM,
                               EBUSY,  ETIMEDOUT, ENOEXEC,   EFBIG,  EOPNOTSUPP,  EAGAIN, EMFILE,
                               ENFILE, ENOMEM,    ESTALE,    EINTR,  ENAMETOOLONG};
    for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++) {
        if (told[i] == -status)
            return told[i];
    }
    return EIO;
}

void answer_error(fuse_req_t request, const struct inode *inode, int status)
{
    int errnum = told_errnum(status);
    pid_t about = inode && inode->target ? inode->target->pid : 0;
    if (errnum == ESTALE && !stale_may_answer(fuse_req_ctx(request)->pid, about))
        errnum = ENOENT;
    fuse_reply_err(request, errnum);
}

/* May CALLER look into the process of TARGET? */
static enum failure_share share_of(const struct target *target, const struct caller *caller)
{
    struct process_user user;
    return process_find_user(target->pid, inodes_get_process(target), &user) == 0 &&
                   caller_authority(caller, &user) == AUTHORITY_NONE
               ? FAILURE_OF_STRANGER
               : FAILURE_OF_USER;
}

/*
 * A caller who has something open may look into the target. Nothing more is asked about them: their
 * process may be in the middle of an exec, whose flush this is, and to ask for its user namespace
 * would wait for the end of that.
 */
static void fail(fuse_req_t request, const struct inode *inode, const char *what, int status,
                 const struct probe_error *error, bool is_open)
{
    /* ESTALE is for the kernel, which looks again. */
    if (inode->target && status != -ESTALE) {
        struct caller caller = answer_caller(request);
        enum failure_share share = is_open ? FAILURE_OF_USER : share_of(inode->target, &caller);
        pid_t process = process_of_thread(caller.pid);
        caller.pid = process > 0 ? process : caller.pid;
        failures_add(&inode->target->failures, share, &caller, what, -told_errnum(status), error);
    }
    answer_error(request, inode, status);
}

static void fail_on(fuse_req_t request, const struct inode *inode, uint64_t number,
                    const char *asked, int status, const struct probe_error *error, bool is_open)
{
    char path[PROBE_NAME_SIZE + NODE_NAME_SIZE];
    char what[sizeof(path) + ASKED_SIZE];
    const struct node_kind *kind = inode_kind(number);
    const char *name = kind->type == NODE_STREAM ? "trace" : kind->name; /* as the links to it */
    snprintf(path, sizeof(path), "%s%s%s", inode->probe ? inode->probe : "",
             inode->probe && name ? "/" : "",
             name           ? name
             : inode->probe ? ""
                            : ".");
    snprintf(what, sizeof(what), "%s '%s'", asked, path);
    fail(request, inode, what, status, error, is_open);
}

void answer_failure(fuse_req_t request, const struct inode *inode, const char *what, int status,
                    const struct probe_error *error)
{
    fail(request, inode, what, status, error, false);
}

void answer_failure_on(fuse_req_t request, const struct inode *inode, uint64_t number,
                       const char *asked, int status, const struct probe_error *error)
{
    fail_on(request, inode, number, asked, status, error, false);
}

void answer_open_failure(fuse_req_t request, const struct inode *inode, uint64_t number,
                         const char *asked, int status, const struct probe_error *error)
{
    fail_on(request, inode, number, asked, status, error, true);
}

void answer_fill_entry(struct server *server, const struct inode *inode, uint64_t number,
                       const struct ownership *owner, struct fuse_entry_param *entry)
{
    *entry = (struct fuse_entry_param){
        .ino = number,
        .attr_timeout = ATTRIBUTES_VALID,
        .entry_timeout = ATTRIBUTES_VALID,
    };
    attributes_fill(server, inode->target, number, owner, &entry->attr);
}

void answer_opened(fuse_req_t request)
{
    stale_forget(fuse_req_ctx(request)->pid);
}

static _Thread_local uint64_t served; /* the request of the calling thread */

void answer_begin(uint64_t unique)
{
    served = unique;
}

/* The library does not know FOPEN_STREAM, so it only gets to forget the request. */
int answer_open_stream(fuse_req_t request, uint64_t handle)
{
    const struct server *server = fuse_req_userdata(request);
    const struct {
        struct fuse_out_header header;
        struct fuse_open_out open;
    } answer = {
        .header = {.len = sizeof(answer), .unique = served},
        .open = {.fh = handle, .open_flags = FOPEN_DIRECT_IO | FOPEN_STREAM | FOPEN_NOFLUSH},
    };
    ssize_t put = write(fuse_session_fd(server->session), &answer, sizeof(answer));
    fuse_reply_none(request);
    return put < 0 ? -ENOENT : 0;
}

void answer_directly(struct fuse_session *session, uint64_t unique, int status)
{
    const struct fuse_out_header answer = {
        .len = sizeof(answer), .error = status, .unique = unique};
    /* It fails where nobody waits for it any more. */
    if (write(fuse_session_fd(session), &answer, sizeof(answer)) < 0)
        log_message(PROBE_LOG_DEBUG, "nobody waits for an answer any more");
}

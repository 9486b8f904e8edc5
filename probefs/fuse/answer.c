/* SPDX-License-Identifier: MIT */
#include "fuse/answer.h"

#include <errno.h>
#include <linux/fuse.h>
#include <unistd.h>

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

void answer_error(fuse_req_t request, int status)
{
    int errnum = -status;
    /* Told ENOSYS once, the kernel would never again ask for what it is the answer to. */
    if (errnum == EFAULT || errnum == EAGAIN || errnum == EROFS || errnum == EPIPE ||
        errnum == ENOSYS)
        errnum = EIO;
    fuse_reply_err(request, errnum);
}

/* May CALLER look into the process of TARGET? */
static enum failure_share share_of(const struct target *target, const struct caller *caller)
{
    struct process_user user;
    return process_find_user(target->pid, &user) == 0 &&
                   caller_authority(caller, &user) == AUTHORITY_NONE
               ? FAILURE_OF_STRANGER
               : FAILURE_OF_USER;
}

void answer_failure(fuse_req_t request, const struct inode *inode, const char *what, int status,
                    const struct probe_error *error)
{
    /* ESTALE is for the kernel, which looks again. */
    if (inode->target && status != -ESTALE) {
        struct caller caller = answer_caller(request);
        enum failure_share share = share_of(inode->target, &caller);
        pid_t process = process_of_thread(caller.pid);
        caller.pid = process > 0 ? process : caller.pid;
        failures_add(&inode->target->failures, share, &caller, what, status, error);
    }
    answer_error(request, status);
}

void answer_directly(struct fuse_session *session, uint64_t unique, int status)
{
    const struct fuse_out_header answer = {
        .len = sizeof(answer), .error = status, .unique = unique};
    /* It fails where nobody waits for it any more. */
    if (write(fuse_session_fd(session), &answer, sizeof(answer)) < 0)
        log_message(PROBE_LOG_DEBUG, "nobody waits for an answer any more");
}

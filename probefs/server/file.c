/* SPDX-License-Identifier: MIT */
#include "server/file.h"

#include "server/hold-takeover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* Names of probes that lose their references come in so much memory, mostly. */
enum { RESETS_SIZE = 64 << 10 };

static bool is_current(void *data, const struct target *target)
{
    struct server *server = data;
    struct probe_image_id id;
    return router_identify(server->router, target->pid, &id) == 0 &&
           probe_image_id_equal(&id, &target->id);
}

/* Whose process it is, at this moment. */
static int find_user(struct server *server, struct target *target, struct process_user *user)
{
    int process = inodes_get_process(&server->inodes, target, is_current, server);
    int status = process < 0 ? -ENOTTY : process_ask_user(process, user);
    return status == -ENOTTY ? process_find_user(target->pid, user) : status;
}

static void refuse_stranger(const struct target *target, const struct process_user *user,
                            const struct caller *caller, struct probe_error *error)
{
    snprintf(error->text, sizeof(error->text),
             "process %d belongs to user %u and group %u; user %u and group %u%s may not look into "
             "it: ask with its user and group, as root, or as a member of the mount's group "
             "(-o gid=)",
             target->pid, user->uid, user->gid, caller->uid, caller->gid,
             caller->pid == 0   ? " in another pid namespace"
             : caller->uid == 0 ? " without CAP_SYS_PTRACE in the server's user namespace"
                                : "");
}

/*
 * Whose process is it, and what may CALLER do with it? Whether the image is still the one that
 * INODE stands for, the service sees.
 */
static int find_route(struct server *server, const struct inode *inode,
                      const struct node_kind *kind, const struct caller *caller,
                      struct route *route, struct probe_error *error)
{
    struct process_user user;
    struct target *target = inode->target;
    if (find_user(server, target, &user) < 0)
        return -ESTALE;
    enum authority authority = caller_authority(caller, &user);
    if (authority == AUTHORITY_NONE) {
        if (!is_current(server, target))
            return -ESTALE;
        refuse_stranger(target, &user, caller, error);
        return -EACCES;
    }
    int status = router_begin(server->router, &user, authority, kind->outlives_server, route);
    return status < 0 && !is_current(server, target) ? -ESTALE : status;
}

static int open_simple(struct server *server, struct file *file, struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_OPEN);
    int status = file_handle_open(server, file, &call, error);
    free(call.out);
    return status;
}

/* ---- holds ------------------------------------------------------------------------------ */

static int fail_busy(const struct target *target, int status, struct probe_error *error)
{
    if (status < 0)
        snprintf(error->text, sizeof(error->text),
                 "process %d: what was asked before of holds on it was not answered in time: "
                 "something that its user's processes have mapped hangs, which has to be ended "
                 "first",
                 target->pid);
    return status;
}

/* What begins now is to see what was closed before. Errors: ETIMEDOUT. */
static int wait_for_releases(struct target *target, struct probe_error *error)
{
    return fail_busy(target, held_wait(&target->held), error);
}

static int lock_holds(struct target *target, struct probe_error *error)
{
    return fail_busy(target, held_lock(&target->held), error);
}

/* The claims on the probes in NAMES, each ended by a NUL, have ended. Called with the holds' lock.
 */
static void end_claims(struct held *held, const char *names, size_t length)
{
    struct held_file *file = NULL;
    DL_FOREACH(held->files, file)
    {
        const char *probe = file->file->inode->probe;
        for (size_t at = 0; at < length && file->saved;
             at += strnlen(names + at, length - at) + 1) {
            if (strncmp(names + at, probe, length - at) == 0)
                held_end_claim(file);
        }
    }
}

static int open_hold(struct server *server, struct file *file, struct probe_error *error)
{
    struct call call;
    struct held *held = &file->inode->target->held;
    file_handle_init_call(&call, file, OPERATION_OPEN);
    int status = lock_holds(file->inode->target, error);
    if (status < 0)
        return status;
    orphans_take_over(server, held);
    status = file_handle_open(server, file, &call, error);
    if (status == 0 || file->handle != 0) {
        file->held = (struct held_file){.file = file};
        held_add(held, &file->held);
    }
    if (status == 0 && call.out_length > 0) {
        file->held.saved = call.out;
        file->held.saved_length = call.out_length;
        call.out = NULL;
    }
    /* The end of its worker may have been looked after before there was this one. */
    if (status == 0 && orphan_is(&file->held))
        orphans_take_over(server, held);
    pthread_mutex_unlock(&held->lock);
    free(call.out);
    return status;
}

int file_open(struct server *server, struct inode *inode, const struct node_kind *kind,
              const struct caller *caller, bool write, struct file *result,
              struct probe_error *error)
{
    struct file file = {.inode = inode, .kind = kind, .write = write};
    int status = find_route(server, inode, kind, caller, &file.route, error);
    if (status < 0)
        return status;
    *result = file; /* a hold's place in the target's list is in the caller's struct */
    status = wait_for_releases(inode->target, error);
    if (status == 0)
        status = file_is_hold(result) ? open_hold(server, result, error)
                                      : open_simple(server, result, error);
    if (status < 0 && result->handle == 0) {
        router_end(&result->route);
        return status == -ESRCH ? -ESTALE : status;
    }
    pthread_mutex_init(&result->lock, NULL);
    inodes_opened(&server->inodes, inode);
    return status;
}

/* ---- reading ---------------------------------------------------------------------------- */

/* What the service knows of objects that cannot be used becomes part of the target's failures. */
static void take_problems(struct failures *failures, char *text, size_t length)
{
    while (length > 0) {
        char *newline = memchr(text, '\n', length);
        if (!newline)
            break;
        *newline = '\0';
        char shown[1024];
        probe_escape(text, strlen(text), shown, sizeof(shown));
        failures_add_once(failures, shown);
        length -= (size_t)(newline + 1 - text);
        text = newline + 1;
    }
}

/* Makes the text of a file that shows the target's failures, which the server keeps. */
static int make_failures(struct server *server, struct file *file, struct probe_error *error)
{
    enum { PROBLEMS_SIZE = 64 << 10 };
    struct failures *failures = &file->inode->target->failures;
    char *problems = NULL;
    size_t length = 0;
    int status = file_handle_read(server, file, 0, PROBLEMS_SIZE, &problems, &length, error);
    if (status < 0)
        return status;
    take_problems(failures, problems, length);
    free(problems);
    struct text text;
    FILE *out = text_open(&text);
    if (!out)
        return -ENOMEM;
    failures_print(failures, out);
    status = text_close(&text, out);
    if (status < 0)
        return status;
    free(file->text);
    file->text = text.bytes;
    file->length = text.length;
    return 0;
}

static int copy_failures(const struct file *file, uint64_t offset, size_t size, char **bytes,
                         size_t *length)
{
    size_t left = offset < file->length ? file->length - offset : 0;
    *length = left < size ? left : size;
    *bytes = malloc(*length + 1);
    if (!*bytes)
        return -ENOMEM;
    if (*length > 0)
        memcpy(*bytes, file->text + offset, *length);
    return 0;
}

static int read_failures(struct server *server, struct file *file, uint64_t offset, size_t size,
                         char **bytes, size_t *length, struct probe_error *error)
{
    pthread_mutex_lock(&file->lock);
    int status = offset == 0 || !file->text ? make_failures(server, file, error) : 0;
    if (status == 0)
        status = copy_failures(file, offset, size, bytes, length);
    pthread_mutex_unlock(&file->lock);
    return status;
}

/* Holds are counted where they are kept; so those that are kept nowhere are looked after first. */
static int read_hold(struct server *server, struct file *file, uint64_t offset, size_t size,
                     char **bytes, size_t *length, struct probe_error *error)
{
    struct held *held = &file->inode->target->held;
    int status = lock_holds(file->inode->target, error);
    if (status < 0)
        return status;
    orphans_take_over(server, held);
    status = file_handle_read(server, file, offset, size, bytes, length, error);
    pthread_mutex_unlock(&held->lock);
    return status;
}

int file_read(struct server *server, struct file *file, uint64_t offset, size_t size, char **bytes,
              size_t *length, struct probe_error *error)
{
    int status = wait_for_releases(file->inode->target, error);
    if (status < 0)
        return status;
    if (file->kind->outlives_server)
        return read_hold(server, file, offset, size, bytes, length, error);
    return file->kind->has_failures
               ? read_failures(server, file, offset, size, bytes, length, error)
               : file_handle_read(server, file, offset, size, bytes, length, error);
}

/* ---- writing ---------------------------------------------------------------------------- */

/* Tells the workers that keep holds, but for the one that FILE is in, whose counters were set. */
static void forward_resets(struct server *server, struct file *file, const struct call *done)
{
    const struct held *held = &file->inode->target->held;
    const struct held_file *holder = NULL;
    const struct worker *told = file->route.worker;
    DL_FOREACH(held->files, holder)
    {
        struct worker *worker = holder->file->route.worker;
        if (worker == file->route.worker || worker == told)
            continue;
        /* It looks at no memory, and so is lent none. */
        const struct route route = {worker, AUTHORITY_NONE, file->route.uid};
        struct call call;
        file_handle_init_call(&call, file, OPERATION_RESET);
        call.in = done->out;
        call.in_length = done->out_length;
        file_handle_call(server, &route, &call, NULL);
        free(call.out);
        told = worker;
    }
}

static int change(struct server *server, struct file *file, struct call *call,
                  struct probe_error *error)
{
    struct held *held = &file->inode->target->held;
    int status = wait_for_releases(file->inode->target, error);
    if (status == 0)
        status = lock_holds(file->inode->target, error);
    if (status < 0)
        return status;
    orphans_take_over(server, held);
    call->request.report_resets = held->files;
    if (held->files && file->route.worker) {
        call->spare = malloc(RESETS_SIZE);
        call->spare_size = RESETS_SIZE;
        status = call->spare ? 0 : -ENOMEM;
    }
    if (status == 0)
        status = file_handle_call(server, &file->route, call, error);
    if (status == 0 && call->out_length > 0) {
        end_claims(held, call->out, call->out_length);
        forward_resets(server, file, call);
    }
    pthread_mutex_unlock(&held->lock);
    free(call->spare);
    free(call->out);
    return status;
}

int file_write(struct server *server, struct file *file, uint64_t owner, const char *bytes,
               size_t length, struct probe_error *error)
{
    struct call call;
    file_handle_init_call(&call, file, OPERATION_WRITE);
    call.request.owner = owner;
    call.in = bytes;
    call.in_length = length;
    int status = change(server, file, &call, error);
    if (status == 0 && length > 0)
        atomic_store(&file->cut, bytes[length - 1] != '\n');
    return status;
}

bool file_needs_flush(const struct file *file)
{
    return file->kind->flush && atomic_load(&file->cut);
}

int file_flush(struct server *server, struct file *file, uint64_t owner, struct probe_error *error)
{
    struct call call;
    if (!file_needs_flush(file))
        return 0;
    file_handle_init_call(&call, file, OPERATION_FLUSH);
    call.request.owner = owner;
    return change(server, file, &call, error);
}

int file_check(struct server *server, struct inode *inode, const struct caller *caller,
               struct probe_error *error)
{
    struct file file;
    int status = file_open(server, inode, &node_kinds[tree_directory(inode->place)], caller, false,
                           &file, error);
    if (status == 0)
        file_close(server, &file);
    return status;
}

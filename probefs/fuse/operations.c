/* SPDX-License-Identifier: MIT */
/*
 * The FUSE operations. Each finds its node, asks who calls where that matters, makes one call
 * below, and answers exactly once.
 */
#include "fuse/operations.h"

#include "common/heap.h"
#include "fuse/answer.h"
#include "fuse/readdir.h"
#include "server/attributes.h"
#include "server/directory.h"
#include "server/file.h"
#include "server/look-up.h"
#include "server/sweep.h"
#include "server/watching.h"
#include "nodes/readme.h"
#include "fuse/refusals.h"
#include "fuse/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BACKGROUND = 60000, MAX_WRITE = 1 << 20 };

/* Room for what was asked, in a sentence. */
enum { ASKED_SIZE = 256 };

static struct server *server_of(fuse_req_t request)
{
    return fuse_req_userdata(request);
}

/* ---- names ------------------------------------------------------------------------------ */

/*
 * Now and then, forgets what has ended. The kernel keeps names for as long as it has memory, and we
 * what they stand for; so it is asked to forget them, too. Called when the request is answered: the
 * kernel may have locked the root until it is.
 */
static void forget_ended(struct server *server)
{
    struct stale_name *names = NULL;
    size_t count = 0;
    if (!sweep_is_due(&server->inodes))
        return;
    sweep_inodes(&server->inodes, &names, &count);
    for (size_t i = 0; i < count; i++)
        fuse_lowlevel_notify_inval_entry(server->session, names[i].directory, names[i].name,
                                         strlen(names[i].name));
    free(names);
    if (count >= HEAP_WORTH_IT)
        heap_give_back();
}

/* What a name that is no file of the tree leads to, by the place that it stands in. */
static const enum place places_below[PLACE_COUNT] = {
    [PLACE_ROOT] = PLACE_PROCESS,
    [PLACE_PROCESS] = PLACE_PROBE,
    [PLACE_TRACE] = PLACE_STREAMS,
    [PLACE_STREAMS] = PLACE_STREAM,
};

/*
 * What NAME is in the directory DIRECTORY, whose inode is PARENT: an inode, and the number of the
 * node in it.
 */
static int look_up(struct server *server, struct inode *parent, uint64_t directory,
                   const char *name, struct inode **inode, uint64_t *number, bool *sure)
{
    enum place place = tree_inside(inode_kind(directory));
    int kind = inode_find_file(parent, place, name);
    int status = -ENOENT;
    *sure = true;
    if (kind >= 0) {
        inodes_look_up_file(&server->inodes, parent);
        *inode = parent;
        *number = inode_number(parent, (unsigned int)kind);
        return 0;
    }
    if (strlen(name) >= PROBE_NAME_SIZE) /* the kernel lets pass up to 1024 bytes */
        status = -ENAMETOOLONG;
    else if (place == PLACE_ROOT || place == PLACE_TRACE)
        status = look_up_process(server, name, inode, sure);
    else if (place == PLACE_PROCESS || place == PLACE_STREAMS)
        status = look_up_probe(server, parent, name, inode);
    if (status == 0)
        *number = inode_number(*inode, tree_directory(places_below[place]));
    return status;
}

static void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct server *server = server_of(request);
    struct inode *inode = NULL;
    struct fuse_entry_param entry;
    struct ownership owner;
    uint64_t number = 0;
    bool sure = true;
    struct inode *directory = inodes_find(&server->inodes, parent);
    int status = look_up(server, directory, parent, name, &inode, &number, &sure);
    if (status < 0) {
        answer_error(request, directory, status);
        return;
    }
    status = attributes_find_owner(server, inode, &owner);
    if (status < 0) {
        inodes_forget(&server->inodes, number, 1);
        answer_error(request, directory, status);
        return;
    }
    answer_fill_entry(server, inode, number, &owner, &entry);
    if (!sure) /* it is looked up again, when it is used */
        entry.entry_timeout = 0;
    if (fuse_reply_entry(request, &entry) < 0)
        inodes_forget(&server->inodes, number, 1);
    forget_ended(server);
}

/* ---- attributes ------------------------------------------------------------------------- */

static void op_getattr(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    struct server *server = server_of(request);
    struct inode *inode = inodes_find(&server->inodes, number);
    struct ownership owner;
    struct stat attributes;
    (void)info;
    int status = attributes_check_alive(server, inode);
    if (status == 0)
        status = attributes_find_owner(server, inode, &owner);
    if (status < 0) {
        answer_error(request, inode, status == -ENOENT ? -ESTALE : status);
        return;
    }
    attributes_fill(server, inode->target, number, &owner, &attributes);
    answer_opened(request);
    fuse_reply_attr(request, &attributes, ATTRIBUTES_VALID);
}

/* Truncating and touching are harmless, and change nothing; modes and owners are not for change. */
static void op_setattr(fuse_req_t request, fuse_ino_t number, struct stat *attributes, int what,
                       struct fuse_file_info *info)
{
    (void)attributes;
    if (what & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
        answer_failure_on(
            request, inodes_find(&server_of(request)->inodes, number), number,
            "change the mode or owner of", -EPERM,
            &(struct probe_error){.text = "they are those of the process, and follow it"});
    else
        op_getattr(request, number, info);
}

/* ---- links ------------------------------------------------------------------------------ */

static void reply_self(fuse_req_t request, const struct caller *caller)
{
    char text[16];
    pid_t pid = caller->pid > 0 ? process_of_thread(caller->pid) : -ENOENT;
    if (pid <= 0) {
        answer_error(request, NULL, -ENOENT);
        return;
    }
    snprintf(text, sizeof(text), "%d", pid);
    fuse_reply_readlink(request, text);
}

/* It leads to where the stream is; who may read that is decided there. */
static void reply_stream_link(fuse_req_t request, struct inode *inode)
{
    char path[PROBE_NAME_SIZE + 64];
    int status = attributes_check_alive(server_of(request), inode);
    if (status < 0) {
        answer_error(request, inode, status);
        return;
    }
    watching_write_link(inode, path, sizeof(path));
    fuse_reply_readlink(request, path);
}

static void op_readlink(fuse_req_t request, fuse_ino_t number)
{
    struct server *server = server_of(request);
    struct inode *inode = inodes_find(&server->inodes, number);
    struct caller caller = answer_caller(request);
    struct probe_error error = {.text = ""};
    struct file file = {.inode = NULL};
    char *path = NULL;
    size_t length = 0;
    if (!inode->target) {
        reply_self(request, &caller);
        return;
    }
    if (inode_kind(number)->watches) {
        reply_stream_link(request, inode);
        return;
    }
    int status = file_open(server, inode, inode_kind(number), &caller, false, &file, &error);
    if (status == 0) {
        status = file_read(server, &file, 0, PATH_MAX - 1, &path, &length, &error);
        file_close(server, &file);
    }
    char *text = status == 0 ? strndup(path ? path : "", length) : NULL;
    if (text) {
        answer_opened(request);
        fuse_reply_readlink(request, text);
    } else {
        answer_failure_on(request, inode, number, "read the link", status < 0 ? status : -ENOMEM,
                          &error);
    }
    free(text);
    free(path);
}

/* ---- directories ------------------------------------------------------------------------ */

static void op_opendir(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    struct server *server = server_of(request);
    struct inode *inode = inodes_find(&server->inodes, number);
    struct caller caller = answer_caller(request);
    struct probe_error error = {.text = ""};
    struct directory *directory = NULL;
    if (tree_inside(inode_kind(number)) != inode->place) { /* .trace, which lists nothing */
        fuse_reply_open(request, info);
        return;
    }
    int status = directory_open(server, inode, &caller, &directory, &error);
    if (status < 0) {
        answer_failure_on(request, inode, number, "open the directory", status, &error);
        return;
    }
    answer_opened(request);
    info->fh = (uintptr_t)directory;
    inodes_opened(&server->inodes, inode);
    if (fuse_reply_open(request, info) < 0) {
        directory_close(server, directory);
        inodes_closed(&server->inodes, inode);
    }
    forget_ended(server);
}

static void op_readdir(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
    readdir_serve(request, number, size, offset, info, false);
}

static void op_readdirplus(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                           struct fuse_file_info *info)
{
    readdir_serve(request, number, size, offset, info, true);
}

/* ---- files ------------------------------------------------------------------------------ */

/*
 * Opens a file of a process; the result stays NULL for those that the server knows by heart. After
 * an error there is one where it has to be released: see file_open().
 */
static int open_file(struct server *server, uint64_t number, const struct caller *caller,
                     bool write, struct file **result, struct probe_error *error)
{
    struct inode *inode = inodes_find(&server->inodes, number);
    const struct node_kind *kind = inode_kind(number);
    if (write && !kind->write) {
        snprintf(error->text, sizeof(error->text),
                 "it can only be read: probes are switched through 'enabled', 'semaphore', 'hold' "
                 "and 'control'");
        return -EACCES;
    }
    if (!inode->target)
        return 0;
    struct file *file = calloc(1, sizeof(*file));
    if (!file)
        return -ENOMEM;
    int status = file_count(server, file, caller->uid, error);
    if (status == 0)
        status = file_open(server, inode, kind, caller, write, file, error);
    if (status == 0 && kind->type == NODE_STREAM) {
        status = stream_open(server, file, error);
        if (status < 0)
            file_close(server, file);
    }
    if (status < 0 && !file_has_hold(file)) {
        file_uncount(server, file);
        free(file);
    } else {
        *result = file;
    }
    return status;
}

static void op_open(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    struct server *server = server_of(request);
    bool write = (info->flags & O_ACCMODE) != O_RDONLY;
    const struct caller caller = answer_caller(request);
    struct probe_error error = {.text = ""};
    struct file *file = NULL;
    int status = open_file(server, number, &caller, write, &file, &error);
    if (status < 0) {
        if (file) /* before anybody hears of it */
            file_expect_close(file);
        answer_failure_on(request, inodes_find(&server->inodes, number), number,
                          write ? "write" : "read", status, &error);
        if (file)
            file_release(server, file);
        return;
    }
    answer_opened(request);
    info->fh = (uintptr_t)file;
    info->direct_io = 1;
    info->noflush = !write || !inode_kind(number)->by_lines;
    int answered = file && file->stream ? answer_open_stream(request, info->fh)
                                        : fuse_reply_open(request, info);
    if (answered < 0 && file) {
        file_expect_close(file);
        if (file->stream)
            stream_close(server, file);
        file_release(server, file);
    }
}

static void reply_readme(fuse_req_t request, size_t size, off_t offset)
{
    char text[README_SIZE + 1];
    size_t left = offset < README_SIZE ? (size_t)(README_SIZE - offset) : 0;
    snprintf(text, sizeof(text), "%s%-*s\n%s", README_HEAD, README_WAY_SIZE - 1,
             watching_describe(server_of(request)), README_TAIL);
    fuse_reply_buf(request, text + README_SIZE - left, left < size ? left : size);
}

static void op_read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    struct file *file = (struct file *)(uintptr_t)info->fh;
    struct probe_error error = {.text = ""};
    char *bytes = NULL;
    size_t length = 0;
    if (!file) {
        reply_readme(request, size, offset);
        return;
    }
    if (file->stream) {
        stream_read(request, file, number, size, (info->flags & O_NONBLOCK) != 0);
        return;
    }
    int status =
        file_read(server_of(request), file, (uint64_t)offset, size, &bytes, &length, &error);
    if (status < 0)
        answer_open_failure(request, file->inode, number, "read", status, &error);
    else
        fuse_reply_buf(request, bytes, length);
    free(bytes);
}

/* As much of what was written as a line of the log has room for. */
static void describe_write(const char *bytes, size_t length, char *what, size_t size)
{
    enum { SHOWN = 40 };
    char text[3 * SHOWN + 1];
    size_t end = length > 0 && bytes[length - 1] == '\n' ? length - 1 : length;
    probe_escape(bytes, end < SHOWN ? end : SHOWN, text, sizeof(text));
    snprintf(what, size, "write \"%s\"%s to", text, end > SHOWN ? "..." : "");
}

static void op_write(fuse_req_t request, fuse_ino_t number, const char *bytes, size_t length,
                     off_t offset, struct fuse_file_info *info)
{
    struct server *server = server_of(request);
    struct file *file = (struct file *)(uintptr_t)info->fh;
    struct probe_error error = {.text = ""};
    char what[ASKED_SIZE];
    (void)offset;
    int status = file->stream ? stream_write(file, bytes, length, &error)
                              : file_write(server, file, info->lock_owner, bytes, length, &error);
    if (status < 0) {
        describe_write(bytes, length, what, sizeof(what));
        answer_open_failure(request, file->inode, number, what, status, &error);
        return;
    }
    if (!file->stream)
        inodes_set_written(&server->inodes, file->inode->target, number);
    fuse_reply_write(request, length);
}

static void op_flush(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    struct file *file = (struct file *)(uintptr_t)info->fh;
    struct probe_error error = {.text = ""};
    int status = file ? file_flush(server_of(request), file, info->lock_owner, &error) : 0;
    if (status < 0)
        answer_open_failure(request, file->inode, number, "apply the last line written to", status,
                            &error);
    else
        fuse_reply_err(request, 0);
}

static void op_poll(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info,
                    struct fuse_pollhandle *handle)
{
    struct file *file = (struct file *)(uintptr_t)info->fh;
    (void)number;
    if (file && file->stream) {
        stream_poll(request, file, handle);
        return;
    }
    if (handle)
        fuse_pollhandle_destroy(handle);
    fuse_reply_poll(request, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
}

/* ---- the session ------------------------------------------------------------------------ */

static void op_init(void *data, struct fuse_conn_info *connection)
{
    const struct server *server = data;
    connection->max_background = MAX_BACKGROUND;
    connection->max_write = MAX_WRITE;
    /* Without it, `echo 1 >` would be a truncation of its own before each open. */
    if (connection->capable & FUSE_CAP_ATOMIC_O_TRUNC)
        connection->want |= FUSE_CAP_ATOMIC_O_TRUNC;
    /* The library wants to hear of it in both ways. */
    connection->max_read = server->max_read;
}

const struct fuse_lowlevel_ops operations = {
    .init = op_init,
    .lookup = op_lookup,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .poll = op_poll,
    .create = refuse_create,
    .mknod = refuse_mknod,
    .mkdir = refuse_mkdir,
    .unlink = refuse_removal,
    .rmdir = refuse_removal,
    .symlink = refuse_symlink,
    .rename = refuse_rename,
    .link = refuse_link,
};

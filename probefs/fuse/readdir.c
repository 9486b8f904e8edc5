/* SPDX-License-Identifier: MIT */
#include "fuse/readdir.h"

#include "fuse/answer.h"
#include "server/attributes.h"
#include "server/directory.h"

#include <errno.h>
#include <stdlib.h>

/* The reply to a READDIR, while it is filled. */
struct reply_buffer {
    fuse_req_t request;
    char *bytes;
    size_t size, used;
    bool plus;
    const struct target *target; /* whose owner was asked for last, in this reply */
    struct ownership owner;
    int status; /* ENOMEM: there are more entries, but no memory for the next */
};

/* Adds one entry; returns false, and has no effect, where there is no room for it. */
static bool buffer_add_entry(struct reply_buffer *buffer, const char *name,
                             const struct fuse_entry_param *entry, off_t next)
{
    char *at = buffer->bytes + buffer->used;
    size_t room = buffer->size - buffer->used;
    size_t length = buffer->plus
                        ? fuse_add_direntry_plus(buffer->request, at, room, name, entry, next)
                        : fuse_add_direntry(buffer->request, at, room, name, &entry->attr, next);
    if (length > room)
        return false;
    buffer->used += length;
    return true;
}

static bool buffer_add_dot(struct reply_buffer *buffer, const struct directory *directory,
                           off_t offset)
{
    struct fuse_entry_param entry = {0};
    entry.attr.st_mode = S_IFDIR;
    entry.attr.st_ino = inode_number(directory->inode, tree_directory(directory->inode->place));
    return buffer_add_entry(buffer, offset == 0 ? "." : "..", &entry, offset + 1);
}

/* The directory that ENTRY names, looked up once more; -errno where its target cannot be kept. */
static int look_up_entry(struct server *server, const struct directory *directory,
                         const struct directory_entry *entry, struct inode **inode)
{
    struct target *target = directory->inode->target;
    if (entry->kind >= 0) {
        inodes_look_up_file(&server->inodes, directory->inode);
        *inode = directory->inode;
        return 0;
    }
    if (!entry->process)
        return inodes_look_up(&server->inodes, target, entry->name, entry->watch_only, inode);
    int status =
        inodes_get_target(&server->inodes, entry->process->pid,
                          entry->process->identified ? &entry->process->id : NULL, -1, &target);
    if (status < 0)
        return status;
    status = inodes_look_up(&server->inodes, target, NULL, false, inode);
    inodes_put_target(&server->inodes, target);
    return status;
}

/* The owner of what is in INODE's directory; asked for once where its files follow each other. */
static int buffer_find_owner(struct reply_buffer *buffer, struct server *server,
                             const struct inode *inode)
{
    if (inode->target && inode->target == buffer->target)
        return 0;
    buffer->target = NULL;
    int status = attributes_find_owner(server, inode, &buffer->owner);
    if (status == 0)
        buffer->target = inode->target;
    return status;
}

/*
 * Adds the entry at OFFSET; its node counts as looked up where the kernel learns of it (plus).
 * Returns false where the reply ends before it.
 */
static bool buffer_add_node(struct reply_buffer *buffer, struct server *server,
                            const struct directory *directory, off_t offset)
{
    const struct directory_entry node = directory_entry(directory, (size_t)offset - 2);
    struct fuse_entry_param entry;
    struct inode *inode = NULL;
    buffer->status = look_up_entry(server, directory, &node, &inode);
    if (buffer->status < 0)
        return false;
    unsigned int kind = node.kind >= 0 ? (unsigned int)node.kind : tree_directory(inode->place);
    uint64_t number = inode_number(inode, kind);
    int found = buffer_find_owner(buffer, server, inode);
    bool added = found == 0;
    buffer->status = found == -ENOMEM ? found : 0;
    if (added) {
        answer_fill_entry(server, inode, number, &buffer->owner, &entry);
        added = buffer_add_entry(buffer, node.name, &entry, offset + 1);
    }
    if (!added || !buffer->plus)
        inodes_forget(&server->inodes, number, 1);
    return added || found == -ENOENT;
}

void readdir_serve(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                   struct fuse_file_info *info, bool plus)
{
    struct server *server = fuse_req_userdata(request);
    struct directory *directory = (struct directory *)(uintptr_t)info->fh;
    struct probe_error error = {.text = ""};
    struct reply_buffer buffer = {.request = request, .size = size, .plus = plus};
    if (!directory) { /* below .trace nothing is listed */
        fuse_reply_buf(request, NULL, 0);
        return;
    }
    int status = offset == 0 ? attributes_check_alive(server, directory->inode) : 0;
    /* A listing is not gathered anew here: all look-ups in the root would wait for it. */
    if (status == 0 && offset == 0 && directory->used && directory->inode->target)
        status = directory_fill(server, directory, &error);
    directory->used = true;
    if (status == 0 && !(buffer.bytes = malloc(size)))
        status = -ENOMEM;
    if (status < 0) {
        answer_open_failure(request, directory->inode, number, "read the directory",
                            status == -ESTALE ? -ESRCH : status, &error);
        return;
    }
    bool added = true;
    for (; added && offset < 2; offset++)
        added = buffer_add_dot(&buffer, directory, offset);
    for (; added && (size_t)offset - 2 < directory->count; offset++)
        added = buffer_add_node(&buffer, server, directory, offset);
    /* What was added is answered first; who asks for the rest may get it. */
    if (buffer.status < 0 && buffer.used == 0)
        answer_open_failure(request, directory->inode, number, "read the directory", buffer.status,
                            &error);
    else
        fuse_reply_buf(request, buffer.bytes, buffer.used);
    free(buffer.bytes);
}

/* SPDX-License-Identifier: MIT */
#include "server/attributes.h"

#include <errno.h>

int attributes_find_owner(const struct server *server, const struct inode *inode,
                          struct ownership *owner)
{
    if (!inode->target) {
        *owner = (struct ownership){server->uid, server->gid};
        return 0;
    }
    int status = process_find_owner(inode->target->pid, &owner->uid, &owner->gid);
    if (status == 0 && server->has_group)
        owner->gid = server->group;
    return status;
}

/* Read bits for the owner, for the group of -o gid= too, and for all where the kind says so. */
static mode_t permissions(const struct server *server, const struct node_kind *kind)
{
    mode_t mode = S_IRUSR;
    if (kind->type == NODE_DIRECTORY)
        mode |= S_IXUSR;
    if (kind->write)
        mode |= S_IWUSR;
    if (kind->everybody)
        return mode | mode >> 3 | mode >> 6;
    return server->has_group ? mode | mode >> 3 : mode;
}

void attributes_fill(struct server *server, struct target *target, uint64_t number,
                     const struct ownership *owner, struct stat *status)
{
    static const mode_t types[] = {[NODE_DIRECTORY] = S_IFDIR,
                                   [NODE_FILE] = S_IFREG,
                                   [NODE_LINK] = S_IFLNK,
                                   [NODE_STREAM] = S_IFREG};
    const struct node_kind *kind = inode_kind(number);
    const struct timespec time =
        target ? inodes_get_time(&server->inodes, target, number) : server->started;
    *status = (struct stat){
        .st_ino = number,
        .st_mode = types[kind->type] | (kind->type == NODE_LINK ? 0777 : permissions(server, kind)),
        /* 1 for directories, as programs take 2 and more for a count of what is in them. */
        .st_nlink = 1,
        .st_uid = owner->uid,
        .st_gid = owner->gid,
        .st_size = kind->size,
        .st_atim = time,
        .st_mtim = time,
        .st_ctim = time,
    };
}

int attributes_check_alive(struct server *server, struct inode *inode)
{
    if (!inode->target || inodes_target_lives(inode->target))
        return 0;
    return inodes_is_open(&server->inodes, inode) ? -ESRCH : -ESTALE;
}

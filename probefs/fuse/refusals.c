/* SPDX-License-Identifier: MIT */
#include "fuse/refusals.h"

#include "fuse/answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* So much of a name that is not in the tree a sentence has room for. */
enum { SHOWN_BYTES = 64 };

/* Answers that VERB cannot be done to NAME in the directory PARENT, and why. */
static void refuse(fuse_req_t request, const char *verb, fuse_ino_t parent, const char *name,
                   int status, const char *reason)
{
    struct server *server = fuse_req_userdata(request);
    const struct inode *inode = inodes_find(&server->inodes, parent);
    struct probe_error error;
    char shown[3 * SHOWN_BYTES + 1];
    char what[PROBE_NAME_SIZE + sizeof(shown) + 32];
    probe_escape(name, strnlen(name, SHOWN_BYTES), shown, sizeof(shown));
    snprintf(what, sizeof(what), "%s '%s%s%s'", verb, inode->probe ? inode->probe : "",
             inode->probe ? "/" : "", shown);
    snprintf(error.text, sizeof(error.text), "%s", reason);
    answer_failure(request, inode, what, status, &error);
}

static void refuse_change(fuse_req_t request, const char *verb, fuse_ino_t parent, const char *name)
{
    refuse(request, verb, parent, name, -EPERM,
           "the tree shows what the process has and cannot be changed: write to the files in it");
}

/* `echo 1 > NAME` asks to make NAME: what is not there cannot be. */
void refuse_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                   struct fuse_file_info *info)
{
    (void)mode, (void)info;
    refuse(request, "write", parent, name, -ENOENT,
           "there is no such file here: ls shows those that there are");
}

void refuse_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                  dev_t device)
{
    (void)mode, (void)device;
    refuse_change(request, "make", parent, name);
}

void refuse_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
    (void)mode;
    refuse_change(request, "make", parent, name);
}

void refuse_removal(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    refuse_change(request, "remove", parent, name);
}

void refuse_symlink(fuse_req_t request, const char *path, fuse_ino_t parent, const char *name)
{
    (void)path;
    refuse_change(request, "make", parent, name);
}

void refuse_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                   const char *new_name, unsigned int flags)
{
    (void)new_parent, (void)new_name, (void)flags;
    refuse_change(request, "rename", parent, name);
}

void refuse_link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char *name)
{
    (void)number;
    refuse_change(request, "make", parent, name);
}

/* SPDX-License-Identifier: MIT */
#include "fuse/raw-requests.h"

#include "fuse/answer.h"
#include "fuse/streams.h"
#include "server/directory.h"
#include "server/file.h"

#include <linux/fuse.h>
#include <string.h>

/* A request as it came from the device: its header, and what stands behind. */
struct raw {
    struct fuse_in_header header;
    const char *argument;
    size_t length;
};

static bool raw_parse(struct raw *raw, const void *bytes, size_t length)
{
    if (length < sizeof(raw->header))
        return false;
    memcpy(&raw->header, bytes, sizeof(raw->header));
    raw->argument = (const char *)bytes + sizeof(raw->header);
    raw->length = length - sizeof(raw->header);
    return true;
}

/* What was open, as op_open() and op_opendir() have named it; NULL for what needs no closing. */
static void *handle_of(const struct raw *raw)
{
    struct fuse_release_in argument;
    if (raw->length < sizeof(argument))
        return NULL;
    memcpy(&argument, raw->argument, sizeof(argument));
    return (void *)(uintptr_t)argument.fh;
}

void raw_request_expect(const void *bytes, size_t length)
{
    struct raw raw;
    if (!raw_parse(&raw, bytes, length) || raw.header.opcode != FUSE_RELEASE)
        return;
    struct file *file = handle_of(&raw);
    if (file)
        file_expect_close(file);
}

static void release(struct server *server, const struct raw *raw)
{
    struct file *file = handle_of(raw);
    if (file && file->stream)
        stream_close(server, file);
    if (file)
        file_release(server, file);
    answer_directly(server->session, raw->header.unique, 0);
}

static void release_directory(struct server *server, const struct raw *raw)
{
    struct directory *directory = handle_of(raw);
    if (directory) {
        struct inode *inode = directory->inode;
        directory_close(server, directory);
        inodes_closed(&server->inodes, inode);
    }
    answer_directly(server->session, raw->header.unique, 0);
}

/* Returns whether there was nothing to do. */
static bool flush(struct server *server, const struct raw *raw)
{
    struct fuse_flush_in argument;
    if (raw->length < sizeof(argument))
        return false;
    memcpy(&argument, raw->argument, sizeof(argument));
    const struct file *file = (struct file *)(uintptr_t)argument.fh;
    if (file && file_needs_flush(file))
        return false;
    answer_directly(server->session, raw->header.unique, 0);
    return true;
}

static void forget(struct server *server, const struct raw *raw)
{
    struct fuse_forget_in argument;
    if (raw->length < sizeof(argument))
        return;
    memcpy(&argument, raw->argument, sizeof(argument));
    inodes_forget(&server->inodes, raw->header.nodeid, argument.nlookup);
}

static void forget_many(struct server *server, const struct raw *raw)
{
    struct fuse_batch_forget_in argument;
    struct fuse_forget_one one;
    size_t at = sizeof(argument);
    if (raw->length < sizeof(argument))
        return;
    memcpy(&argument, raw->argument, sizeof(argument));
    for (uint32_t i = 0; i < argument.count && at + sizeof(one) <= raw->length; i++) {
        memcpy(&one, raw->argument + at, sizeof(one));
        at += sizeof(one);
        inodes_forget(&server->inodes, one.nodeid, one.nlookup);
    }
}

bool raw_request_serve(struct server *server, const void *bytes, size_t length)
{
    struct raw raw;
    if (!raw_parse(&raw, bytes, length))
        return false;
    switch (raw.header.opcode) {
    case FUSE_RELEASE:
        release(server, &raw);
        return true;
    case FUSE_RELEASEDIR:
        release_directory(server, &raw);
        return true;
    case FUSE_FORGET:
        forget(server, &raw);
        return true;
    case FUSE_BATCH_FORGET:
        forget_many(server, &raw);
        return true;
    case FUSE_FLUSH:
        return flush(server, &raw);
    default:
        return false;
    }
}

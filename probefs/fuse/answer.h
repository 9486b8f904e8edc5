/* SPDX-License-Identifier: MIT */
/* Who asked, and the answer to what failed. */
#ifndef PROBEFS_ANSWER_H
#define PROBEFS_ANSWER_H

#include "fuse/libfuse.h"
#include "server/attributes.h"

/* Who has sent REQUEST. */
struct caller answer_caller(fuse_req_t request);

/* The calling thread serves the request UNIQUE: for what the library cannot answer. */
void answer_begin(uint64_t unique);

/*
 * Answers the open REQUEST with a file that has no position: a read that waits keeps no other read
 * or write of the same open file waiting. Returns 0, or -ENOENT if nobody waits for it any more.
 */
int answer_open_stream(fuse_req_t request, uint64_t handle);

/*
 * Answers with STATUS, a negative errno value: one of those that probefs(8) lists, or EIO. INODE,
 * which may be NULL, is what the request is about, or the directory where it is looked for.
 */
void answer_error(fuse_req_t request, const struct inode *inode, int status);

/*
 * The same, and leaves a sentence in the error_log of INODE's target, if it has one: the caller
 * could not do WHAT (as "write 'gc_start/enabled'") for the reason in ERROR.
 */
void answer_failure(fuse_req_t request, const struct inode *inode, const char *what, int status,
                    const struct probe_error *error);

/*
 * The same for node NUMBER, which stands in or for INODE. ASKED is the verb, as "write": the node's
 * path in its target follows.
 */
void answer_failure_on(fuse_req_t request, const struct inode *inode, uint64_t number,
                       const char *asked, int status, const struct probe_error *error);

/* The same for what was asked of an open file or directory. */
void answer_open_failure(fuse_req_t request, const struct inode *inode, uint64_t number,
                         const char *asked, int status, const struct probe_error *error);

/* Fills in ENTRY for node NUMBER, which stands in or for INODE. */
void answer_fill_entry(struct server *server, const struct inode *inode, uint64_t number,
                       const struct ownership *owner, struct fuse_entry_param *entry);

/* REQUEST is about to be answered with success, where ESTALE might have been the answer. */
void answer_opened(fuse_req_t request);

/* Answers request UNIQUE, which the library was not told of, in its place. */
void answer_directly(struct fuse_session *session, uint64_t unique, int status);

#endif

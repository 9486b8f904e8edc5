/* SPDX-License-Identifier: MIT */
/* What the server itself asks /proc: whose process it is, and nothing that touches its memory. */
#ifndef PROBEFS_PROC_H
#define PROBEFS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process_user {
    uid_t uid; /* real */
    gid_t gid; /* real */
};

/* A descriptor of process PID. Errors: ENOENT there is none; EMFILE, ENFILE, ENOMEM. */
int process_open(pid_t pid);

/*
 * Whose process PID is. PROCESS is a descriptor of it, or -1: with one, no other process of that
 * number can be taken for it, and kernels from 6.13 on answer at a tenth of the cost. Errors:
 * ENOENT there is none, or PID is a thread's number.
 */
int process_find_user(pid_t pid, int process, struct process_user *user);
/* Has it ended, with all its threads? */
bool process_has_ended(int process);

/* Has PID memory of its own, as far as is known? Threads of the kernel have none. */
bool process_has_memory(pid_t pid);

/* The process that thread TID belongs to, or -ENOENT. */
pid_t process_of_thread(pid_t tid);

/* Is GID one of the supplementary groups of thread TID? Needs no memory, however many there are. */
bool process_is_in_group(pid_t tid, gid_t gid);

/*
 * The owner of the process's memory: its user, or root where it is not dumpable. Errors: ENOENT it
 * has gone; ENOMEM.
 */
int process_find_owner(pid_t pid, uid_t *uid, gid_t *gid);

/* All processes, in the order of their numbers; to be freed. Errors: ENOMEM, those of /proc. */
int process_list(pid_t **pids, size_t *count);

/* A pid as the tree shows it: decimal, no sign, no leading zero; -1 for any other text. */
pid_t process_parse(const char *text);

#endif

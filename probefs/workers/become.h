/* SPDX-License-Identifier: MIT */
/* How a worker takes on an identity, and shuts itself off from everybody but the server. */
#ifndef PROBEFS_BECOME_H
#define PROBEFS_BECOME_H

#include <sys/types.h>

/*
 * All three user ids, all three group ids and the groups become the user's. One capability stays
 * permitted, CAP_CHECKPOINT_RESTORE: it is raised to open /proc/PID/map_files, and allows no more
 * than the kernel's checks on the process do. Returns 0, or -1 with errno.
 */
int become_user(uid_t uid, gid_t gid);

/*
 * Makes memory and descriptors nobody's but the server's. When the server ends, the worker goes on
 * even if its user has stopped it, and so gives back what it holds. Returns 0, or -1 with errno.
 */
int become_sealed(void);

/*
 * Becomes what attaches to probes: root without any capability but CAP_BPF and CAP_PERFMON, and
 * CAP_SYS_ADMIN to be raised for perf events. Returns 0, or -1 with errno.
 */
int become_attacher(void);

#endif

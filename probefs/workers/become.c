/* SPDX-License-Identifier: MIT */
#include "workers/become.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DATA_MAX = 1 << 30 };

/* Supplementary groups as at the user's login; none where the user is not in the database. */
static int take_groups(uid_t uid, gid_t gid)
{
    errno = 0;
    const struct passwd *user = getpwuid(uid);
    if (!user && (errno == ENOMEM || errno == EMFILE || errno == ENFILE))
        return -1;
    return user ? initgroups(user->pw_name, gid) : setgroups(0, NULL);
}

/* Leaves CAPABILITIES permitted, none in effect, and none to be had again. */
static int keep_capabilities(const cap_value_t *capabilities, int count)
{
    cap_t set = cap_init();
    int status = set ? 0 : -1;
    if (status == 0 && count > 0)
        status = cap_set_flag(set, CAP_PERMITTED, count, capabilities, CAP_SET);
    if (status == 0)
        status = cap_set_proc(set);
    cap_free(set);
    return status;
}

/*
 * What a hostile user's files make a worker take must not be at the cost of the server: it has a
 * limit, and is the first to go if memory is short.
 */
static int limit_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* whose memory would count */
    const struct rlimit limit = {DATA_MAX, DATA_MAX};
    if (setrlimit(RLIMIT_DATA, &limit) < 0)
        return -1;
#endif
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t put = write(fd, "1000", strlen("1000"));
    close(fd);
    return put < 0 ? -1 : 0;
}

/* No program that it could start would have any capability. Needs CAP_SETPCAP. */
static int drop_bounding_set(void)
{
    for (cap_value_t capability = 0; cap_get_bound(capability) >= 0; capability++) {
        if (cap_drop_bound(capability) < 0)
            return -1;
    }
    return 0;
}

int become_user(uid_t uid, gid_t gid)
{
    static const cap_value_t kept[] = {CAP_CHECKPOINT_RESTORE};
    /* Kernels before 5.9 do not know it. */
    int count = cap_get_bound(CAP_CHECKPOINT_RESTORE) == CAP_SET ? 1 : 0;
    if (limit_memory() < 0 || drop_bounding_set() < 0 || take_groups(uid, gid) < 0 ||
        setresgid(gid, gid, gid) < 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
        setresuid(uid, uid, uid) < 0)
        return -1;
    if (keep_capabilities(kept, count) < 0)
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int become_attacher(void)
{
    static const cap_value_t kept[] = {CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN};
    static const cap_value_t used[] = {CAP_BPF, CAP_PERFMON};
    const struct rlimit locked = {RLIM_INFINITY, RLIM_INFINITY};
    const struct sched_param least = {.sched_priority = 1};
    /* Kernels before 5.11 count a ring as locked memory; others do not mind. */
    setrlimit(RLIMIT_MEMLOCK, &locked);
    /* Its holders have it from here: see hurry() in engine/watch/attach.c. Slower without it. */
    (void)sched_setscheduler(0, SCHED_FIFO, &least);
    if (drop_bounding_set() < 0 || keep_capabilities(kept, sizeof(kept) / sizeof(*kept)) < 0)
        return -1;
    cap_t set = cap_get_proc();
    int status =
        set ? cap_set_flag(set, CAP_EFFECTIVE, sizeof(used) / sizeof(*used), used, CAP_SET) : -1;
    if (status == 0)
        status = cap_set_proc(set);
    cap_free(set);
    return status < 0 ? -1 : prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int become_sealed(void)
{
    if (prctl(PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

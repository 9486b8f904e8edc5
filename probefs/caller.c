/* SPDX-License-Identifier: MIT */
#include "caller.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_capability(pid_t tid, cap_value_t capability)
{
    cap_flag_value_t value = CAP_CLEAR;
    cap_t set = cap_get_pid(tid);
    if (!set)
        return false;
    if (cap_get_flag(set, capability, CAP_EFFECTIVE, &value) < 0)
        value = CAP_CLEAR;
    cap_free(set);
    return value == CAP_SET;
}

/* Capabilities count in the user namespace that they were given in. */
static bool is_in_our_namespace(pid_t tid)
{
    char path[32];
    struct stat theirs;
    struct stat ours;
    snprintf(path, sizeof(path), "/proc/%d/ns/user", tid);
    return stat(path, &theirs) == 0 && stat("/proc/self/ns/user", &ours) == 0 &&
           theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

bool caller_is_admin(const struct caller *caller)
{
    if (caller->pid == 0)
        return false;
    if (caller->in_group)
        return true;
    return caller->uid == 0 && has_capability(caller->pid, CAP_SYS_PTRACE) &&
           is_in_our_namespace(caller->pid);
}

enum authority caller_authority(const struct caller *caller, const struct process_user *user)
{
    if (caller->pid == 0)
        return AUTHORITY_NONE;
    if (caller_is_admin(caller))
        return AUTHORITY_ADMIN;
    if (caller->uid != user->uid)
        return AUTHORITY_NONE;
    return AUTHORITY_OWN;
}

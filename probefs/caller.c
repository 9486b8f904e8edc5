/* SPDX-License-Identifier: MIT */
#include "caller.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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

/* Reads the map of a user namespace, as thread NAME ("self", or a number) has it. */
static ssize_t read_map(const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/uid_map", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, text, size);
    close(fd);
    return got;
}

/* An ordinary user's server may not ask for the namespace of root's threads, but for its map. */
static bool has_our_map(pid_t tid)
{
    char name[16];
    char theirs[1024];
    char ours[sizeof(theirs)];
    snprintf(name, sizeof(name), "%d", tid);
    ssize_t length = read_map(name, theirs, sizeof(theirs));
    return length > 0 && read_map("self", ours, sizeof(ours)) == length &&
           memcmp(theirs, ours, (size_t)length) == 0;
}

/* Capabilities count in the user namespace that they were given in. */
static bool is_in_our_namespace(pid_t tid)
{
    char path[32];
    struct stat theirs;
    struct stat ours;
    snprintf(path, sizeof(path), "/proc/%d/ns/user", tid);
    if (stat("/proc/self/ns/user", &ours) < 0)
        return false;
    if (stat(path, &theirs) < 0)
        return errno == EACCES && has_our_map(tid);
    return theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

bool caller_is_admin(const struct caller *caller)
{
    if (caller->recorded)
        return caller->admin;
    if (caller->pid == 0)
        return false;
    if (caller->in_group)
        return true;
    return caller->uid == 0 && has_capability(caller->pid, CAP_SYS_PTRACE) &&
           is_in_our_namespace(caller->pid);
}

void caller_record(struct caller *caller)
{
    caller->admin = caller_is_admin(caller);
    caller->recorded = true;
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

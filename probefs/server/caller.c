/* SPDX-License-Identifier: MIT */
#include "server/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More than the name of a namespace takes. */
enum { NAMESPACE_SIZE = 64 };

static bool has_capability(pid_t tid, unsigned int capability)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, tid};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    return syscall(SYS_capget, &header, sets) == 0 &&
           sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
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

/* The name of a user namespace, as thread NAME ("self", or a number) has it: "user:[NUMBER]". */
static ssize_t read_namespace(const char *name, char *text, size_t size)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/%s/ns/user", name);
    return readlink(path, text, size);
}

/*
 * Capabilities count in the user namespace that they were given in. Ours is the one that the server
 * was started in: it never changes.
 */
static bool is_in_our_namespace(pid_t tid)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char ours[NAMESPACE_SIZE]; /* guarded by lock, and so is its length */
    static ssize_t our_length;
    char name[16];
    char theirs[NAMESPACE_SIZE];
    snprintf(name, sizeof(name), "%d", tid);
    ssize_t length = read_namespace(name, theirs, sizeof(theirs));
    if (length < 0)
        return errno == EACCES && has_our_map(tid);
    pthread_mutex_lock(&lock);
    if (our_length <= 0)
        our_length = read_namespace("self", ours, sizeof(ours));
    bool same = length == our_length && memcmp(theirs, ours, (size_t)length) == 0;
    pthread_mutex_unlock(&lock);
    return same;
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
    /* Both ids, as the kernel asks of who traces: FUSE reports those that it would compare. */
    return caller->uid == user->uid && caller->gid == user->gid ? AUTHORITY_OWN : AUTHORITY_NONE;
}

/* SPDX-License-Identifier: MIT */
#include "server/proc.h"

#include "shared/array.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Reads the start of /proc/PID/status, which holds all that is asked for here. */
static int read_status(pid_t pid, char *text, size_t size)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -ENOENT;
    ssize_t got = read(fd, text, size - 1);
    close(fd);
    if (got <= 0)
        return -ENOENT;
    text[got] = '\0';
    return 0;
}

/* The number behind FIELD, as "\nUid:". The name before all fields has its newlines escaped. */
static bool find_number(const char *text, const char *field, long *number)
{
    const char *found = strstr(text, field);
    if (found)
        *number = strtol(found + strlen(field), NULL, 10);
    return found;
}

static int find_user_in_text(pid_t pid, struct process_user *user)
{
    char text[2048];
    long process = 0;
    long uid = 0;
    long gid = 0;
    int status = read_status(pid, text, sizeof(text));
    if (status < 0)
        return status;
    if (!find_number(text, "\nTgid:", &process) || process != pid ||
        !find_number(text, "\nUid:", &uid) || !find_number(text, "\nGid:", &gid))
        return -ENOENT;
    *user = (struct process_user){(uid_t)uid, (gid_t)gid};
    return 0;
}

/* As <linux/pidfd.h> has it from 6.13 on, in the size that all kernels since know. */
struct pidfd_info_64 {
    uint64_t mask, cgroup;
    uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid, exit_code;
};

enum { PIDFD_INFO_CREDENTIALS = 1 << 1 };

int process_open(pid_t pid)
{
    long process = syscall(SYS_pidfd_open, pid, 0);
    if (process < 0 && (errno == ESRCH || errno == EINVAL)) /* EINVAL: a thread's number */
        return -ENOENT;
    return process < 0 ? -errno : (int)process;
}

/* Errors: ENOTTY this kernel (before 6.13) does not answer; ENOENT. */
static int ask_user(int process, struct process_user *user)
{
    struct pidfd_info_64 info = {.mask = PIDFD_INFO_CREDENTIALS};
    if (ioctl(process, _IOWR(0xff, 11, struct pidfd_info_64), &info) < 0)
        return errno == ESRCH ? -ENOENT : -ENOTTY;
    if (!(info.mask & PIDFD_INFO_CREDENTIALS))
        return -ENOTTY;
    *user = (struct process_user){info.ruid, info.rgid};
    return 0;
}

int process_find_user(pid_t pid, int process, struct process_user *user)
{
    int status = process < 0 ? -ENOTTY : ask_user(process, user);
    return status == -ENOTTY ? find_user_in_text(pid, user) : status;
}

bool process_has_ended(int process)
{
    struct pollfd poller = {.fd = process, .events = POLLIN};
    return poll(&poller, 1, 0) > 0;
}

bool process_has_memory(pid_t pid)
{
    char text[2048];
    int status = read_status(pid, text, sizeof(text));
    if (status < 0)
        return status != -ENOENT;
    /* Where the main thread has ended, others may go on, and nothing is said of memory. */
    return strstr(text, "\nVmSize:") || strstr(text, "\nState:\tZ");
}

pid_t process_of_thread(pid_t tid)
{
    char text[2048];
    long process = 0;
    if (read_status(tid, text, sizeof(text)) < 0 || !find_number(text, "\nTgid:", &process))
        return -ENOENT;
    return (pid_t)process;
}

/* Finds a group in the field of that name, in a text that comes piece by piece. */
struct group_search {
    gid_t gid;
    size_t matched; /* of the name */
    bool digits;    /* what stands before is a number, so far NUMBER */
    uint64_t number;
    bool found, ended;
};

static void search_groups(struct group_search *search, char byte)
{
    static const char name[] = "\nGroups:";
    if (search->matched < sizeof(name) - 1) {
        search->matched = byte == name[search->matched] ? search->matched + 1 : byte == '\n';
    } else if (byte >= '0' && byte <= '9') {
        search->number = search->number * 10 + (uint64_t)(byte - '0');
        search->digits = true;
    } else {
        search->found = search->digits && search->number == search->gid;
        search->ended = search->found || byte == '\n';
        search->number = 0;
        search->digits = false;
    }
}

bool process_is_in_group(pid_t tid, gid_t gid)
{
    struct group_search search = {.gid = gid};
    char text[4096];
    snprintf(text, sizeof(text), "/proc/%d/status", tid);
    int fd = open(text, O_RDONLY | O_CLOEXEC);
    for (ssize_t got = fd < 0 ? 0 : 1; got > 0 && !search.ended;) {
        got = read(fd, text, sizeof(text));
        for (ssize_t i = 0; i < got && !search.ended; i++)
            search_groups(&search, text[i]);
    }
    if (fd >= 0)
        close(fd);
    return search.found;
}

/* Has the main thread ended? Then the process's memory is seen through any other. */
static bool main_thread_has_ended(pid_t pid)
{
    char text[2048];
    if (read_status(pid, text, sizeof(text)) < 0)
        return false;
    const char *state = strstr(text, "\nState:\t");
    return state && state[strlen("\nState:\t")] == 'Z';
}

/* So many threads are looked at: a process can have thousands that have ended, too. */
enum { THREADS_ASKED = 64 };

/* The owner of mem under another thread's number; that of one that is ending is root. */
static int find_owner_by_threads(pid_t pid, struct stat *owner)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return errno == ENOMEM ? -ENOMEM : 0;
    int asked = 0;
    for (struct dirent *task;
         owner->st_uid == 0 && asked < THREADS_ASKED && (task = readdir(tasks)); asked++) {
        char name[64];
        struct stat status;
        snprintf(name, sizeof(name), "%.16s/mem", task->d_name);
        if (fstatat(dirfd(tasks), name, &status, 0) == 0 && S_ISREG(status.st_mode))
            *owner = status;
    }
    closedir(tasks);
    return 0;
}

int process_find_owner(pid_t pid, uid_t *uid, gid_t *gid)
{
    char path[32];
    struct stat status;
    snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    if (stat(path, &status) < 0)
        return -ENOENT;
    if (status.st_uid == 0 && main_thread_has_ended(pid) && find_owner_by_threads(pid, &status) < 0)
        return -ENOMEM;
    *uid = status.st_uid;
    *gid = status.st_gid;
    return 0;
}

pid_t process_parse(const char *text)
{
    char *end = NULL;
    if (text[0] < '1' || text[0] > '9')
        return -1;
    errno = 0;
    long number = strtol(text, &end, 10);
    return *end || errno || number > INT_MAX ? -1 : (pid_t)number;
}

static int compare_pids(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a;
    pid_t y = *(const pid_t *)b;
    return x < y ? -1 : x > y;
}

int process_list(pid_t **result, size_t *result_count)
{
    DIR *directory = opendir("/proc");
    if (!directory)
        return -errno;
    pid_t *pids = NULL;
    size_t count = 0;
    size_t room = 0;
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = readdir(directory));) {
        pid_t pid = process_parse(entry->d_name);
        if (pid < 0)
            continue;
        status = ARRAY_RESERVE(pids, room, count + 1);
        if (status == 0)
            pids[count++] = pid;
    }
    closedir(directory);
    if (status < 0) {
        free(pids);
        return status;
    }
    if (count > 0)
        qsort(pids, count, sizeof(*pids), compare_pids);
    *result = pids;
    *result_count = count;
    return 0;
}

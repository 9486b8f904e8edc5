/* SPDX-License-Identifier: MIT */
/* Small reads of procfs. */
#ifndef ENGINE_PROC_H
#define ENGINE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens PID/NAME below PROC, or PID/task/TID/NAME if TID is not PID. Returns it or -errno. */
int proc_open(int proc, pid_t pid, pid_t tid, const char *name, int flags);

/*
 * Reads the whole file into a new string, NUL-ended; returns its length. Errors: ENOMEM; EFBIG
 * (more than 64 MiB); those of read().
 */
ssize_t proc_read_all(int fd, char **text);

/* Reads at most SIZE - 1 bytes of PID/NAME into TEXT, NUL-ended; returns the length or -errno. */
ssize_t proc_read(int proc, pid_t pid, pid_t tid, const char *name, char *text, size_t size);

/* The fields of /proc/PID/stat that the engine uses. */
struct proc_stat {
    char state;
    pid_t parent;
    bool is_forked;      /* it was forked, and has not called exec since */
    uint64_t start_time; /* field 22 */
    uint64_t layout[6];  /* fields 26 to 28 and 45 to 47 */
};

/* Enough for the text of a stat file. */
enum { PROC_STAT_SIZE = 1024 };

/* Parses the text of a stat file, as in proc(5). Errors: EINVAL it is none. */
int proc_stat_parse(const char *text, size_t length, struct proc_stat *stat);

int proc_stat_read(int proc, pid_t pid, pid_t tid, struct proc_stat *stat);

/*
 * Reads the real user and group of a process. Asks for nothing that may wait, whatever the process
 * does. Errors: ENOENT, ESRCH it has ended; those of reading.
 */
int proc_read_user(int proc, pid_t pid, uid_t *user, gid_t *group);

/* The decimal number after FIELD ("Uid:", say) in PID/status; -1 if there is none. */
long proc_status_number(int proc, pid_t pid, const char *field);

#endif

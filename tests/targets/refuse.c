/* SPDX-License-Identifier: MIT */
/*
 * refuse [-m | -o] PROGRAM [ARGUMENT]...
 *
 * Runs PROGRAM, and all that it starts, as under a kernel that refuses
 *
 *          forced writes to code (proc_mem.force_override=never): a pwrite() of one byte is EIO
 *     -m   all writes to mem: those of two bytes, which a counter has, are EINVAL, too
 *     -o   to open mem for writing: an openat() below a directory is EACCES
 *
 * Nothing else writes one or two bytes at an offset, or opens files below a directory so, than an
 * engine that switches a probe.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The lower half of a system call's argument; the upper one of what is compared here is 0. */
#define ARGUMENT(n)  ((uint32_t)(offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t)))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define NUMBER       LOAD(offsetof(struct seccomp_data, nr))
/* Skips so many statements unless, or if, the value is the one loaded. */
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define IF(value, skip)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (skip), 0)
#define FAIL(errnum)        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (errnum))
#define ALLOW               BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter code[] = {
    NUMBER, UNLESS(SYS_pwrite64, 3), LOAD(ARGUMENT(2)), UNLESS(1, 1), FAIL(EIO), ALLOW,
};

static struct sock_filter mem[] = {
    NUMBER,
    UNLESS(SYS_pwrite64, 5),
    LOAD(ARGUMENT(2)),
    UNLESS(1, 1),
    FAIL(EIO),
    UNLESS(2, 1),
    FAIL(EINVAL),
    ALLOW,
};

static struct sock_filter opening[] = {
    NUMBER,
    UNLESS(SYS_openat, 5),
    LOAD(ARGUMENT(0)),
    IF((uint32_t)AT_FDCWD, 3),
    LOAD(ARGUMENT(2)),
    UNLESS(O_RDWR | O_CLOEXEC, 1),
    FAIL(EACCES),
    ALLOW,
};

static const struct {
    const char *option;
    struct sock_fprog program;
} filters[] = {
    {"", {sizeof(code) / sizeof(*code), code}},
    {"-m", {sizeof(mem) / sizeof(*mem), mem}},
    {"-o", {sizeof(opening) / sizeof(*opening), opening}},
};

int main(int argc, char **argv)
{
    size_t chosen = 0;

    for (size_t i = 1; i < sizeof(filters) / sizeof(*filters) && argc > 1; i++) {
        if (strcmp(argv[1], filters[i].option) == 0)
            chosen = i;
    }
    argv += chosen > 0 ? 2 : 1;
    if (argc < 2 || !*argv)
        errx(2, "usage: refuse [-m | -o] PROGRAM [ARGUMENT]...");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filters[chosen].program) < 0)
        err(1, "seccomp");
    execv(argv[0], argv);
    err(127, "%s", argv[0]);
}

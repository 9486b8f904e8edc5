/* SPDX-License-Identifier: MIT */
#include "workers/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

/* Sanitizers make system calls of their own. */
int seal_attacher(void)
{
    return 0;
}

#else

#if defined(__x86_64__)
#define SEAL_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SEAL_ARCH AUDIT_ARCH_AARCH64
#endif

/* Numbers from here on are of another way to make system calls (x32). */
enum { FOREIGN_CALLS = 0x40000000 };

/* What is allowed whatever its arguments. */
static const uint32_t allowed[] = {
    /* attaching, and what tells how it is done */
    SYS_bpf,
    SYS_perf_event_open,
    SYS_pidfd_open,
    SYS_ioctl,
    SYS_uname,
    SYS_capget,
    SYS_capset,
    /* descriptors */
    SYS_read,
    SYS_pread64,
    SYS_write,
    SYS_close,
    SYS_close_range,
    SYS_fcntl,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_fstatfs,
    SYS_readlinkat,
    SYS_dup3,
    SYS_pipe2,
    SYS_memfd_create,
    SYS_ppoll,
    /* messages, and the log */
    SYS_socketpair,
    SYS_connect,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendto,
    SYS_recvfrom,
    /* memory */
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    SYS_brk,
    /* threads, and holders */
    SYS_clone,
    SYS_exit,
    SYS_exit_group,
    SYS_wait4,
    SYS_waitid,
    SYS_setsid,
    SYS_chdir,
    SYS_prctl,
    SYS_futex,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_sched_getaffinity,
    SYS_sched_yield,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_rt_sigreturn,
    SYS_rt_sigtimedwait,
    SYS_restart_syscall,
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    /* the rest */
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_gettimeofday,
    SYS_getrandom,
    SYS_prlimit64,
    SYS_sysinfo,
#ifdef SYS_poll
    SYS_poll,
    SYS_stat,
    SYS_readlink,
#endif
};

enum { ALLOWED = sizeof(allowed) / sizeof(*allowed), FILTER_MAX = 2 * ALLOWED + 32 };

struct filter {
    struct sock_filter code[FILTER_MAX];
    unsigned short length;
};

static void add(struct filter *filter, struct sock_filter instruction)
{
    filter->code[filter->length++] = instruction;
}

static void add_load(struct filter *filter, size_t offset)
{
    add(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void add_return(struct filter *filter, uint32_t action)
{
    add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* The next instruction is for NUMBER alone. */
static void add_if(struct filter *filter, uint32_t number)
{
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
}

/* The low half of an argument: both processors are little-endian. */
static size_t offset_of_argument(unsigned int index)
{
    return offsetof(struct seccomp_data, args) + index * sizeof(uint64_t);
}

/* Files are opened for reading, and none is made. */
static void add_openat(struct filter *filter)
{
    enum { FORBIDDEN = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY) };
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 4));
    add_load(filter, offset_of_argument(2));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FORBIDDEN, 1, 0));
    add_return(filter, SECCOMP_RET_ALLOW);
    add_return(filter, SECCOMP_RET_ERRNO | EPERM);
}

/* Only the log's socket. */
static void add_socket(struct filter *filter)
{
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4));
    add_load(filter, offset_of_argument(0));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 1));
    add_return(filter, SECCOMP_RET_ALLOW);
    add_return(filter, SECCOMP_RET_ERRNO | EPERM);
}

static void make_filter(struct filter *filter)
{
    add_load(filter, offsetof(struct seccomp_data, arch));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SEAL_ARCH, 1, 0));
    add_return(filter, SECCOMP_RET_ERRNO | EPERM);
    add_load(filter, offsetof(struct seccomp_data, nr));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FOREIGN_CALLS, 0, 1));
    add_return(filter, SECCOMP_RET_ERRNO | EPERM);
    for (size_t i = 0; i < ALLOWED; i++) {
        add_if(filter, allowed[i]);
        add_return(filter, SECCOMP_RET_ALLOW);
    }
    /* The C library does without, and a filter could not see its flags. */
    add_if(filter, SYS_clone3);
    add_return(filter, SECCOMP_RET_ERRNO | ENOSYS);
    add_openat(filter);
    add_socket(filter);
    add_return(filter, SECCOMP_RET_ERRNO | EPERM);
}

int seal_attacher(void)
{
    struct filter filter = {.length = 0};
    make_filter(&filter);
    const struct sock_fprog program = {filter.length, filter.code};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Preloaded in a server, it is a kernel that does not finish attaching: whoever attaches to probes
 * of the process whose pid is in the file STALL_FILE (four bytes; 0: of none) waits there until the
 * file says otherwise. An attach that really hangs would keep every process of the machine from
 * forking, the test's own included.
 *
 * What waits is a holder, which may make no call that could wait for a lock, and is sealed: it
 * looks at a mapping, and sleeps.
 */
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

enum { UPROBE_MULTI = 48, ARGUMENTS = 6 };

/* What bpf(BPF_LINK_CREATE) reads for such a link; headers from before Linux 6.6 do not have it. */
struct link_create {
    uint32_t program, target, attach_type, flags;
    uint64_t path, offsets, references, cookies;
    uint32_t count, multi_flags, pid;
};

static long (*real_syscall)(long number, ...);
static const volatile pid_t *stalled;

__attribute__((constructor)) static void stall_init(void)
{
    const char *path = getenv("STALL_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapping = mmap(NULL, sizeof(*stalled), PROT_READ, MAP_SHARED, file, 0);
    *(void **)&real_syscall = dlsym(RTLD_NEXT, "syscall");
    if (mapping == MAP_FAILED || !real_syscall)
        err(1, "stall: cannot map '%s'", path ? path : "STALL_FILE");
    stalled = mapping;
}

/* Whose probes does this call attach to? 0: it is another call. */
static pid_t attached_process(long number, const long arguments[ARGUMENTS])
{
    if (number == SYS_perf_event_open)
        return (pid_t)arguments[1];
    if (number != SYS_bpf || arguments[0] != BPF_LINK_CREATE)
        return 0;
    const struct link_create *create = (const struct link_create *)arguments[1];
    return create->attach_type == UPROBE_MULTI ? (pid_t)create->pid : 0;
}

long syscall(long number, ...)
{
    long each[ARGUMENTS];
    va_list arguments;
    va_start(arguments, number);
    for (size_t i = 0; i < ARGUMENTS; i++)
        each[i] = va_arg(arguments, long);
    va_end(arguments);
    pid_t process = attached_process(number, each);
    while (process != 0 && process == *stalled)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 5000000}, NULL);
    return real_syscall(number, each[0], each[1], each[2], each[3], each[4], each[5]);
}

/* SPDX-License-Identifier: MIT */
/*
 * yama.so: makes a kernel without Yama look as if it had it, with the ptrace_scope that YAMA_SCOPE
 * says, to a worker that is started with this library preloaded. Yama looks at who wants to trace:
 * whoever has not the capability is refused, also where the process is of the same user; at 3, all
 * are. What the kernel asks for less than tracing (maps) goes on to work. Each attempt that is
 * refused leaves a line in the file YAMA_LOG, as it would in the kernel's log.
 */
#undef _FILE_OFFSET_BITS /* openat and openat64 are two names here */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *scope(void)
{
    return getenv("YAMA_SCOPE");
}

static bool is_restricted(void)
{
    return *scope() != '0' && (geteuid() != 0 || *scope() == '3');
}

static void tell(const char *what)
{
    int (*next)(int, const char *, int, ...) = dlsym(RTLD_NEXT, "openat");
    int log = next(AT_FDCWD, getenv("YAMA_LOG"), O_WRONLY | O_APPEND | O_CLOEXEC);

    if (log < 0)
        return;
    dprintf(log, "ptrace attach was attempted: %s\n", what);
    close(log);
}

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path);
    size_t end_length = strlen(end);

    return length >= end_length && strcmp(path + length - end_length, end) == 0;
}

/* A file that holds the scope. */
static int open_scope(void)
{
    int fd = memfd_create("ptrace_scope", MFD_CLOEXEC);

    if (fd < 0 || write(fd, scope(), 1) < 0)
        return -1;
    return fd;
}

static int open_at(int directory, const char *path, int flags, mode_t mode)
{
    int (*next)(int, const char *, int, ...) = dlsym(RTLD_NEXT, "openat");

    if (ends_with(path, "kernel/yama/ptrace_scope"))
        return open_scope();
    if (is_restricted() && ends_with(path, "/mem") && strncmp(path, "self", 4) != 0) {
        tell(path);
        errno = EACCES;
        return -1;
    }
    return next(directory, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list values;

    va_start(values, flags);
    if (flags & O_CREAT)
        mode = va_arg(values, mode_t);
    va_end(values);
    return open_at(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) __attribute__((alias("openat")));

/* What programs that are built with _FORTIFY_SOURCE call in their place. */
int __openat_2(int directory, const char *path, int flags)
{
    return open_at(directory, path, flags, 0);
}

int __openat64_2(int directory, const char *path, int flags) __attribute__((alias("__openat_2")));

ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long local_count,
                         const struct iovec *remote, unsigned long remote_count,
                         unsigned long flags)
{
    ssize_t (*next)(pid_t, const struct iovec *, unsigned long, const struct iovec *, unsigned long,
                    unsigned long) = dlsym(RTLD_NEXT, "process_vm_readv");

    if (is_restricted() && pid != getpid()) {
        tell("process_vm_readv");
        errno = EPERM;
        return -1;
    }
    return next(pid, local, local_count, remote, remote_count, flags);
}

long ptrace(enum __ptrace_request request, ...)
{
    long (*next)(enum __ptrace_request, pid_t, void *, void *) = dlsym(RTLD_NEXT, "ptrace");
    va_list values;

    va_start(values, request);
    pid_t pid = va_arg(values, pid_t);
    void *address = va_arg(values, void *);
    void *data = va_arg(values, void *);
    va_end(values);
    if (is_restricted()) {
        tell("ptrace");
        errno = EPERM;
        return -1;
    }
    return next(request, pid, address, data);
}

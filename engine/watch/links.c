/* SPDX-License-Identifier: MIT */
#include "watch/links.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the kernel's uprobe events take the reference's offset: config:32-63. */
enum { REFERENCE_SHIFT = 32, PATH_SIZE = 32 };

/* What bpf(BPF_LINK_CREATE) reads; headers from before Linux 6.6 do not have all of it. */
struct link_create {
    uint32_t program;
    uint32_t target;
    uint32_t attach_type;
    uint32_t flags;
    union {
        struct {
            uint64_t path, offsets, references, cookies;
            uint32_t count, flags, pid;
        } multi;
        struct {
            uint64_t cookie;
        } perf;
    };
};

static int create_link(const struct link_create *create)
{
    long fd = syscall(SYS_bpf, BPF_LINK_CREATE, create, sizeof(*create));
    return fd < 0 ? -errno : (int)fd;
}

/* The kernel takes a path, and this one is of the file that is open, whatever its name is now. */
static void write_path(int fd, char path[PATH_SIZE])
{
    char digits[12];
    size_t length = 0;
    for (unsigned int left = (unsigned int)fd; left > 0 || length == 0; left /= 10)
        digits[length++] = (char)('0' + left % 10);
    char *to = stpcpy(path, "/proc/self/fd/");
    while (length > 0)
        *to++ = digits[--length];
    *to = '\0';
}

static uint64_t address_of(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

int link_multi(int program, pid_t pid, const struct link_sites *sites)
{
    char path[PATH_SIZE];
    write_path(sites->file, path);
    struct link_create create = {.program = (uint32_t)program, .attach_type = LINK_UPROBE_MULTI};
    create.multi.path = address_of(path);
    create.multi.offsets = address_of(sites->offsets);
    create.multi.references = address_of(sites->references);
    create.multi.cookies = address_of(sites->cookies);
    create.multi.count = (uint32_t)sites->count;
    create.multi.pid = (uint32_t)pid;
    return create_link(&create);
}

int link_perf_kind(void)
{
    char text[16] = "";
    int fd = open("/sys/bus/event_source/devices/uprobe/type", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    return got > 0 ? (int)strtol(text, NULL, 10) : -EIO;
}

int link_perf(int program, int kind, pid_t tid, const struct link_sites *sites, size_t index)
{
    char path[PATH_SIZE];
    write_path(sites->file, path);
    struct perf_event_attr event = {.type = (uint32_t)kind, .size = sizeof(event)};
    event.config = sites->references[index] << REFERENCE_SHIFT;
    event.uprobe_path = address_of(path);
    event.probe_offset = sites->offsets[index];
    if (sites->references[index] > UINT32_MAX)
        return -EOPNOTSUPP;
    long fd = syscall(SYS_perf_event_open, &event, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct link_create create = {
        .program = (uint32_t)program,
        .target = (uint32_t)fd,
        .attach_type = BPF_PERF_EVENT,
    };
    create.perf.cookie = sites->cookies[index];
    int link = create_link(&create);
    /* The link keeps the event. */
    close((int)fd);
    return link;
}

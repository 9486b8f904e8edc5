/* SPDX-License-Identifier: MIT */
#include "start/regular-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

/* Opens for reading what was looked at: the path may lead elsewhere by now. */
static int reopen(int fd)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int reopened = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return reopened < 0 ? -errno : reopened;
}

bool regular_file_lacks(int status)
{
    return status == -EMFILE || status == -ENFILE || status == -ENOMEM;
}

int regular_file_open(const char *path, struct stat *status)
{
    struct stat found;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = fstat(fd, &found) < 0 ? -errno : 0;
    if (result == 0)
        result = S_ISREG(found.st_mode) ? reopen(fd) : -EACCES;
    close(fd);
    if (result >= 0 && status)
        *status = found;
    return result;
}

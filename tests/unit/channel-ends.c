/* SPDX-License-Identifier: MIT */
#include "channel-ends.h"

#include "unit.h"

#include <dirent.h>
#include <unistd.h>

struct timespec in_a_minute(void)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += 60;
    return deadline;
}

struct timespec long_ago(void)
{
    return (struct timespec){0};
}

size_t count_open_files(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

void close_ends(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

char *pattern(size_t length)
{
    char *bytes = malloc(length ? length : 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(i * 31 + i / 65536);
    return bytes;
}

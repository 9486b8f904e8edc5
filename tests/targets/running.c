// SPDX-License-Identifier: MIT
/*
 * running PATH [NAME]: the pids of all that run PATH, or a program in the directory PATH; only of
 * those that are called NAME.
 *
 * Each test asks, and some again and again: one look at each process of the machine, where find and
 * pgrep take several.
 */
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool runs(const char *pid, const char *path)
{
    char link[PATH_MAX], exe[PATH_MAX];
    size_t length = strlen(path);
    snprintf(link, sizeof(link), "/proc/%s/exe", pid);
    ssize_t got = readlink(link, exe, sizeof(exe) - 1);
    if (got < (ssize_t)length || memcmp(exe, path, length) != 0)
        return false;
    exe[got] = '\0';
    /* The file itself may be gone, which the link says behind it. */
    return exe[length] == '\0' || exe[length] == '/' || strcmp(exe + length, " (deleted)") == 0;
}

static bool is_called(const char *pid, const char *name)
{
    char path[PATH_MAX], comm[64] = "";
    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    bool read = file && fgets(comm, sizeof(comm), file);
    if (file)
        fclose(file);
    comm[strcspn(comm, "\n")] = '\0';
    return read && strcmp(comm, name) == 0;
}

int main(int argc, char **argv)
{
    struct dirent *entry;
    DIR *processes = opendir("/proc");
    if (argc < 2 || argc > 3 || !processes) {
        fprintf(stderr, "usage: running PATH [NAME]\n");
        return 2;
    }
    while ((entry = readdir(processes)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && runs(entry->d_name, argv[1]) &&
            (argc == 2 || is_called(entry->d_name, argv[2])))
            puts(entry->d_name);
    closedir(processes);
    return 0;
}

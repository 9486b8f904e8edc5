/* SPDX-License-Identifier: MIT */
/*
 * Does one thing to a file, and says what the kernel answered: `OK`, or the name of an errno.
 *
 *   errno-of ACTION FILE [TEXT]
 *
 * TEXT may have escapes as in C (\n, \0, \xff). FILE is `@N` for the open descriptor N with read,
 * write, list. A write that takes only a part of TEXT is `SHORT`.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What TEXT stands for, in its place. Returns the length. */
static size_t unescape(char *text)
{
    static const char letters[] = "ntrvf\\", bytes[] = "\n\t\r\v\f\\";
    char *to = text;
    for (const char *from = text; *from;) {
        const char *letter = *from == '\\' && from[1] ? strchr(letters, from[1]) : NULL;
        char *end = NULL;
        if (letter) {
            *to++ = bytes[letter - letters];
            from += 2;
        } else if (*from == '\\' && (from[1] == 'x' || (from[1] >= '0' && from[1] <= '7'))) {
            char digits[4] = "";
            strncpy(digits, from[1] == 'x' ? from + 2 : from + 1, from[1] == 'x' ? 2 : 3);
            *to++ = (char)strtoul(digits, &end, from[1] == 'x' ? 16 : 8);
            from += (from[1] == 'x' ? 2 : 1) + (end - digits);
        } else {
            *to++ = *from++;
        }
    }
    return (size_t)(to - text);
}

static int opened(const char *file, int flags)
{
    return file[0] == '@' ? atoi(file + 1) : open(file, flags, 0644);
}

/* The flags of an action that is `write`, or begins so; -1 for others. */
static int flags_of_write(const char *action)
{
    if (strcmp(action, "write") == 0)
        return O_WRONLY;
    if (strcmp(action, "write-truncating") == 0)
        return O_WRONLY | O_TRUNC;
    if (strcmp(action, "write-creating") == 0)
        return O_WRONLY | O_TRUNC | O_CREAT;
    return -1;
}

static int flags_of_open(const char *action)
{
    if (strcmp(action, "open-read") == 0)
        return O_RDONLY;
    if (strcmp(action, "open-write") == 0)
        return O_WRONLY;
    if (strcmp(action, "open-create") == 0)
        return O_WRONLY | O_CREAT;
    return -1;
}

/* Returns 1 for a short write. */
static int write_text(const char *file, char *text, int flags)
{
    size_t length = unescape(text);
    int fd = opened(file, flags);
    ssize_t put = fd < 0 ? -1 : write(fd, text, length);
    return put < 0 ? -1 : (size_t)put != length;
}

static int read_some(const char *file)
{
    char bytes[4096];
    int fd = opened(file, O_RDONLY);
    return fd < 0 || pread(fd, bytes, sizeof(bytes), 0) < 0 ? -1 : 0;
}

/* What cannot be read from a place. */
static int read_stream(const char *file)
{
    char bytes[4096];
    int fd = opened(file, O_RDONLY);
    return fd < 0 || read(fd, bytes, sizeof(bytes)) < 0 ? -1 : 0;
}

static int list(const char *file)
{
    int fd = opened(file, O_RDONLY | O_DIRECTORY);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory)
        return -1;
    errno = 0;
    while (readdir(directory))
        continue;
    return errno ? -1 : 0;
}

static int act_on_two(const char *action, const char *file, const char *text)
{
    if (strcmp(action, "rename") == 0)
        return rename(file, text);
    if (strcmp(action, "link") == 0)
        return link(file, text);
    if (strcmp(action, "symlink") == 0)
        return symlink(text, file);
    fprintf(stderr, "errno-of: unknown action '%s'\n", action);
    exit(2);
}

static int act(const char *action, const char *file, char *text)
{
    char target[4096];
    struct stat status;
    if (flags_of_write(action) >= 0)
        return write_text(file, text, flags_of_write(action));
    if (flags_of_open(action) >= 0)
        return open(file, flags_of_open(action), 0644) < 0 ? -1 : 0;
    if (strcmp(action, "read") == 0)
        return read_some(file);
    if (strcmp(action, "read-stream") == 0)
        return read_stream(file);
    if (strcmp(action, "list") == 0)
        return list(file);
    if (strcmp(action, "truncate") == 0)
        return truncate(file, 0);
    if (strcmp(action, "touch") == 0)
        return utimensat(AT_FDCWD, file, NULL, 0);
    if (strcmp(action, "stat") == 0)
        return lstat(file, &status);
    if (strcmp(action, "readlink") == 0)
        return readlink(file, target, sizeof(target)) < 0 ? -1 : 0;
    if (strcmp(action, "unlink") == 0)
        return unlink(file);
    if (strcmp(action, "rmdir") == 0)
        return rmdir(file);
    if (strcmp(action, "mkdir") == 0)
        return mkdir(file, 0777);
    if (strcmp(action, "mkfifo") == 0)
        return mkfifo(file, 0666);
    if (strcmp(action, "chmod") == 0)
        return chmod(file, 0777);
    if (strcmp(action, "chown") == 0)
        return chown(file, 1, 1);
    return act_on_two(action, file, text);
}

int main(int argc, char **argv)
{
    char nothing[] = "";
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: errno-of ACTION FILE [TEXT]\n");
        return 2;
    }
    int status = act(argv[1], argv[2], argc > 3 ? argv[3] : nothing);
    puts(status < 0 ? strerrorname_np(errno) : status > 0 ? "SHORT" : "OK");
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/*
 * Options for mount(8), systemd or a kernel's file system, which the server does not get. It gets
 * neither dev nor suid, whoever asks: the tree has no devices and no programs.
 */
static const char *const others[] = {
    "_netdev", "atime", "auto",     "defaults", "dev",         "diratime",   "group",    "iversion",
    "loud",    "mand",  "noauto",   "nofail",   "noiversion",  "nolazytime", "lazytime", "nomand",
    "nouser",  "owner", "relatime", "silent",   "strictatime", "suid",       "user",     "users",
};

/* The same, for all that begins so: comments, and options of systemd (x-systemd.requires=...). */
static const char *const prefixes[] = {"X-", "comment=", "helper=", "uhelper=", "x-"};

/* Options that the server or libfuse understands. `mount -s` drops all others. */
static const char *const known[] = {
    "all",
    "allow_gigatext",
    "async",
    "debug",
    "dirsync",
    "engine",
    "exec",
    "gid",
    "log",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "norelatime",
    "nosuid",
    "ro",
    "rw",
    "sync",
    "user_files",
    "user_memory",
    "user_requests",
};

#define LENGTH_OF(array) (sizeof(array) / sizeof(*(array)))

static bool is_one_of(const char *const *names, size_t count, const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) == length && strncmp(names[i], name, length) == 0)
            return true;
    }
    return false;
}

static bool has_prefix(const char *option, size_t length)
{
    for (size_t i = 0; i < LENGTH_OF(prefixes); i++) {
        size_t prefix = strlen(prefixes[i]);
        if (length >= prefix && strncmp(prefixes[i], option, prefix) == 0)
            return true;
    }
    return false;
}

static bool is_for_server(const char *option, size_t length, bool sloppy)
{
    const char *equals = memchr(option, '=', length);
    size_t name_length = equals ? (size_t)(equals - option) : length;
    if (length == 0 || has_prefix(option, length) ||
        is_one_of(others, LENGTH_OF(others), option, name_length))
        return false;
    return !sloppy || is_one_of(known, LENGTH_OF(known), option, name_length);
}

char *options_for_server(const char *text, bool sloppy)
{
    char *result = malloc(strlen(text) + 1);
    char *end = result;
    if (!result)
        return NULL;
    for (size_t length; *text; text += length + (text[length] == ',')) {
        length = strcspn(text, ",");
        if (!is_for_server(text, length, sloppy))
            continue;
        if (end > result)
            *end++ = ',';
        memcpy(end, text, length);
        end += length;
    }
    *end = '\0';
    return result;
}

bool options_have(const char *text, const char *name)
{
    for (size_t length; *text; text += length + (text[length] == ',')) {
        length = strcspn(text, ",");
        if (is_one_of(&name, 1, text, length))
            return true;
    }
    return false;
}

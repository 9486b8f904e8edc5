/* SPDX-License-Identifier: MIT */
#include "server/directory.h"

#include "server/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_AT_ONCE = 1 << 20, PID_DIGITS = 12 };

/* No process has so many names; a service that says so is broken. */
enum { LIST_MAX = 256 << 20 };

static void forget(struct directory *directory)
{
    free(directory->entries);
    free(directory->processes);
    free(directory->names);
    directory->entries = NULL;
    directory->processes = NULL;
    directory->names = NULL;
    directory->count = 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct directory_entry *x = a;
    const struct directory_entry *y = b;
    return strcmp(x->name, y->name);
}

/* Makes room for COUNT entries beside the files that the tree has in this place. */
static int begin(struct directory *directory, size_t count)
{
    directory->entries = calloc(count + node_kind_count, sizeof(*directory->entries));
    return directory->entries ? 0 : -ENOMEM;
}

static void add_files(struct directory *directory)
{
    for (unsigned int i = 0; i < node_kind_count; i++) {
        if (node_kinds[i].place == directory->inode->place && node_kinds[i].name)
            directory->entries[directory->count++] =
                (struct directory_entry){node_kinds[i].name, (int)i, NULL};
    }
}

static int fill_root(struct server *server, struct directory *directory)
{
    size_t count = 0;
    struct listed_process *processes = NULL;
    int status = listing_read(server, &directory->caller, &processes, &count);
    if (status < 0)
        return status;
    directory->processes = processes;
    directory->names = malloc(count * PID_DIGITS + 1);
    if (!directory->names || begin(directory, count) < 0)
        return -ENOMEM;
    char *name = directory->names;
    for (size_t i = 0; i < count; i++) {
        struct directory_entry *entry = &directory->entries[directory->count++];
        *entry = (struct directory_entry){name, -1, &directory->processes[i]};
        name += snprintf(name, PID_DIGITS, "%d", directory->processes[i].pid) + 1;
    }
    /* Processes come first, in the order of their numbers, as in /proc. */
    add_files(directory);
    return 0;
}

/* Reads all names of probes, each ended by a NUL, from the service. */
static int read_names(struct server *server, struct directory *directory, size_t *length,
                      struct probe_error *error)
{
    struct file file;
    int status = file_open(server, directory->inode, &node_kinds[tree_directory(PLACE_PROCESS)],
                           &directory->caller, false, &file, error);
    if (status < 0)
        return status;
    *length = 0;
    for (size_t got = 1; got > 0 && status == 0;) {
        char *piece = NULL;
        status = file_read(server, &file, *length, LIST_AT_ONCE, &piece, &got, error);
        char *names = status == 0 ? realloc(directory->names, *length + got + 1) : NULL;
        if (names) {
            directory->names = names;
            if (got > 0)
                memcpy(names + *length, piece, got);
            *length += got;
            names[*length] = '\0';
        } else if (status == 0) {
            status = -ENOMEM;
        }
        if (*length > LIST_MAX)
            status = -EIO;
        free(piece);
    }
    file_close(server, &file);
    return status;
}

/*
 * A name from a worker that could not stand in a directory, or would fool a terminal, is nobody's:
 * an honest worker has escaped it, so that nothing is left to escape.
 */
static bool is_name(const char *name, size_t length)
{
    char escaped[3 * PROBE_NAME_SIZE];
    if (length == 0 || length >= PROBE_NAME_SIZE || strchr(name, '/') || name[0] == '.')
        return false;
    probe_escape(name, length, escaped, sizeof(escaped));
    return strcmp(name, escaped) == 0;
}

static int fill_process(struct server *server, struct directory *directory,
                        struct probe_error *error)
{
    size_t length = 0;
    size_t count = 0;
    int status = read_names(server, directory, &length, error);
    if (status < 0)
        return status;
    for (size_t i = 0; i < length; i++)
        count += directory->names[i] == '\0';
    if (begin(directory, count + 1) < 0)
        return -ENOMEM;
    for (const char *name = directory->names; name < directory->names + length;) {
        size_t name_length = strlen(name);
        if (is_name(name, name_length))
            directory->entries[directory->count++] = (struct directory_entry){name, -1, NULL};
        name += name_length + 1;
    }
    add_files(directory);
    qsort(directory->entries, directory->count, sizeof(*directory->entries), compare_entries);
    return 0;
}

static int fill_probe(struct directory *directory)
{
    if (begin(directory, 0) < 0)
        return -ENOMEM;
    add_files(directory);
    qsort(directory->entries, directory->count, sizeof(*directory->entries), compare_entries);
    return 0;
}

int directory_fill(struct server *server, struct directory *directory, struct probe_error *error)
{
    int status = 0;
    forget(directory);
    switch (directory->inode->place) {
    case PLACE_ROOT:
        status = fill_root(server, directory);
        break;
    case PLACE_PROCESS:
        status = fill_process(server, directory, error);
        break;
    default:
        status = file_check(server, directory->inode, &directory->caller, error);
        if (status == 0)
            status = fill_probe(directory);
        break;
    }
    if (status < 0)
        forget(directory);
    return status;
}

int directory_open(struct server *server, struct inode *inode, const struct caller *caller,
                   struct directory **result, struct probe_error *error)
{
    struct directory *directory = calloc(1, sizeof(*directory));
    if (!directory)
        return -ENOMEM;
    directory->inode = inode;
    directory->caller = *caller;
    caller_record(&directory->caller);
    int status = directory_fill(server, directory, error);
    if (status < 0)
        directory_close(directory);
    else
        *result = directory;
    return status;
}

void directory_close(struct directory *directory)
{
    forget(directory);
    free(directory);
}

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

/* ---- lists ------------------------------------------------------------------------------ */

/*
 * The entries of a process's directory, sorted, as bytes that can be shared: how many they are,
 * where each name begins, and the names, each ended by a NUL. Some have a WATCH_ONLY_MARK.
 */
static uint32_t list_number(const struct shared_bytes *list, size_t index)
{
    uint32_t number = 0;
    memcpy(&number, list->bytes + index * sizeof(number), sizeof(number));
    return number;
}

static const char *list_name(const struct shared_bytes *list, size_t index)
{
    return list->bytes + list_number(list, index + 1);
}

static const char *skip_mark(const char *name)
{
    return name + (*name == WATCH_ONLY_MARK);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(skip_mark(*(const char *const *)a), skip_mark(*(const char *const *)b));
}

/* Makes a list of COUNT names, which it sorts. */
static int list_new(const char **names, size_t count, char **result, size_t *result_length)
{
    size_t numbers = (count + 1) * sizeof(uint32_t);
    size_t length = numbers;
    for (size_t i = 0; i < count; i++)
        length += strlen(names[i]) + 1;
    char *list = malloc(length);
    if (!list)
        return -ENOMEM;
    qsort(names, count, sizeof(*names), compare_names);
    uint32_t number = (uint32_t)count;
    memcpy(list, &number, sizeof(number));
    number = (uint32_t)numbers;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]) + 1;
        memcpy(list + (i + 1) * sizeof(number), &number, sizeof(number));
        memcpy(list + number, names[i], size);
        number += (uint32_t)size;
    }
    *result = list;
    *result_length = length;
    return 0;
}

/* ---- directories ------------------------------------------------------------------------ */

struct directory_entry directory_entry(const struct directory *directory, size_t index)
{
    if (!directory->list)
        return directory->entries[index];
    const char *listed = list_name(directory->list, index);
    const char *name = skip_mark(listed);
    return (struct directory_entry){name, tree_find(PLACE_PROCESS, name), NULL, name != listed};
}

static void forget(struct server *server, struct directory *directory)
{
    shared_bytes_put(&server->budgets, directory->list);
    budget_give(&server->budgets, directory->caller.uid, BUDGET_MEMORY, directory->counted);
    free(directory->entries);
    free(directory->processes);
    free(directory->names);
    directory->list = NULL;
    directory->entries = NULL;
    directory->processes = NULL;
    directory->names = NULL;
    directory->count = directory->counted = 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct directory_entry *x = a;
    const struct directory_entry *y = b;
    return strcmp(x->name, y->name);
}

/* Makes room for COUNT entries beside the files that the tree has in this place. */
static int begin(struct server *server, struct directory *directory, size_t count,
                 struct probe_error *error)
{
    size_t memory = (count + node_kind_count) * sizeof(*directory->entries) +
                    count * (sizeof(*directory->processes) + PID_DIGITS);
    int status = budget_take(&server->budgets, directory->caller.uid, BUDGET_MEMORY, memory, error);
    if (status < 0)
        return status;
    directory->counted = memory;
    directory->entries = calloc(count + node_kind_count, sizeof(*directory->entries));
    return directory->entries ? 0 : -ENOMEM;
}

static void add_files(struct directory *directory)
{
    for (unsigned int i = 0; i < node_kind_count; i++) {
        if (inode_lists_file(directory->inode, &node_kinds[i]))
            directory->entries[directory->count++] =
                (struct directory_entry){.name = node_kinds[i].name, .kind = (int)i};
    }
}

static int fill_root(struct server *server, struct directory *directory, struct probe_error *error)
{
    size_t count = 0;
    struct listed_process *processes = NULL;
    int status = listing_read(server, &directory->caller, &processes, &count);
    if (status < 0)
        return status;
    directory->processes = processes;
    status = begin(server, directory, count, error);
    if (status < 0)
        return status;
    directory->names = malloc(count * PID_DIGITS + 1);
    if (!directory->names)
        return -ENOMEM;
    char *name = directory->names;
    for (size_t i = 0; i < count; i++) {
        struct directory_entry *entry = &directory->entries[directory->count++];
        *entry =
            (struct directory_entry){.name = name, .kind = -1, .process = &directory->processes[i]};
        name += snprintf(name, PID_DIGITS, "%d", directory->processes[i].pid) + 1;
    }
    /* Processes come first, in the order of their numbers, as in /proc. */
    add_files(directory);
    return 0;
}

/* What a worker says of a process's probes, for as long as a list is made of it. */
struct read_names {
    char *bytes;
    size_t length, counted;
};

static void read_names_done(struct server *server, const struct directory *directory,
                            struct read_names *names)
{
    budget_give(&server->budgets, directory->caller.uid, BUDGET_MEMORY, names->counted);
    free(names->bytes);
}

static int add_piece(struct server *server, const struct directory *directory,
                     struct read_names *names, const char *piece, size_t length,
                     struct probe_error *error)
{
    int status = budget_take(&server->budgets, directory->caller.uid, BUDGET_MEMORY, length, error);
    if (status < 0)
        return status;
    names->counted += length;
    char *larger = realloc(names->bytes, names->length + length + 1);
    if (!larger)
        return -ENOMEM;
    names->bytes = larger;
    if (length > 0)
        memcpy(names->bytes + names->length, piece, length);
    names->length += length;
    names->bytes[names->length] = '\0';
    return names->length > LIST_MAX ? -EIO : 0;
}

/* Reads all names of probes, each ended by a NUL, from the worker. */
static int read_names(struct server *server, struct directory *directory, struct read_names *names,
                      struct probe_error *error)
{
    struct file file = {.inode = NULL};
    int status = file_open(server, directory->inode, &node_kinds[tree_directory(PLACE_PROCESS)],
                           &directory->caller, false, &file, error);
    if (status < 0)
        return status;
    for (size_t got = 1; got > 0 && status == 0;) {
        char *piece = NULL;
        status = file_read(server, &file, names->length, LIST_AT_ONCE, &piece, &got, error);
        if (status == 0)
            status = add_piece(server, directory, names, piece, got, error);
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
    if (length == 0 || length >= PROBE_NAME_SIZE || strchr(name, '/') || name[0] == '.' ||
        tree_find(PLACE_PROCESS, name) >= 0)
        return false;
    probe_escape(name, length, escaped, sizeof(escaped));
    return strcmp(name, escaped) == 0;
}

/* Pointers to all names that stand in the directory, those of its files, too; to be freed. */
static const char **collect_names(const struct directory *directory, const struct read_names *read,
                                  size_t *result_count)
{
    size_t room = node_kind_count;
    size_t count = 0;
    for (size_t i = 0; i < read->length; i++)
        room += read->bytes[i] == '\0';
    const char **names = calloc(room + 1, sizeof(*names));
    if (!names)
        return NULL;
    for (size_t at = 0; at < read->length;) {
        const char *listed = read->bytes + at;
        const char *name = skip_mark(listed);
        if (is_name(name, strlen(name)))
            names[count++] = listed;
        at += strlen(listed) + 1;
    }
    for (unsigned int i = 0; i < node_kind_count; i++) {
        if (inode_lists_file(directory->inode, &node_kinds[i]))
            names[count++] = node_kinds[i].name;
    }
    *result_count = count;
    return names;
}

static int make_list(struct server *server, struct directory *directory,
                     const struct read_names *read, struct probe_error *error)
{
    size_t count = 0;
    size_t length = 0;
    char *list = NULL;
    const char **names = collect_names(directory, read, &count);
    int status = names ? list_new(names, count, &list, &length) : -ENOMEM;
    free(names);
    if (status == 0)
        status = shared_bytes_get(&server->budgets, directory->caller.uid, list, length,
                                  &directory->inode->target->names, &directory->list, error);
    if (status == 0)
        directory->count = count;
    return status;
}

static int fill_process(struct server *server, struct directory *directory,
                        struct probe_error *error)
{
    struct read_names read = {.bytes = NULL};
    int status = read_names(server, directory, &read, error);
    if (status == 0)
        status = make_list(server, directory, &read, error);
    read_names_done(server, directory, &read);
    return status;
}

static int fill_probe(struct server *server, struct directory *directory, struct probe_error *error)
{
    int status = begin(server, directory, 0, error);
    if (status < 0)
        return status;
    add_files(directory);
    qsort(directory->entries, directory->count, sizeof(*directory->entries), compare_entries);
    return 0;
}

int directory_fill(struct server *server, struct directory *directory, struct probe_error *error)
{
    int status = 0;
    forget(server, directory);
    switch (directory->inode->place) {
    case PLACE_ROOT:
        status = fill_root(server, directory, error);
        break;
    case PLACE_PROCESS:
        status = fill_process(server, directory, error);
        break;
    default:
        status = file_check(server, directory->inode, &directory->caller, error);
        if (status == 0)
            status = fill_probe(server, directory, error);
        break;
    }
    if (status < 0)
        forget(server, directory);
    return status;
}

int directory_open(struct server *server, struct inode *inode, const struct caller *caller,
                   struct directory **result, struct probe_error *error)
{
    int status = budget_take(&server->budgets, caller->uid, BUDGET_FILES, 1, error);
    if (status < 0)
        return status;
    struct directory *directory = calloc(1, sizeof(*directory));
    if (!directory) {
        budget_give(&server->budgets, caller->uid, BUDGET_FILES, 1);
        return -ENOMEM;
    }
    directory->inode = inode;
    directory->caller = *caller;
    caller_record(&directory->caller);
    status = directory_fill(server, directory, error);
    if (status < 0)
        directory_close(server, directory);
    else
        *result = directory;
    return status;
}

void directory_close(struct server *server, struct directory *directory)
{
    forget(server, directory);
    budget_give(&server->budgets, directory->caller.uid, BUDGET_FILES, 1);
    free(directory);
}

/* SPDX-License-Identifier: MIT */
/*
 * The peer of the benchmarks: the least that a low-level FUSE server with such a tree can do. What
 * it costs is the kernel's, libfuse's and the machine's; what probefs costs more is its own.
 *
 *     floor [-p PROBES] [-s] MOUNTPOINT       in the foreground, until it is unmounted
 *
 *     MOUNTPOINT/target/            as a process's directory, and its files
 *     MOUNTPOINT/target/probe_00000/enabled, hold, semaphore, sites
 *
 * One thread, nothing looked up, nothing checked, nothing allocated but replies of directories.
 * Names and attributes are valid for a second and files are read with direct_io, as in probefs.
 * By itself it answers every request that the kernel can send; with -s it lets the kernel skip
 * those that do not decide anything: FLUSH, and look-ups of what a directory has just listed
 * (readdirplus). OPEN and OPENDIR stay: a server that decides there cannot do without.
 */
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOT = FUSE_ROOT_ID, TARGET, TARGET_FILES, PROBES = 16, STRIDE = 8, NAME_SIZE = 32 };

static const char *const target_files[] = {"control", "enabled", "error_log", "info"};
static const char *const probe_files[] = {"enabled", "hold", "semaphore", "sites"};

enum {
    TARGET_FILE_COUNT = sizeof(target_files) / sizeof(*target_files),
    PROBE_FILE_COUNT = sizeof(probe_files) / sizeof(*probe_files),
};

struct floor {
    unsigned long probes;
    bool skip;
    char value[2]; /* what every file holds */
};

static const double valid = 1.0;

static bool is_directory(fuse_ino_t node)
{
    return node <= TARGET || (node >= PROBES && (node - PROBES) % STRIDE == 0);
}

static void fill(fuse_ino_t node, struct stat *status)
{
    *status = (struct stat){
        .st_ino = node,
        .st_mode = is_directory(node) ? S_IFDIR | 0500 : S_IFREG | 0600,
        .st_nlink = 1,
        .st_size = is_directory(node) ? 0 : 2,
    };
}

static fuse_ino_t find_among(const char *const *names, size_t count, const char *name,
                             fuse_ino_t first)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return first + i;
    }
    return 0;
}

/* The node NAME in PARENT, or 0. */
static fuse_ino_t find(const struct floor *floor, fuse_ino_t parent, const char *name)
{
    unsigned long number = 0;
    if (parent == ROOT)
        return strcmp(name, "target") == 0 ? TARGET : 0;
    if (parent != TARGET)
        return find_among(probe_files, PROBE_FILE_COUNT, name, parent + 1);
    if (sscanf(name, "probe_%5lu", &number) == 1 && number < floor->probes)
        return PROBES + number * STRIDE;
    return find_among(target_files, TARGET_FILE_COUNT, name, TARGET_FILES);
}

static void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    const struct floor *floor = fuse_req_userdata(request);
    struct fuse_entry_param entry = {.attr_timeout = valid, .entry_timeout = valid};
    entry.ino = find(floor, parent, name);
    if (!entry.ino) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    fill(entry.ino, &entry.attr);
    fuse_reply_entry(request, &entry);
}

static void op_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    struct stat status;
    (void)info;
    fill(node, &status);
    fuse_reply_attr(request, &status, valid);
}

/* ---- directories ------------------------------------------------------------------------ */

/* The entry at OFFSET of a directory: its name and node; false past the last. */
static bool entry_at(const struct floor *floor, fuse_ino_t parent, size_t offset,
                     char name[NAME_SIZE], fuse_ino_t *node)
{
    const char *found = NULL;
    if (parent == ROOT) {
        found = offset == 0 ? "target" : NULL;
        *node = TARGET;
    } else if (parent != TARGET) {
        found = offset < PROBE_FILE_COUNT ? probe_files[offset] : NULL;
        *node = parent + 1 + offset;
    } else if (offset < TARGET_FILE_COUNT) {
        found = target_files[offset];
        *node = TARGET_FILES + offset;
    } else if (offset - TARGET_FILE_COUNT < floor->probes) {
        snprintf(name, NAME_SIZE, "probe_%05zu", offset - TARGET_FILE_COUNT);
        *node = PROBES + (offset - TARGET_FILE_COUNT) * STRIDE;
        return true;
    }
    if (found)
        snprintf(name, NAME_SIZE, "%s", found);
    return found;
}

static void read_directory(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                           bool plus)
{
    const struct floor *floor = fuse_req_userdata(request);
    char *bytes = malloc(size);
    char name[NAME_SIZE];
    size_t used = 0;
    struct fuse_entry_param entry = {.attr_timeout = valid, .entry_timeout = valid};
    while (bytes && entry_at(floor, node, (size_t)offset, name, &entry.ino)) {
        size_t room = size - used;
        fill(entry.ino, &entry.attr);
        offset++;
        size_t length =
            plus ? fuse_add_direntry_plus(request, bytes + used, room, name, &entry, offset)
                 : fuse_add_direntry(request, bytes + used, room, name, &entry.attr, offset);
        if (length > room)
            break;
        used += length;
    }
    fuse_reply_buf(request, bytes, used);
    free(bytes);
}

static void op_readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
    (void)info;
    read_directory(request, node, size, offset, false);
}

static void op_readdirplus(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                           struct fuse_file_info *info)
{
    (void)info;
    read_directory(request, node, size, offset, true);
}

static void op_opendir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    (void)node;
    fuse_reply_open(request, info);
}

/* ---- files ------------------------------------------------------------------------------ */

static void op_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    const struct floor *floor = fuse_req_userdata(request);
    (void)node;
    info->direct_io = 1;
    info->noflush = floor->skip;
    fuse_reply_open(request, info);
}

static void op_read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    const struct floor *floor = fuse_req_userdata(request);
    (void)node;
    (void)info;
    fuse_reply_buf(request, floor->value, offset > 0 || size < 2 ? 0 : sizeof(floor->value));
}

static void op_write(fuse_req_t request, fuse_ino_t node, const char *bytes, size_t length,
                     off_t offset, struct fuse_file_info *info)
{
    struct floor *floor = fuse_req_userdata(request);
    (void)node;
    (void)offset;
    (void)info;
    if (length > 0)
        floor->value[0] = bytes[0];
    fuse_reply_write(request, length);
}

static void op_close(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    (void)node;
    (void)info;
    fuse_reply_err(request, 0);
}

static void op_init(void *data, struct fuse_conn_info *connection)
{
    const struct floor *floor = data;
    connection->want |= connection->capable & FUSE_CAP_ATOMIC_O_TRUNC;
    if (!floor->skip)
        connection->want &= ~(unsigned int)FUSE_CAP_READDIRPLUS;
}

static const struct fuse_lowlevel_ops operations = {
    .init = op_init,
    .lookup = op_lookup,
    .getattr = op_getattr,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_close,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .flush = op_close,
    .release = op_close,
};

static int serve(struct fuse_args *args, const char *mountpoint, struct floor *floor)
{
    struct fuse_session *session = fuse_session_new(args, &operations, sizeof(operations), floor);
    if (!session)
        return EXIT_FAILURE;
    int status = fuse_set_signal_handlers(session);
    if (status == 0)
        status = fuse_session_mount(session, mountpoint);
    if (status == 0) {
        status = fuse_session_loop(session);
        fuse_session_unmount(session);
    }
    fuse_remove_signal_handlers(session);
    fuse_session_destroy(session);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct floor floor = {.probes = 1, .value = "0\n"};
    int option = 0;
    while ((option = getopt(argc, argv, "p:s")) != -1) {
        if (option == 'p')
            floor.probes = strtoul(optarg, NULL, 10);
        else if (option == 's')
            floor.skip = true;
        else
            return EXIT_FAILURE;
    }
    if (optind != argc - 1)
        return EXIT_FAILURE;
    char *arguments[] = {argv[0], "-odefault_permissions,allow_other,fsname=floor,subtype=floor"};
    struct fuse_args args = FUSE_ARGS_INIT(2, arguments);
    return serve(&args, argv[optind], &floor);
}

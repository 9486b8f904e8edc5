/* SPDX-License-Identifier: MIT */
#include "nodes/tree.h"

#include "nodes/nodes.h"
#include "nodes/readme.h"

#include <string.h>

const struct node_kind node_kinds[] = {
    {.place = PLACE_ROOT, .type = NODE_DIRECTORY, .everybody = true},
    {.place = PLACE_PROCESS, .type = NODE_DIRECTORY, .read = node_process_list},
    {.place = PLACE_PROBE, .type = NODE_DIRECTORY},

    {.name = "README",
     .place = PLACE_ROOT,
     .type = NODE_FILE,
     .everybody = true,
     .size = README_SIZE},
    {.name = "self", .place = PLACE_ROOT, .type = NODE_LINK, .everybody = true},

    /* Streams: where links lead to, and nobody who walks the tree gets stuck in them. */
    {.name = ".trace",
     .place = PLACE_ROOT,
     .inside = PLACE_TRACE,
     .type = NODE_DIRECTORY,
     .everybody = true,
     .watches = true,
     .hidden = true},
    {.place = PLACE_STREAMS, .type = NODE_DIRECTORY},
    {.name = "trace",
     .place = PLACE_STREAMS,
     .type = NODE_STREAM,
     .watches = true,
     .write = node_stream_write},
    {.place = PLACE_STREAM, .type = NODE_STREAM, .watches = true, .write = node_stream_write},
    {.name = "hits",
     .place = PLACE_PROCESS,
     .type = NODE_FILE,
     .watches = true,
     .read = node_hits_read,
     .write = node_hits_write},
    {.name = "hits",
     .place = PLACE_PROBE,
     .type = NODE_FILE,
     .watches = true,
     .read = node_hits_read,
     .write = node_hits_write},
    {.name = "trace", .place = PLACE_PROCESS, .type = NODE_LINK, .watches = true},
    {.name = "trace", .place = PLACE_PROBE, .type = NODE_LINK, .watches = true},

    {.name = "enabled",
     .place = PLACE_PROCESS,
     .type = NODE_FILE,
     .size = 2,
     .read = node_enabled_read,
     .write = node_enabled_write},
    {.name = "exe", .place = PLACE_PROCESS, .type = NODE_LINK, .read = node_exe_read},
    {.name = "info", .place = PLACE_PROCESS, .type = NODE_FILE, .read = node_info_read},
    {.name = "control",
     .place = PLACE_PROCESS,
     .type = NODE_FILE,
     .read = node_control_read,
     .write = node_control_write,
     .by_lines = true},
    {.name = "error_log",
     .place = PLACE_PROCESS,
     .type = NODE_FILE,
     .read = node_error_log_read,
     .has_failures = true},

    {.name = "enabled",
     .place = PLACE_PROBE,
     .type = NODE_FILE,
     .needs_semaphore = true,
     .size = 2,
     .read = node_enabled_read,
     .write = node_enabled_write},
    {.name = "semaphore",
     .place = PLACE_PROBE,
     .type = NODE_FILE,
     .needs_semaphore = true,
     .read = node_semaphore_read,
     .write = node_semaphore_write},
    {.name = "hold",
     .place = PLACE_PROBE,
     .type = NODE_FILE,
     .needs_semaphore = true,
     .read = node_hold_read,
     .write = node_hold_write,
     .keeper = KEPT_BY_WORKER},
    {.name = "sites", .place = PLACE_PROBE, .type = NODE_FILE, .read = node_sites_read},
};

const unsigned int node_kind_count = sizeof(node_kinds) / sizeof(*node_kinds);

_Static_assert(sizeof(node_kinds) / sizeof(*node_kinds) <= KIND_MAX, "KIND_BITS is too small");

unsigned int tree_directory(enum place place)
{
    unsigned int kind = 0;
    while (node_kinds[kind].place != place || node_kinds[kind].name)
        kind++;
    return kind;
}

/* Option -o trace=no. */
static bool leaves_out_watching;

void tree_leave_out_watching(void)
{
    leaves_out_watching = true;
}

static bool is_shown(const struct node_kind *kind)
{
    return !kind->watches || !leaves_out_watching;
}

bool tree_is_listed(const struct node_kind *kind)
{
    return !kind->hidden && is_shown(kind);
}

enum place tree_inside(const struct node_kind *kind)
{
    return kind->name ? kind->inside : kind->place;
}

int tree_find(enum place place, const char *name)
{
    for (unsigned int i = 0; i < node_kind_count; i++) {
        const struct node_kind *kind = &node_kinds[i];
        if (kind->place == place && kind->name && is_shown(kind) && strcmp(kind->name, name) == 0)
            return (int)i;
    }
    return -1;
}

/* SPDX-License-Identifier: MIT */
#include "start/trace.h"

#include "engine.h"
#include "shared/clock.h"
#include "target/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How much is read at once; and how often it is looked for what was loaded. */
enum { READ_SIZE = 256 << 10, LOOK_MS = 1000 };

/* ---- which probes ----------------------------------------------------------------------- */

struct adding {
    struct trace *trace;
    struct switching *switching;
    struct probe_target *target;
    uint64_t entry;
};

/* Lists the indices that are CHOSEN and not LEFT_OUT. */
static size_t list_chosen(const bool *chosen, const bool *left_out, size_t count, size_t *indices)
{
    size_t listed = 0;
    for (size_t i = 0; i < count; i++) {
        if (chosen[i] && !left_out[i])
            indices[listed++] = i;
    }
    return listed;
}

static bool has_site(const struct probe_snapshot *snapshot, size_t i, uint64_t address)
{
    for (size_t s = 0; s < probe_snapshot_site_count(snapshot, i); s++) {
        if (probe_snapshot_site(snapshot, i, s).address == address)
            return true;
    }
    return false;
}

/* Drops the probes that have a site at the entry point. */
static int spare_entry(const struct adding *adding, size_t *indices, size_t *count,
                       struct probe_error *error)
{
    struct probe_snapshot *snapshot = NULL;
    size_t kept = 0;
    if (adding->entry == 0 || *count == 0)
        return 0;
    int status = probe_snapshot_take(adding->target, indices, *count, &snapshot, error);
    if (status < 0)
        return status;
    for (size_t i = 0; i < *count; i++) {
        if (!has_site(snapshot, i, adding->entry))
            indices[kept++] = indices[i];
    }
    probe_snapshot_free(snapshot);
    *count = kept;
    return 0;
}

static int watch_probes(const struct adding *adding, size_t *indices, size_t count,
                        struct probe_error *error)
{
    struct trace *trace = adding->trace;
    int status = spare_entry(adding, indices, &count, error);
    if (status < 0 || (!trace->watch && count == 0))
        return status;
    if (!trace->watch)
        return probe_watch_new(adding->target, indices, count, NULL, &trace->watch, error);
    ssize_t added = probe_watch_add(trace->watch, adding->target, indices, count, error);
    return added < 0 ? (int)added : 0;
}

/* A probe_attempt. */
static int add_once(void *data, struct probe_error *error)
{
    const struct adding *adding = data;
    size_t count = probe_target_count(adding->target);
    bool *chosen = calloc(count + 1, sizeof(*chosen));
    bool *left_out = calloc(count + 1, sizeof(*left_out));
    size_t *indices = calloc(count + 1, sizeof(*indices));
    bool has_room = chosen && left_out && indices;
    int status = has_room
                     ? switching_match(adding->switching, adding->target, chosen, left_out, error)
                     : error_memory(error);
    if (has_room && status == 0)
        status =
            watch_probes(adding, indices, list_chosen(chosen, left_out, count, indices), error);
    free(chosen);
    free(left_out);
    free(indices);
    return status;
}

int trace_add(struct trace *trace, struct switching *switching, struct probe_target *target,
              uint64_t entry, struct probe_error *error)
{
    struct adding adding = {trace, switching, target, entry};
    return probe_target_settle(target, add_once, &adding, error);
}

int trace_keep(struct trace *trace, struct probe_target *target, struct probe_error *error)
{
    const size_t none = 0;
    int status = trace->watch ? 0 : probe_watch_new(target, &none, 0, NULL, &trace->watch, error);
    if (status < 0)
        return status;
    trace->target = target;
    target->traced = false;
    return 0;
}

/* ---- printing --------------------------------------------------------------------------- */

/* Errors: those of write(). */
static int write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

/* Prints what there is to read, for LOOK_MS at most. Returns -ENODATA at the end. */
static int print_some(const struct trace *trace, char *buffer)
{
    const struct timespec end = clock_after(LOOK_MS * CLOCK_MILLISECOND);
    int status = 0;
    while (status == 0 && !clock_is_past(&end)) {
        int ready = probe_watch_wait(trace->watch, clock_poll_timeout(&end));
        ssize_t got = ready == 1 ? probe_watch_read(trace->watch, buffer, READ_SIZE) : ready;
        if (got < 0 && got != -EINTR)
            status = (int)got;
        else if (got > 0)
            status = write_all(trace->fd, buffer, (size_t)got);
    }
    return status;
}

/* Watches what was loaded since. That it cannot be watched is told once, and then given up. */
static void add_loaded(struct trace *trace, struct switching *switching,
                       struct probe_engine *engine)
{
    struct probe_error error;
    uint64_t generation = probe_target_generation(trace->target);
    int status = probe_target_look(trace->target, &error);
    if (status == 0 && probe_target_generation(trace->target) != generation)
        status = trace_add(trace, switching, trace->target, 0, &error);
    if (status == 0)
        return;
    if (status != -ESRCH)
        engine_log(engine, PROBE_LOG_WARNING, "what was loaded later is not traced: %s",
                   error.text);
    probe_target_close(trace->target);
    trace->target = NULL;
}

void trace_print(struct trace *trace, struct switching *switching, struct probe_engine *engine)
{
    char *buffer = malloc(READ_SIZE);
    int status = buffer ? 0 : -ENOMEM;
    while (trace->watch && status == 0) {
        status = print_some(trace, buffer);
        if (status == 0 && trace->target)
            add_loaded(trace, switching, engine);
    }
    /* Nobody reads it any more: that is an end like any other. */
    if (status < 0 && status != -ENODATA && status != -EPIPE)
        engine_log(engine, PROBE_LOG_WARNING, "the trace ends early: %s", strerror(-status));
    probe_watch_free(trace->watch);
    probe_target_close(trace->target);
    trace->watch = NULL;
    trace->target = NULL;
    free(buffer);
}

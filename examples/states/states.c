/* SPDX-License-Identifier: MIT */
/*
 * states PID: prints the probes of a process, one line each: STATE COUNTER SITES NAME.
 *
 * Reading needs no write access to the process, and changes nothing in it.
 */
#include <probe-engine.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

/* Semaphores of one probe can differ: prints the highest. */
static unsigned int highest_counter(const struct probe_snapshot *snapshot, size_t i)
{
    unsigned int highest = 0;
    for (size_t c = 0; c < probe_snapshot_counter_count(snapshot, i); c++) {
        unsigned int counter = probe_snapshot_counter(snapshot, i, c);
        highest = counter > highest ? counter : highest;
    }
    return highest;
}

/* One snapshot holds the counters and sites of all probes, as they were at one moment. */
static void print_states(struct probe_target *target)
{
    struct probe_error error;
    struct probe_snapshot *snapshot = NULL;
    size_t count = probe_target_count(target);
    if (probe_snapshot_take(target, NULL, count, &snapshot, &error) < 0)
        errx(1, "%s", error.text);
    for (size_t i = 0; i < count; i++)
        printf("%c %u %zu %s\n", "01X"[probe_snapshot_state(snapshot, i)],
               highest_counter(snapshot, i), probe_snapshot_site_count(snapshot, i),
               probe_snapshot_name(snapshot, i));
    probe_snapshot_free(snapshot);
}

int main(int argc, char **argv)
{
    struct probe_error error;
    struct probe_engine *engine = NULL;
    struct probe_target *target = NULL;
    if (argc != 2)
        errx(2, "usage: states PID");
    if (probe_engine_new(NULL, &engine) < 0)
        errx(1, "cannot use /proc");
    if (probe_target_open(engine, atoi(argv[1]), PROBE_READ, &target, &error) < 0)
        errx(1, "%s", error.text);
    print_states(target);
    probe_target_close(target);
    probe_engine_free(engine);
}

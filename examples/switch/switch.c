/* SPDX-License-Identifier: MIT */
/*
 * switch PID [0|1 PATTERN]: lists the probes of a process, and switches those that match.
 */
#include <probe-engine.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

static void list_probes(struct probe_target *target)
{
    struct probe_error error;
    size_t count = probe_target_count(target);
    enum probe_state *states = calloc(count + 1, sizeof(*states));
    if (!states || probe_target_states(target, NULL, count, states, &error) < 0)
        errx(1, "%s", states ? error.text : "out of memory");
    for (size_t i = 0; i < count; i++)
        printf("%c %s\n", "01X"[states[i]], probe_target_name(target, i));
    free(states);
}

static void switch_probes(struct probe_target *target, enum probe_action action,
                          const char *pattern)
{
    struct probe_error error;
    struct probe_update *update = NULL;
    if (probe_update_new(target, &update) < 0)
        errx(1, "out of memory");
    if (probe_update_add_pattern(update, pattern, action, 0, &error) < 0 ||
        probe_update_apply(update, &error) < 0)
        errx(1, "%s", error.text);
    probe_update_free(update);
}

int main(int argc, char **argv)
{
    struct probe_error error;
    struct probe_engine *engine = NULL;
    struct probe_target *target = NULL;
    if (argc != 2 && argc != 4)
        errx(2, "usage: switch PID [0|1 PATTERN]");
    if (probe_engine_new(NULL, &engine) < 0)
        errx(1, "cannot use /proc");
    if (probe_target_open(engine, atoi(argv[1]), PROBE_WRITE, &target, &error) < 0)
        errx(1, "%s", error.text);
    if (argc == 4)
        switch_probes(target, argv[2][0] == '1' ? PROBE_SWITCH_ON : PROBE_SWITCH_OFF, argv[3]);
    list_probes(target);
    probe_target_close(target);
    probe_engine_free(engine);
}

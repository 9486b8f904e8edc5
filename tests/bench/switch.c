/* SPDX-License-Identifier: MIT */
/*
 * switch PID PROBE: switches a probe that is off on, and one that is on (or at X) off.
 *
 * What a command costs that is started for each change, as it does everything anew: it finds the
 * objects, reads their notes, checks, writes, and ends.
 */
#include <probe-engine.h>

#include <err.h>
#include <stdlib.h>
#include <sys/types.h>

static int toggle(struct probe_target *target, const char *name, struct probe_error *error)
{
    enum probe_state state = PROBE_OFF;
    struct probe_update *update = NULL;
    ssize_t index = probe_target_find(target, name);
    if (index < 0)
        errx(1, "process %d has no probe '%s'", probe_target_pid(target), name);
    size_t indices[] = {(size_t)index};
    int status = probe_target_states(target, indices, 1, &state, error);
    if (status < 0)
        return status;
    if (probe_update_new(target, &update) < 0)
        errx(1, "no memory");
    status = probe_update_add(update, indices[0],
                              state == PROBE_OFF ? PROBE_SWITCH_ON : PROBE_SWITCH_OFF, 0, error);
    if (status == 0)
        status = probe_update_apply(update, error);
    probe_update_free(update);
    return status;
}

int main(int argc, char **argv)
{
    struct probe_engine *engine = NULL;
    struct probe_target *target = NULL;
    struct probe_error error = {.text = "no memory"};
    if (argc != 3)
        errx(2, "usage: switch PID PROBE");
    if (probe_engine_new(NULL, &engine) < 0 ||
        probe_target_open(engine, (pid_t)strtol(argv[1], NULL, 10), PROBE_WRITE, &target, &error) <
            0 ||
        toggle(target, argv[2], &error) < 0)
        errx(1, "%s", error.text);
    probe_target_close(target);
    probe_engine_free(engine);
    return 0;
}

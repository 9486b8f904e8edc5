/* SPDX-License-Identifier: MIT */
/*
 * pauser PROGRAM [ARG]...
 *
 * The library's way to start a child that is held: says what is known of its probes at each of the
 * two places, switches all of them on, lets go and passes on its exit status.
 */
#include <probe-engine.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static int fail(const struct probe_error *error)
{
    printf("failed: %s\n", error->text);
    return 1;
}

static int switch_on(struct probe_target *target, struct probe_error *error)
{
    struct probe_update *update;
    int status = probe_update_new(target, &update);

    if (status < 0)
        return status;
    for (size_t i = 0; i < probe_target_count(target) && status == 0; i++) {
        printf(" %s", probe_target_name(target, i));
        status = probe_update_add(update, i, PROBE_SWITCH_ON, 0, error);
    }
    printf("\n");
    fflush(stdout);
    if (status == 0)
        status = probe_update_apply(update, error);
    probe_update_free(update);
    return status;
}

int main(int argc, char **argv)
{
    /* Static, so that they are not lost where it fails. */
    static struct probe_engine *engine;
    static struct probe_program *program;
    static struct probe_paused *paused;
    struct probe_error error;
    int status;

    if (argc < 2 || probe_engine_new(NULL, &engine) < 0)
        return 2;
    if (probe_program_open(engine, argv[1], NULL, &program, &error) < 0)
        return fail(&error);
    if (probe_paused_start(program, argv + 1, NULL, &paused, &error) < 0)
        return fail(&error);
    pid_t pid = probe_paused_pid(paused);
    printf("before the first instruction:");
    if (switch_on(probe_paused_target(paused), &error) < 0)
        return fail(&error);
    printf("at the entry point:");
    fflush(stdout);
    if (probe_paused_run_to_entry(paused, &error) < 0 ||
        switch_on(probe_paused_target(paused), &error) < 0)
        return fail(&error);
    probe_paused_release(paused);
    probe_program_close(program);
    probe_engine_free(engine);
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 3;
    return WEXITSTATUS(status);
}

/* SPDX-License-Identifier: MIT */
/*
 * swap exec|paused FILE OTHER PROGRAM [ARG]...
 *
 * Reads PROGRAM's probes, then renames OTHER to FILE (which may be the program, or its loader), and
 * starts PROGRAM with all of its probes on: what an attacker does who waits for the right moment.
 */
#include <probe-engine.h>

#include <stdio.h>
#include <string.h>

static void log_sentence(void *data, enum probe_log_level level, const char *sentence)
{
    (void)data, (void)level;
    fprintf(stderr, "%s\n", sentence);
}

static int fail(const struct probe_error *error)
{
    printf("failed: %s\n", error->text);
    return 1;
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"*"};
    static const struct probe_engine_options options = {.log = log_sentence};
    /* Static, so that they are not lost where it fails. */
    static struct probe_engine *engine;
    static struct probe_program *program;
    static struct probe_paused *paused;
    struct probe_error error;

    if (argc < 5 || probe_engine_new(&options, &engine) < 0)
        return 2;
    if (probe_program_open(engine, argv[4], NULL, &program, &error) < 0)
        return fail(&error);
    if (rename(argv[3], argv[2]) < 0)
        return 2;
    if (strcmp(argv[1], "paused") == 0) {
        if (probe_paused_start(program, argv + 4, NULL, &paused, &error) < 0)
            return fail(&error);
        probe_paused_release(paused);
        return 0;
    }
    probe_launch_exec(program, argv + 4, NULL, all, 1, &error);
    return fail(&error);
}

/* SPDX-License-Identifier: MIT */
/*
 * atomic-update PID on=PATTERN|off=PATTERN...: switches many probes of a process in one step.
 *
 * All threads of the process are stopped during the update, so it never runs with half of it. If
 * any part of the update is not possible, nothing changes.
 */
#include <probe-engine.h>

#include <err.h>
#include <stdlib.h>
#include <string.h>

/* Adds what one word of the command line asks for. */
static int add_word(struct probe_update *update, const char *word, struct probe_error *error)
{
    enum probe_action action = PROBE_SWITCH_ON;
    if (strncmp(word, "off=", 4) == 0)
        action = PROBE_SWITCH_OFF;
    else if (strncmp(word, "on=", 3) != 0)
        errx(2, "'%s' is neither on=PATTERN nor off=PATTERN", word);
    ssize_t matched = probe_update_add_pattern(update, strchr(word, '=') + 1, action, 0, error);
    return matched < 0 ? (int)matched : 0;
}

/* What the command line asks for. */
struct request {
    struct probe_target *target;
    char **words;
};

static int attempt_update(void *data, struct probe_error *error)
{
    const struct request *request = data;
    struct probe_update *update = NULL;
    if (probe_update_new(request->target, &update) < 0)
        errx(1, "out of memory");
    int status = 0;
    for (char **word = request->words; *word && status == 0; word++)
        status = add_word(update, *word, error);
    if (status == 0)
        status = probe_update_apply(update, error);
    probe_update_free(update);
    return status;
}

int main(int argc, char **argv)
{
    const struct probe_engine_options options = {.method = PROBE_METHOD_PTRACE};
    struct probe_error error;
    struct probe_engine *engine = NULL;
    struct probe_target *target = NULL;
    if (argc < 3)
        errx(2, "usage: atomic-update PID on=PATTERN|off=PATTERN...");
    if (probe_engine_new(&options, &engine) < 0)
        errx(1, "cannot use /proc");
    if (probe_target_open(engine, atoi(argv[1]), PROBE_WRITE, &target, &error) < 0)
        errx(1, "%s", error.text);
    /* Tries again if a library came or went meanwhile. */
    struct request request = {.target = target, .words = argv + 2};
    if (probe_target_settle(target, attempt_update, &request, &error) < 0)
        errx(1, "%s", error.text);
    probe_target_close(target);
    probe_engine_free(engine);
}

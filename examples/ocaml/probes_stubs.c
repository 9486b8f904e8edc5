/* SPDX-License-Identifier: MIT */
/*
 * The library's side of probes.ml: this process looks at its own probes, and switches them.
 *
 * Each call opens the process anew, which takes well under a millisecond: so libraries that were
 * loaded since are seen, and a child of fork() sees itself. Only the engine stays, as it remembers
 * the object files that it has read.
 */
#include <probe-engine.h>

#include <caml/alloc.h>
#include <caml/fail.h>
#include <caml/memory.h>
#include <caml/mlvalues.h>
#include <stdlib.h>
#include <unistd.h>

static struct probe_target *open_own_process(void)
{
    static const struct probe_engine_options options = {.method = PROBE_METHOD_SELF};
    static struct probe_engine *engine;
    struct probe_target *target = NULL;
    struct probe_error error;

    if (!engine && probe_engine_new(&options, &engine) < 0)
        caml_failwith("cannot use /proc");
    if (probe_target_open(engine, getpid(), PROBE_WRITE, &target, &error) < 0)
        caml_failwith(error.text);
    return target;
}

/* caml_failwith() does not return: closes what is open before. */
static void fail(struct probe_target *target, struct probe_update *update, const char *sentence)
{
    probe_update_free(update);
    probe_target_close(target);
    caml_failwith(sentence);
}

value probes_switch(value on, value pattern)
{
    CAMLparam2(on, pattern);
    struct probe_error error = {.text = "out of memory"};
    struct probe_target *target = open_own_process();
    struct probe_update *update = NULL;
    enum probe_action action = Bool_val(on) ? PROBE_SWITCH_ON : PROBE_SWITCH_OFF;
    ssize_t count = probe_update_new(target, &update);

    if (count == 0)
        count = probe_update_add_pattern(update, String_val(pattern), action, 0, &error);
    if (count < 0 || probe_update_apply(update, &error) < 0)
        fail(target, update, error.text);
    probe_update_free(update);
    probe_target_close(target);
    CAMLreturn(Val_long(count));
}

value probes_states(value unit)
{
    CAMLparam1(unit);
    CAMLlocal2(result, pair);
    struct probe_error error = {.text = "out of memory"};
    struct probe_target *target = open_own_process();
    size_t count = probe_target_count(target);
    enum probe_state *states = calloc(count + 1, sizeof(*states));

    if (!states || probe_target_states(target, NULL, count, states, &error) < 0) {
        free(states);
        fail(target, NULL, error.text);
    }
    result = caml_alloc(count, 0);
    for (size_t i = 0; i < count; i++) {
        pair = caml_alloc(2, 0);
        Store_field(pair, 0, caml_copy_string(probe_target_name(target, i)));
        Store_field(pair, 1, Val_int(states[i]));
        Store_field(result, i, pair);
    }
    free(states);
    probe_target_close(target);
    CAMLreturn(result);
}

/* SPDX-License-Identifier: MIT */
#include "service/operations.h"

#include "service/answers.h"

#include <unistd.h>

/* Names of probes that are to be forgotten: as many as a target has. */
enum { FORGETS_MAX = 64 << 20 };

void call_close_given(struct call *call)
{
    for (size_t i = 0; i < GIVEN_COUNT; i++) {
        if (call->given[i] >= 0)
            close(call->given[i]);
        call->given[i] = -1;
    }
}

static uint64_t as_much_as_asked(const struct call *call)
{
    return call->in_length;
}

static uint64_t the_size(const struct call *call)
{
    return call->request.size;
}

static uint64_t a_saved_hold(const struct call *call)
{
    (void)call;
    return SAVED_MAX;
}

static uint64_t names_if_wanted(const struct call *call)
{
    return call->request.report_forgets ? FORGETS_MAX : 0;
}

const struct operation_row operation_rows[OPERATION_COUNT] = {
    [OPERATION_FIND] = {.name = "find", .answer = answer_find, .repeatable = true},
    [OPERATION_SCAN] = {.name = "scan",
                        .answer = answer_scan,
                        .repeatable = true,
                        .reply_max = as_much_as_asked},
    [OPERATION_OPEN] = {.name = "open", .answer = answer_open, .repeatable = true},
    [OPERATION_READ] = {.name = "read",
                        .answer = answer_read,
                        .repeatable = true,
                        .reply_max = the_size},
    [OPERATION_WRITE] = {.name = "write", .answer = answer_write, .reply_max = names_if_wanted},
    [OPERATION_CLOSE] = {.name = "close", .answer = answer_close, .repeatable = true},
    [OPERATION_LEND] = {.name = "lend", .answer = answer_lend, .repeatable = true, .lends = true},
    [OPERATION_LEND_FILE] = {.name = "lend-file",
                             .answer = answer_lend_file,
                             .repeatable = true,
                             .lends = true},
    [OPERATION_STOP] = {.name = "stop", .answer = answer_stop},
    [OPERATION_WRITE_CODE] = {.name = "write-code", .answer = answer_write_code},
    [OPERATION_RESUME] = {.name = "resume", .answer = answer_resume},
    [OPERATION_STREAM] = {.name = "stream", .answer = answer_stream},
    [OPERATION_HOLD_TAKE] = {.name = "hold-take",
                             .answer = answer_hold_take,
                             .reply_max = a_saved_hold},
    [OPERATION_HOLD_KEEP] = {.name = "hold-keep", .answer = answer_hold_keep},
    [OPERATION_HOLD_GIVE] = {.name = "hold-give", .answer = answer_hold_give},
    [OPERATION_HOLD_FORGET] = {.name = "hold-forget",
                               .answer = answer_hold_forget,
                               .repeatable = true},
};

uint64_t operation_reply_max(const struct call *call)
{
    uint64_t (*reply_max)(const struct call *) = operation_rows[call->request.operation].reply_max;
    return reply_max ? reply_max(call) : 0;
}

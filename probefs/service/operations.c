/* SPDX-License-Identifier: MIT */
#include "service/operations.h"

#include "service/answers.h"

/* Names of probes that are to be forgotten: as many as a target has. */
enum { FORGETS_MAX = 64 << 20 };

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
    [OPERATION_FIND] = {"find", true, NULL, answer_find},
    [OPERATION_SCAN] = {"scan", true, as_much_as_asked, answer_scan},
    [OPERATION_OPEN] = {"open", true, NULL, answer_open},
    [OPERATION_READ] = {"read", true, the_size, answer_read},
    [OPERATION_WRITE] = {"write", false, names_if_wanted, answer_write},
    [OPERATION_CLOSE] = {"close", true, NULL, answer_close},
    [OPERATION_LEND] = {"lend", true, NULL, answer_lend, .lends = true},
    [OPERATION_LEND_FILE] = {"lend-file", true, NULL, answer_lend_file, .lends = true},
    [OPERATION_HOLD_TAKE] = {"hold-take", false, a_saved_hold, answer_hold_take},
    [OPERATION_HOLD_KEEP] = {"hold-keep", false, NULL, answer_hold_keep},
    [OPERATION_HOLD_GIVE] = {"hold-give", false, NULL, answer_hold_give},
    [OPERATION_HOLD_FORGET] = {"hold-forget", true, NULL, answer_hold_forget},
};

uint64_t operation_reply_max(const struct call *call)
{
    uint64_t (*reply_max)(const struct call *) = operation_rows[call->request.operation].reply_max;
    return reply_max ? reply_max(call) : 0;
}

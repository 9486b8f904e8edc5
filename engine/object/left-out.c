/* SPDX-License-Identifier: MIT */
#include "object/left-out.h"

#include "names/name.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is shown of a name, which can have 255 bytes, in a sentence that has room for 511. */
enum { NAME_SHOWN = 60 };

/* How a sentence goes on behind "object 'PATH' of process PID": "has N THINGs", and what of them.
 */
static const struct {
    const char *thing, *reason;
} sentences[LEFT_OUT_REASONS] = {
    [LEFT_OUT_REST] = {"section", "of notes that cannot be read to the end"},
    [LEFT_OUT_CUT_SHORT] = {"note", "left out: the description is cut short"},
    [LEFT_OUT_NO_NAME] = {"note", "left out: the name is empty"},
    [LEFT_OUT_SITE] = {"note", "left out: the site is outside of the code, as linkers leave it "
                               "when they drop a function"},
    [LEFT_OUT_PATCHED] = {"note",
                          "left out: the site would be switched by its opcode, which is not "
                          "done on this processor"},
    [LEFT_OUT_NO_NOP] = {"note", "left out: there is no nop at the site, as where linkers leave it "
                                 "when they drop a function"},
    [LEFT_OUT_SEMAPHORE] = {"note", "left out: the semaphore is outside of the writable data, as "
                                    "linkers leave it when nothing reads it"},
    [LEFT_OUT_NO_SEMAPHORE] = {"note", "left out: the format needs a semaphore, and there is none"},
    [LEFT_OUT_TWO_SEMAPHORES] = {"probe", "left out: the notes name different semaphores, and the "
                                          "format has one for each name"},
    [LEFT_OUT_WATCH_ONLY] = {"note",
                             "without a semaphore left out: such a probe can be watched, not "
                             "switched"},
};

bool left_out_count(struct left_out *left_out, enum left_out_reason reason)
{
    return left_out->counts[reason]++ == 0;
}

void left_out_example(struct left_out *left_out, enum left_out_reason reason, const char *name,
                      const char *format, ...)
{
    char *example = left_out->examples[reason];
    const size_t size = sizeof(left_out->examples[reason]);
    char shown[NAME_SHOWN + 1];
    size_t length = text_escape(name, strlen(name), false, shown, sizeof(shown));
    const char *more = length < strlen(name) ? "..." : "";
    size_t used = (size_t)snprintf(example, size, *name ? "'%s%s'" : "a note%s%s", shown, more);
    va_list args;
    va_start(args, format);
    vsnprintf(example + used, size - used, format, args);
    va_end(args);
}

/* The sentence for REASON, to be freed; NULL without memory. */
static char *make_sentence(const struct left_out *left_out, enum left_out_reason reason)
{
    const size_t count = left_out->counts[reason];
    const char *example = left_out->examples[reason];
    char *sentence = NULL;
    if (asprintf(&sentence, "has %zu %s%s %s%s%s%s", count, sentences[reason].thing,
                 count > 1 ? "s" : "", sentences[reason].reason, *example ? " (for one, " : "",
                 example, *example ? ")" : "") < 0)
        return NULL;
    return sentence;
}

int left_out_tell(const struct left_out *left_out, struct object *object)
{
    for (enum left_out_reason reason = 0; reason < LEFT_OUT_REASONS; reason++) {
        if (left_out->counts[reason] == 0)
            continue;
        char *sentence = make_sentence(left_out, reason);
        if (!sentence)
            return -ENOMEM;
        if (reason == LEFT_OUT_WATCH_ONLY)
            object->watch_only = sentence;
        else
            object->problems[object->problem_count++] = sentence;
    }
    return 0;
}

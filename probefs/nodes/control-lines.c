/* SPDX-License-Identifier: MIT */
#include "nodes/control-lines.h"

#include "shared/array.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t";

/* So much of a line, and of what is wrong with it, a sentence has room for. */
enum { SHOWN_BYTES = 40 };

static int command_add(struct control *control, const struct value *value, const char *word,
                       size_t length, const struct control_line *line)
{
    if (ARRAY_RESERVE(control->commands, control->room, control->count + 1) < 0)
        return -ENOMEM;
    char *pattern = strndup(word, length);
    if (!pattern)
        return -ENOMEM;
    control->commands[control->count++] = (struct control_command){*value, pattern, *line};
    return 0;
}

/* The next word of what is left of a line: its length, 0 where there is none. */
static size_t next_word(const char **word, const char *end)
{
    while (*word < end && strchr(blanks, **word))
        (*word)++;
    const char *last = *word;
    while (last < end && !strchr(blanks, *last))
        last++;
    return *word < end && **word == '#' ? 0 : (size_t)(last - *word);
}

/* Parses one line, which has no NUL in it. */
static int parse_line(struct control *control, const struct control_line *line,
                      struct probe_error *error)
{
    const char *text = line->text;
    const char *end = text + line->length;
    struct value value;
    size_t length = next_word(&text, end);
    if (length == 0)
        return 0;
    int status = value_parse_command(text, length, &value, error);
    if (status < 0)
        return status;
    size_t names = 0;
    text += length;
    while (status == 0 && (length = next_word(&text, end)) > 0) {
        status = command_add(control, &value, text, length, line);
        text += length;
        names++;
    }
    if (status == 0 && names == 0) {
        snprintf(error->text, sizeof(error->text),
                 "a line of 'control' is VALUE NAME..., and this one has no name");
        return -EINVAL;
    }
    return status;
}

void control_name_line(const struct control_line *line, struct probe_error *error)
{
    struct probe_error reason = *error;
    char text[3 * SHOWN_BYTES + 1];
    if (!reason.text[0])
        return;
    size_t shown = line->length < SHOWN_BYTES ? line->length : SHOWN_BYTES;
    probe_escape(line->text, shown, text, sizeof(text));
    int used = snprintf(error->text, sizeof(error->text), "line %u (\"%s\"%s): ", line->number,
                        text, line->length > shown ? "..." : "");
    int room = (int)sizeof(error->text) - used;
    snprintf(error->text + used, (size_t)room, "%.*s", room - 1, reason.text);
}

int control_parse(const char *text, size_t length, struct control *result,
                  struct probe_error *error)
{
    struct control control = {0};
    const char *end = text + length;
    struct control_line line = {0};
    int status = 0;
    if (memchr(text, '\0', length)) {
        snprintf(error->text, sizeof(error->text), "what was written to 'control' is not text");
        return -EINVAL;
    }
    while (text < end && status == 0) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;
        line = (struct control_line){line.number + 1, text, (size_t)(line_end - text)};
        status = parse_line(&control, &line, error);
        text = line_end + 1;
    }
    if (status < 0) {
        control_name_line(&line, error);
        control_done(&control);
        return status;
    }
    *result = control;
    return 0;
}

void control_done(struct control *control)
{
    for (size_t i = 0; i < control->count; i++)
        free(control->commands[i].pattern);
    free(control->commands);
    *control = (struct control){0};
}

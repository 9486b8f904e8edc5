/* SPDX-License-Identifier: MIT */
/*
 * What people write: the text of `control` and of values, and patterns among some names. Nothing is
 * half read: a text that fails has no commands, and says what is wrong.
 */
#include "fuzz.h"

#include "nodes/control-lines.h"
#include "names/select.h"

static const char *const names[] = {"a", "a:b", "gc_start", "gc_stop", "x%2Fy", "~"};

static const char *name_of(const void *data, size_t index)
{
    (void)data;
    return names[index];
}

static ssize_t find(const void *data, const char *name)
{
    (void)data;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(names[i], name) == 0)
            return (ssize_t)i;
    }
    return -1;
}

static int visit(void *data, size_t index, struct probe_error *error)
{
    (void)error;
    require(index < sizeof(names) / sizeof(*names));
    *(size_t *)data += 1;
    return 0;
}

static void check_command(const struct control_command *command, const char *text, size_t size)
{
    static const struct select_names all = {"process 1", NULL, sizeof(names) / sizeof(*names),
                                            name_of, find};
    struct probe_error error = {.text = ""};
    size_t visited = 0;
    require(command->pattern[0] && !strpbrk(command->pattern, " \t\n"));
    require(command->value.number <= UINT16_MAX && command->line.number > 0);
    require(command->line.text >= text && command->line.length <= size &&
            command->line.text + command->line.length <= text + size);
    ssize_t matched = select_names(&all, command->pattern, false, visit, &visited, &error);
    require(matched < 0 ? error.text[0] : (size_t)matched == visited);
    control_name_line(&command->line, &error);
    require((matched < 0) == (strncmp(error.text, "line ", 5) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct probe_error error = {.text = ""};
    struct control control = {0};
    struct value value = {0};
    if (value_parse_switch(text, size, &value, &error) == 0)
        require(size <= 2 && value.number == 0);
    if (value_parse_count(text, size, &value, &error) == 0)
        require(value.number <= UINT16_MAX);
    error.text[0] = '\0';
    if (control_parse(text, size, &control, &error) < 0) {
        require(error.text[0] && control.count == 0 && !control.commands);
        return 0;
    }
    for (size_t i = 0; i < control.count; i++)
        check_command(&control.commands[i], text, size);
    control_done(&control);
    return 0;
}

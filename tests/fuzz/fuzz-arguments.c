/* SPDX-License-Identifier: MIT */
/* The arguments of a site, and the line of a record that they describe: all stays in its room. */
#include "fuzz.h"

#include "arch/registers.h"
#include "watch/records.h"

static bool find(void *data, const char *name, size_t length, uint64_t *address)
{
    (void)data;
    require(length > 0 && name[0] != ' ');
    *address = length;
    return length % 2;
}

/* What the kernel's side relies on. */
static void check_recipe(const struct watch_recipe *recipe, const struct watch_format *format)
{
    uint8_t texts = 0;
    require(recipe->count == format->shown && recipe->count <= WATCH_ARGUMENTS_MAX);
    require(format->shown <= format->count);
    for (size_t i = 0; i < recipe->count; i++) {
        const struct watch_operand *operand = &recipe->operands[i];
        require(operand->base < ARCH_SLOT_COUNT && operand->index < ARCH_SLOT_COUNT);
        require(operand->scale <= 3 && operand->load <= 8);
        require(operand->text == 0 || operand->text == ++texts);
        require(!format->arguments[i].understood || format->arguments[i].width > 0);
    }
    require(texts == recipe->texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static union {
        struct watch_record record;
        struct {
            uint64_t head[sizeof(struct watch_record) / sizeof(uint64_t)];
            uint64_t values[WATCH_ARGUMENTS_MAX];
            struct watch_text texts[WATCH_ARGUMENTS_MAX];
        };
    } whole;
    struct watch_recipe recipe;
    struct watch_format format;
    struct record_reader reader = {.mem = -1, .clock = {.second = -1}};
    const struct watch_scope scope = {0x1000, size % 2, find, NULL};
    char line[RECORD_LINE_MAX];

    watch_arguments_parse((const char *)data, size, &scope, &recipe, &format);
    check_recipe(&recipe, &format);
    /* Whatever the process had in its registers and memory. */
    memcpy(whole.values, data, size < sizeof(whole.values) ? size : sizeof(whole.values));
    for (size_t i = 0; i < WATCH_ARGUMENTS_MAX; i++) {
        whole.texts[i].length = (int32_t)(size % 3);
        memcpy(whole.texts[i].bytes, data, size < WATCH_TEXT_READ ? size : WATCH_TEXT_READ);
    }
    size_t length = record_show(&reader, &whole.record, "probe", &format, line);
    require(length > 0 && length <= sizeof(line) && line[length - 1] == '\n');
    require(!memchr(line, '\n', length - 1));
    return 0;
}

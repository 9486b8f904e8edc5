/* SPDX-License-Identifier: MIT */
#include "object/object.h"

#include "object/elf-file.h"
#include "object/object-builder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Sites are read from the file in windows of this size at most. */
enum { WINDOW = 256 << 10 };

/* Errors: ENOMEM; EIO. */
static int read_native(struct object *object, struct elf_file *file, const char *const *reserved)
{
    object->is_fixed = elf_file_is_fixed(file);
    int status = elf_file_segments(file, &object->segments, &object->segment_count);
    if (status == 0)
        return object_build(object, file, reserved);
    if (status != -ENOEXEC)
        return status;
    char *problem = strdup("is not used: its program headers make no sense");
    if (!problem)
        return -ENOMEM;
    object->problems[object->problem_count++] = problem;
    return 0;
}

int object_read(int fd, const char *const *reserved, struct object **result,
                struct probe_error *error)
{
    struct object *object = calloc(1, sizeof(*object));
    if (!object)
        return error_memory(error);
    pthread_mutex_init(&object->lock, NULL);

    struct elf_file *file = NULL;
    int status = elf_file_open(fd, &file);
    object->is_32_bit = status == ELF_FILE_32_BIT;
    if (status == ELF_FILE_NATIVE) {
        status = read_native(object, file, reserved);
        elf_file_close(file);
    }
    if (status < 0) {
        object_free(object);
        return status == -ENOMEM ? error_memory(error) : error_set(error, -status, "cannot read");
    }
    if (object->probe_count == 0) {
        free(object->segments);
        object->segments = NULL;
        object->segment_count = 0;
    }
    *result = object;
    return 0;
}

void object_free(struct object *object)
{
    if (!object)
        return;
    for (size_t i = 0; i < object->problem_count; i++)
        free(object->problems[i]);
    free(object->watch_only);
    free(object->segments);
    free(object->probes);
    free(object->sites);
    free(object->counters);
    free(object->strings);
    free(object->site_bytes);
    free(object->site_places.items);
    free(object->counter_places.items);
    pthread_mutex_destroy(&object->lock);
    free(object);
}

size_t object_size(const struct object *object)
{
    size_t strings = object->watch_only ? strlen(object->watch_only) + 1 : 0;
    for (size_t i = 0; i < object->probe_count; i++)
        strings += strlen(object->probes[i].name) + 1;
    for (size_t i = 0; i < object->problem_count; i++)
        strings += strlen(object->problems[i]) + 1;
    return sizeof(*object) + object->segment_count * sizeof(*object->segments) +
           object->probe_count * sizeof(*object->probes) +
           object->site_count * (sizeof(*object->sites) + SITE_LENGTH + sizeof(struct place)) +
           object->counter_count * (sizeof(*object->counters) + sizeof(struct place)) + strings;
}

/* Sites are known to lie in a segment. */
uint64_t object_file_offset(const struct object *object, uint64_t address)
{
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct segment *segment = &object->segments[i];
        if (segment->executable && address >= segment->address &&
            address - segment->address < segment->file_size)
            return segment->offset + (address - segment->address);
    }
    return 0;
}

struct site_offset {
    uint64_t offset;
    size_t site;
};

static int compare_offsets(const void *a, const void *b)
{
    const struct site_offset *x = a;
    const struct site_offset *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Reads the bytes of the sites in ORDER. Those beyond the end of the file stay 0. */
static int read_windows(int fd, const struct site_offset *order, size_t count,
                        uint8_t (*bytes)[SITE_LENGTH])
{
    uint8_t *window = malloc(WINDOW);
    if (!window)
        return -ENOMEM;
    int result = 0;
    for (size_t i = 0; i < count && result == 0;) {
        uint64_t start = order[i].offset;
        size_t last = i;
        while (last + 1 < count && order[last + 1].offset - start <= WINDOW - SITE_LENGTH &&
               order[last + 1].offset - order[last].offset <= 4096)
            last++;
        size_t length = (size_t)(order[last].offset - start) + SITE_LENGTH;
        ssize_t got = pread(fd, window, length, (off_t)start);
        if (got < 0)
            result = -EIO;
        for (; i <= last && got >= 0; i++) {
            size_t at = (size_t)(order[i].offset - start);
            if (at + SITE_LENGTH <= (size_t)got)
                memcpy(bytes[order[i].site], window + at, SITE_LENGTH);
        }
    }
    free(window);
    return result;
}

static int read_site_bytes(struct object *object, int fd)
{
    struct site_offset *order = malloc(object->site_count * sizeof(*order));
    uint8_t(*bytes)[SITE_LENGTH] = calloc(object->site_count, sizeof(*bytes));
    int result = order && bytes ? 0 : -ENOMEM;
    if (result == 0) {
        for (size_t i = 0; i < object->site_count; i++)
            order[i] =
                (struct site_offset){object_file_offset(object, object->sites[i].address), i};
        qsort(order, object->site_count, sizeof(*order), compare_offsets);
        result = read_windows(fd, order, object->site_count, bytes);
    }
    free(order);
    if (result == 0)
        object->site_bytes = bytes;
    else
        free(bytes);
    return result;
}

bool object_sites_are_read(struct object *object)
{
    pthread_mutex_lock(&object->lock);
    bool known = object->site_bytes || object->site_count == 0;
    pthread_mutex_unlock(&object->lock);
    return known;
}

int object_read_sites(struct object *object, int fd, const uint8_t (**bytes)[SITE_LENGTH],
                      struct probe_error *error)
{
    pthread_mutex_lock(&object->lock);
    int result = object->site_bytes || object->site_count == 0 ? 0 : read_site_bytes(object, fd);
    pthread_mutex_unlock(&object->lock);
    if (result < 0)
        return error_set(error, -result, "cannot read the code at its probes' sites");
    *bytes = (const uint8_t(*)[SITE_LENGTH])object->site_bytes;
    return 0;
}

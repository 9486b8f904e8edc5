/* SPDX-License-Identifier: MIT */
#include "object/object.h"

#include "object/elf-file.h"
#include "object/file-pieces.h"
#include "object/object-builder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    places_done(&object->site_places);
    places_done(&object->counter_places);
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

static int read_sites(struct object *object, int fd)
{
    struct file_piece *pieces = malloc(object->site_count * sizeof(*pieces));
    uint8_t(*bytes)[SITE_LENGTH] = calloc(object->site_count, sizeof(*bytes));
    int status = pieces && bytes ? 0 : -ENOMEM;
    for (size_t i = 0; i < object->site_count && status == 0; i++)
        pieces[i] = (struct file_piece){object_file_offset(object, object->sites[i].address), i};
    if (status == 0)
        status = file_pieces_read(fd, pieces, object->site_count, bytes);
    free(pieces);
    if (status == 0)
        object->site_bytes = bytes;
    else
        free(bytes);
    return status;
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
    int result = object->site_bytes || object->site_count == 0 ? 0 : read_sites(object, fd);
    pthread_mutex_unlock(&object->lock);
    if (result < 0)
        return error_set(error, -result, "cannot read the code at its probes' sites");
    *bytes = (const uint8_t(*)[SITE_LENGTH])object->site_bytes;
    return 0;
}

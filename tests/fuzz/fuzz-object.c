/* SPDX-License-Identifier: MIT */
/*
 * A whole file, as the server reads it: what is found of it lies in its segments and is sorted, or
 * nothing is found.
 */
#include "fuzz.h"

#include "object/object.h"

#include <sys/mman.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 1 << 20 };

static bool is_in_segment(const struct object *object, uint64_t address, size_t length, bool code)
{
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct segment *segment = &object->segments[i];
        if ((code ? segment->executable : segment->writable) && address >= segment->address &&
            length <= segment->memory_size &&
            address - segment->address <= segment->memory_size - length)
            return true;
    }
    return false;
}

static void check_probe(const struct object *object, const struct object_probe *probe)
{
    require(probe->name[0] && strlen(probe->name) <= 255 && !strchr(probe->name, '/'));
    require(probe->counter_count > 0 || probe->site_count > 0);
    require((size_t)probe->first_counter + probe->counter_count <= object->counter_count);
    require((size_t)probe->first_site + probe->site_count <= object->site_count);
    for (uint32_t i = 0; i < probe->counter_count; i++)
        require(is_in_segment(object, object->counters[probe->first_counter + i].address,
                              sizeof(uint16_t), false));
    for (uint32_t i = 0; i < probe->site_count; i++) {
        const struct site *site = &object->sites[probe->first_site + i];
        require(is_in_segment(object, site->address, site->patched ? SITE_LENGTH : 1, true));
        require((probe->counter_count == 0 && site->counter == SITE_NO_COUNTER) ||
                site->counter - probe->first_counter < probe->counter_count);
        require(strlen(object->strings + site->arguments) < ARGUMENTS_MAX);
        object_file_offset(object, site->address);
    }
}

/* What a terminal may show: names in it are escaped. */
static void check_sentence(const char *sentence)
{
    require(strlen(sentence) > 20 && strlen(sentence) < 300);
    for (const char *at = sentence; *at; at++)
        require((unsigned char)*at >= ' ' && *at != 0x7f);
}

static void check_object(struct object *object, int fd)
{
    const uint8_t(*bytes)[SITE_LENGTH] = NULL;
    require(object->problem_count <= OBJECT_PROBLEMS_MAX);
    for (size_t i = 0; i < object->problem_count; i++)
        check_sentence(object->problems[i]);
    if (object->watch_only)
        check_sentence(object->watch_only);
    for (size_t i = 0; i < object->probe_count; i++) {
        check_probe(object, &object->probes[i]);
        require(i == 0 || strcmp(object->probes[i - 1].name, object->probes[i].name) < 0);
    }
    if (object_read_sites(object, fd, &bytes, NULL) == 0)
        require(bytes || object->site_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct object *object = NULL;
    struct probe_error error = {.text = ""};
    if (fd < 0)
        fd = memfd_create("object", MFD_CLOEXEC);
    require(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    if (object_read(fd, NULL, &object, &error) == 0)
        check_object(object, fd);
    object_free(object);
    return 0;
}

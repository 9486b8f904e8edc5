/* SPDX-License-Identifier: MIT */
#include "object-file.h"

#include "unit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *from_environment(const char *name)
{
    const char *value = getenv(name);
    if (!value)
        fail_msg("%s is not in the environment: run this with meson test", name);
    return value;
}

int open_target(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", from_environment("TARGETS"), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("cannot open '%s'", path);
    return fd;
}

uint8_t *read_file(int fd, size_t *size)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    uint8_t *bytes = malloc((size_t)status.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, (size_t)status.st_size, 0), status.st_size);
    *size = (size_t)status.st_size;
    return bytes;
}

int make_file(const uint8_t *bytes, size_t size)
{
    int fd = memfd_create("object", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    return fd;
}

static const struct segment *segment_of(const struct object *object, uint64_t address, size_t size)
{
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct segment *segment = &object->segments[i];
        if (address >= segment->address && size <= segment->memory_size &&
            address - segment->address <= segment->memory_size - size)
            return segment;
    }
    return NULL;
}

static void check_probe(const struct object *object, const struct object_probe *probe)
{
    assert_true(strlen(probe->name) > 0 && strlen(probe->name) <= 255);
    assert_null(strchr(probe->name, '/'));
    assert_true(probe->first_counter + probe->counter_count <= object->counter_count);
    assert_true(probe->first_site + probe->site_count <= object->site_count);
    for (uint32_t i = 0; i < probe->counter_count; i++) {
        const struct counter *counter = &object->counters[probe->first_counter + i];
        assert_non_null(segment_of(object, counter->address, 2));
        if (i > 0)
            assert_true(counter[-1].address < counter->address);
    }
    for (uint32_t i = 0; i < probe->site_count; i++) {
        const struct site *site = &object->sites[probe->first_site + i];
        assert_non_null(segment_of(object, site->address, site->patched ? SITE_LENGTH : 1));
        if (probe->counter_count > 0)
            assert_true(site->counter >= probe->first_counter &&
                        site->counter < probe->first_counter + probe->counter_count);
        if (i > 0)
            assert_true(site[-1].address < site->address);
        assert_true(strlen(object->strings + site->arguments) < SIZE_MAX / 2);
    }
}

void check_object(const struct object *object)
{
    assert_true(object->problem_count <= OBJECT_PROBLEMS_MAX);
    for (size_t i = 0; i < object->problem_count; i++)
        assert_true(strlen(object->problems[i]) > 20 && strlen(object->problems[i]) < 300);
    if (object->probe_count == 0) {
        assert_int_equal(object->site_count, 0);
        assert_int_equal(object->counter_count, 0);
        assert_int_equal(object->segment_count, 0);
    }
    assert_true(object_size(object) >= sizeof(*object));
    for (size_t i = 0; i < object->probe_count; i++) {
        check_probe(object, &object->probes[i]);
        if (i > 0)
            assert_true(strcmp(object->probes[i - 1].name, object->probes[i].name) < 0);
    }
}

struct object *read_object(int fd)
{
    struct object *object = NULL;
    struct probe_error error = {.text = ""};
    int status = object_read(fd, NULL, &object, &error);
    if (status < 0)
        fail_msg("status %d: %s", status, error.text);
    check_object(object);
    return object;
}

const struct object_probe *find_probe(const struct object *object, const char *name)
{
    for (size_t i = 0; i < object->probe_count; i++) {
        if (strcmp(object->probes[i].name, name) == 0)
            return &object->probes[i];
    }
    fail_msg("there is no probe '%s'", name);
    return NULL;
}

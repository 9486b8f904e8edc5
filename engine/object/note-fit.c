/* SPDX-License-Identifier: MIT */
#include "object/note-fit.h"

#include <stddef.h>

/* The segment that LENGTH bytes at ADDRESS lie in, of those that are writable, or executable. */
static const struct segment *find_segment(const struct object *object, uint64_t address,
                                          size_t length, bool writable)
{
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct segment *segment = &object->segments[i];
        uint64_t size = writable ? segment->memory_size : segment->file_size;
        if ((writable ? segment->writable : segment->executable) && size >= length &&
            address >= segment->address && address - segment->address <= size - length)
            return segment;
    }
    return NULL;
}

/* The file's own headers are loaded, too: in the first segment, which may be of code. */
static bool is_in_headers(const struct elf_file *file, const struct segment *segment,
                          uint64_t address, size_t length)
{
    uint64_t at = address - segment->address;
    return at < segment->file_size && elf_file_has_header_at(file, segment->offset + at, length);
}

bool note_fit_site(const struct object *object, const struct elf_file *file, uint64_t site,
                   const struct format *format)
{
    size_t length = format->patched ? SITE_LENGTH : 1;
    if (site == 0)
        return !format->needs_site || (format->patched && !arch_patches_sites);
    const struct segment *segment = find_segment(object, site, length, false);
    return segment && !is_in_headers(file, segment, site, length) &&
           elf_file_has_code_at(file, site, length);
}

bool note_fit_counter(const struct object *object, const struct elf_file *file, uint64_t semaphore,
                      uint64_t counter)
{
    size_t length = sizeof(uint16_t);
    const struct segment *segment =
        counter < semaphore ? NULL : find_segment(object, counter, length, true);
    return segment && !is_in_headers(file, segment, counter, length);
}

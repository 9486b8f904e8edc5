/* SPDX-License-Identifier: MIT */
/* A whole file, as probe-run reads it to find libraries: its strings are bounded, and freed. */
#include "fuzz.h"

#include "object/elf-dynamic.h"

#include <sys/mman.h>
#include <unistd.h>

enum { STRING_MAX = 65536 };

static void check_string(const char *string)
{
    require(!string || strlen(string) < STRING_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct elf_dynamic dynamic;
    if (fd < 0)
        fd = memfd_create("program", MFD_CLOEXEC);
    require(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    if (elf_dynamic_read(fd, &dynamic) != 1)
        return 0;
    check_string(dynamic.loader);
    check_string(dynamic.soname);
    check_string(dynamic.rpath);
    check_string(dynamic.runpath);
    for (size_t i = 0; i < dynamic.needed_count; i++) {
        require(dynamic.needed[i]);
        check_string(dynamic.needed[i]);
    }
    elf_dynamic_done(&dynamic);
    return 0;
}

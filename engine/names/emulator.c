/* SPDX-License-Identifier: MIT */
#include "names/emulator.h"

#include <stddef.h>
#include <string.h>

static const char prefix[] = "qemu-";

/* How names go on: a processor, and maybe a kind of it (mips64el). Others (img, nbd) are tools. */
static const char *const processors[] = {
    "aarch64",     "alpha", "arm",        "cris",  "hexagon", "hppa",   "i386",
    "loongarch64", "m68k",  "microblaze", "mips",  "nios2",   "or1k",   "ppc",
    "riscv",       "s390x", "sh4",        "sparc", "tilegx",  "x86_64", "xtensa",
};

enum { PROCESSOR_COUNT = sizeof(processors) / sizeof(processors[0]) };

bool emulator_is_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return false;
    name += strlen(prefix);
    for (size_t i = 0; i < PROCESSOR_COUNT; i++) {
        if (strncmp(name, processors[i], strlen(processors[i])) == 0)
            return true;
    }
    return false;
}

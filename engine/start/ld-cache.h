/* SPDX-License-Identifier: MIT */
/*
 * /etc/ld.so.cache: where glibc's loader finds libraries by name. ldconfig(8) writes it; `ldconfig
 * -p` shows it:
 *
 *     libz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1
 *     libfast.so.1 (libc6,x86-64, hwcap: "x86-64-v3") => /lib/.../x86-64-v3/libfast.so.1
 *
 * The format is that of glibc 2.2 and later (sysdeps/generic/dl-cache.h), alone or behind the older
 * one. Surprises: a name may stand there several times, for several machines and processors; and
 * numbers are those of the machine that reads.
 */
#ifndef ENGINE_LD_CACHE_H
#define ENGINE_LD_CACHE_H

#include <stddef.h>
#include <stdint.h>

/*
 * The path of the library NAME in the cache, BYTES of LENGTH, which the string points into. KIND is
 * this machine's (arch_library_kind). HWCAPS are the processor's (arch_hwcaps()): the first of them
 * that has an entry wins over the entry without one. NULL if there is none, or it is no cache.
 */
const char *ld_cache_find(const void *bytes, size_t length, const char *name, uint32_t kind,
                          const char *const *hwcaps);

#endif

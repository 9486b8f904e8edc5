/* SPDX-License-Identifier: MIT */
/*
 * What a BPF program needs to be one: sections, the form of a map's definition, the kernel's
 * helpers. As <bpf/bpf_helpers.h>, which gcc has trouble with: it puts the constant address of a
 * helper into a register, and there are no indirect calls.
 */
#ifndef ENGINE_WATCH_PROGRAM_H
#define ENGINE_WATCH_PROGRAM_H

#include <linux/bpf.h>

#define SEC(name)         __attribute__((section(name), used))
#define MAP_UINT(name, n) int(*name)[n]
#define MAP_TYPE(name, t) t *name
#define ALWAYS_INLINE     inline __attribute__((always_inline))
#define NULL              ((void *)0)

#ifdef __clang__
#define HELPER(result, name, ...)                                                                  \
    static result (*const bpf_##name)(__VA_ARGS__) = (void *)BPF_FUNC_##name
#else
#define HELPER(result, name, ...)                                                                  \
    result bpf_##name(__VA_ARGS__) __attribute__((kernel_helper(BPF_FUNC_##name)))
#endif

HELPER(void *, map_lookup_elem, void *map, const void *key);
HELPER(__u64, ktime_get_ns, void);
HELPER(__u64, get_current_pid_tgid, void);
HELPER(__u64, get_attach_cookie, void *ctx);
HELPER(long, probe_read_user, void *to, __u32 size, const void *from);
HELPER(long, probe_read_user_str, void *to, __u32 size, const void *from);
HELPER(void *, ringbuf_reserve, void *ring, __u64 size, __u64 flags);
HELPER(void, ringbuf_submit, void *record, __u64 flags);

#endif

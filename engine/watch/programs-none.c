/* SPDX-License-Identifier: MIT */
/* Where the library was built without what makes and loads BPF programs. */
#include "watch/programs.h"

#include <errno.h>

int programs_load(const struct programs_wanted *wanted, struct watch_programs *programs,
                  struct probe_error *error)
{
    (void)wanted;
    (void)programs;
    return error_set(error, EOPNOTSUPP,
                     "this libprobe-engine was built without the programs that watch probes (they "
                     "need libbpf, and clang or bpf-gcc, where it is built)");
}

void programs_done(struct watch_programs *programs)
{
    (void)programs;
}

int tallies_open(int fd, size_t count, const volatile __u64 **tallies)
{
    (void)fd;
    (void)count;
    (void)tallies;
    return -EOPNOTSUPP;
}

void tallies_close(const volatile __u64 *tallies, size_t count)
{
    (void)tallies;
    (void)count;
}

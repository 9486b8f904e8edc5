/* SPDX-License-Identifier: MIT */
/* Which system calls are left to a process that has nothing else to do. */
#ifndef PROBEFS_SEAL_H
#define PROBEFS_SEAL_H

/*
 * From here on the process may attach to probes, start holders, log, and read files; it may not
 * write to any, execute, trace, send signals or mount. What it may not is EPERM. Returns 0, or -1
 * with errno.
 */
int seal_attacher(void);

#endif

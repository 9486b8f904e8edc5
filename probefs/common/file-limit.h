/* SPDX-License-Identifier: MIT */
/* How many descriptors a process may have. */
#ifndef PROBEFS_FILE_LIMIT_H
#define PROBEFS_FILE_LIMIT_H

/* As many as the hard limit allows: handles, targets and what is watched take descriptors each. */
void raise_file_limit(void);

#endif

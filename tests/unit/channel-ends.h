/* SPDX-License-Identifier: MIT */
/* What tests of the channel between server and worker share. */
#ifndef UNIT_CHANNEL_ENDS_H
#define UNIT_CHANNEL_ENDS_H

#include <stddef.h>
#include <time.h>

/* Far more than any call here takes: a test that hangs ends with ETIMEDOUT instead. */
struct timespec in_a_minute(void);
struct timespec long_ago(void);
size_t count_open_files(void);
void close_ends(const int ends[2]);
char *pattern(size_t length);

#endif

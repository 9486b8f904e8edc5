/* SPDX-License-Identifier: MIT */
/* The options of a mount, as mount(8) and fstab(5) write them: NAME[=VALUE],... */
#ifndef MOUNT_PROBEFS_OPTIONS_H
#define MOUNT_PROBEFS_OPTIONS_H

#include <stdbool.h>

/*
 * What of TEXT is for the server; in new memory, NULL where there is none. What mount(8) and
 * systemd have for themselves is left out; if SLOPPY, so is what nobody knows.
 */
char *options_for_server(const char *text, bool sloppy);

/* Is NAME one of the options in TEXT? */
bool options_have(const char *text, const char *name);

#endif

/* SPDX-License-Identifier: MIT */
/* The options of a mount, as mount(8) and fstab(5) write them: NAME[=VALUE],... */
#ifndef MOUNT_PROBEFS_OPTIONS_H
#define MOUNT_PROBEFS_OPTIONS_H

#include <stdbool.h>

/*
 * Returns the options in TEXT that are for the server, as a new string, or NULL without memory. It
 * leaves out those for mount(8) and systemd and, if SLOPPY, unknown ones.
 */
char *options_for_server(const char *text, bool sloppy);

/* Is NAME one of the options in TEXT? */
bool options_have(const char *text, const char *name);

#endif

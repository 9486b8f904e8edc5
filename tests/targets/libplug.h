/* SPDX-License-Identifier: MIT */
#ifndef LIBPLUG_H
#define LIBPLUG_H

/* Passes the library's sites. Those that are on print `AS NAME: round ROUND`. */
void plug_run(const char *as, long round);

/* How often they were on, so far, in this copy of the library. */
unsigned long plug_hits(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The streams that this worker feeds. A feed is a watch and a socket: lines go from the one to the
 * other, until the process has ended or the server closes its end.
 *
 * Two threads serve all of them, as long as there are any: the pump looks into the rings, which
 * wake nobody, every few milliseconds; the looker looks for objects that were loaded since, twice a
 * second. Only these may wait for a process; a pump that hangs there keeps the list's lock, so the
 * next call that needs it is not answered, and the server ends the worker.
 */
#ifndef PROBEFS_FEEDS_H
#define PROBEFS_FEEDS_H

struct service;
struct feeds;

/* Errors: ENOMEM, EMFILE. */
int feeds_new(struct service *service, struct feeds **feeds);
/* For a service without feeds; others end with their process. NULL is fine. */
void feeds_free(struct feeds *feeds);

#endif

/* SPDX-License-Identifier: MIT */
/* How a service gets access to a target's image, and what it says where the kernel refuses. */
#ifndef PROBEFS_ACCESS_H
#define PROBEFS_ACCESS_H

#include "service/targets.h"

/* Tells the server, in CALL, what it would have to open for ACCESS; returns STATUS. */
int access_needs_image(struct probe_engine *engine, struct call *call, enum probe_access access,
                       int status);

/*
 * Attaches an image that is opened now, by this process, or was just opened by the server. Called
 * with the target's lock held. Errors: those of probe_image_open(); ESRCH the image has gone.
 */
int access_begin(struct probe_engine *engine, struct service_target *target, struct call *call,
                 enum probe_access access);
/* Ends what an image that the server lent allowed; one of our own stays for the next call. */
void access_end(struct service_target *target);

/* A target whose image has ended, as STATUS may say, is not kept once its handles are closed. */
void access_note_end(struct service_target *target, int status);

#endif

/* SPDX-License-Identifier: MIT */
/* How a service gets access to a target's image, and what it says where the kernel refuses. */
#ifndef PROBEFS_ACCESS_H
#define PROBEFS_ACCESS_H

#include "service/targets.h"

/*
 * All are called with the target's lock held.
 *
 * Attaches an image that is opened now, by this process, or came with the call. Errors: those of
 * probe_image_open() but ENOENT; ESRCH the image, or the process, has gone.
 */
int access_begin(struct probe_engine *engine, struct service_target *target, struct call *call,
                 enum probe_access access);

/*
 * The same for an open: with the access that the call asks for, and its probe has to be there.
 * Errors: ENOENT it is not.
 */
int access_open(struct probe_engine *engine, struct service_target *target, struct call *call);

/* The same for a file that is open: what is attached will do. */
int access_resume(struct probe_engine *engine, struct service_target *target, struct call *call);

/*
 * For a thread that goes on with what a call began: attaches a copy of LENT, where the image was
 * lent then; one of our own is attached still. Errors: as above; EMFILE; ENFILE.
 */
int access_again(struct probe_engine *engine, struct service_target *target,
                 const struct probe_image *lent);

/* Ends what an image that came with the call allowed; one of our own stays for the next call. */
void access_end(struct service_target *target);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the kernel gives back: open files and directories, and names that it forgets.
 *
 * It says so once, and nobody looks at the answer: so this may not fail. The library allocates for
 * each request, and refuses it where there is no memory; a hold would stay for good then, and
 * whoever waits for its end would wait for ever. So these requests do not go through the library;
 * nor does the flush at each close() that has nothing to do: its error would look like one of the
 * write before, which has had its effect.
 */
#ifndef PROBEFS_RAW_REQUESTS_H
#define PROBEFS_RAW_REQUESTS_H

#include "server/server.h"

/*
 * To be called for each request as soon as it is received, with its BYTES, and before the next one
 * is: notes that a hold will be released.
 */
void raw_request_expect(const void *bytes, size_t length);

/* Serves and answers the request, if it is one of those. Returns whether it is. */
bool raw_request_serve(struct server *server, const void *bytes, size_t length);

#endif

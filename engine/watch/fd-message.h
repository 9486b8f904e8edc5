/* SPDX-License-Identifier: MIT */
/* One packet with descriptors, over a SOCK_SEQPACKET socket. */
#ifndef ENGINE_FD_MESSAGE_H
#define ENGINE_FD_MESSAGE_H

#include <stddef.h>

/* As many as the kernel lets travel with one packet. */
enum { FD_MESSAGE_MAX = 253 };

/* Sends LENGTH bytes and COUNT descriptors, without waiting. Errors: EPIPE; EAGAIN; those of
 * sendmsg(). */
int fd_message_send(int socket, const void *bytes, size_t length, const int *fds, size_t count);

/*
 * Receives a packet of exactly LENGTH bytes, and at most *COUNT descriptors, which are the
 * caller's; *COUNT says how many came. Does not wait. Errors: EAGAIN there is none; EPIPE the other
 * end has gone, or sent something else.
 */
int fd_message_receive(int socket, void *bytes, size_t length, int *fds, size_t *count);

/* Closes COUNT descriptors. */
void fd_message_close(const int *fds, size_t count);

#endif

/* SPDX-License-Identifier: MIT */
/* Packets over a socket, with descriptors, until a deadline: what channels are made of. */
#ifndef PROBEFS_PACKET_H
#define PROBEFS_PACKET_H

#include <stddef.h>
#include <time.h>

enum {
    PACKET_MAX = 64 << 10,   /* bytes */
    PACKET_FDS_MAX = 6,      /* descriptors that come with one packet */
    PACKETS_FIRST = 1 << 20, /* room for this much is made at once, and for more when that came */
};

/*
 * Sends one packet. DEADLINE (CLOCK_MONOTONIC; NULL: none) is until when there has to be room for
 * it. Errors: ETIMEDOUT; EPIPE.
 */
int packet_send(int channel, const void *bytes, size_t length, const int *fds, size_t fd_count,
                const struct timespec *deadline);

/* Once for each socket where somebody is to receive with a deadline. Errors: those of setsockopt().
 */
int packet_prepare(int channel);

/*
 * Receives a packet of exactly LENGTH bytes, with FD_COUNT descriptors; none may come if FDS is
 * NULL. Errors: ETIMEDOUT; EPIPE the other end has gone, or sent something else.
 */
int packet_receive(int channel, void *bytes, size_t length, int fds[PACKET_FDS_MAX],
                   size_t *fd_count, const struct timespec *deadline);

/* LENGTH bytes in as many packets as that takes. */
int packets_send(int channel, const char *bytes, size_t length, const struct timespec *deadline);

/*
 * Receives these into *RESULT, which has ROOM (NULL: 0), and grows as they come. Errors: also
 * ENOMEM: then they were passed over, and what follows is in its place.
 */
int packets_receive(int channel, size_t length, char **result, size_t room,
                    const struct timespec *deadline);

#endif

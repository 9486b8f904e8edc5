/* SPDX-License-Identifier: MIT */
#include "workers/packet.h"

#include "shared/clock.h"
#include "shared/rights.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int wait_for(int channel, short events, const struct timespec *deadline)
{
    for (;;) {
        struct pollfd poller = {.fd = channel, .events = events};
        int ready = poll(&poller, 1, clock_poll_timeout(deadline));
        if (ready > 0)
            return 0;
        if (ready == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -EPIPE;
    }
}

int packet_send(int channel, const void *bytes, size_t length, const int *fds, size_t fd_count,
                const struct timespec *deadline)
{
    union {
        char bytes[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec vector = {(void *)bytes, length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    rights_put(&message, control.bytes, fds, fd_count);
    for (;;) {
        if (sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -EPIPE;
        int status = wait_for(channel, POLLOUT, deadline);
        if (status < 0)
            return status;
    }
}

/*
 * How long a receiving sleeps that has a deadline. Only one that has less time left changes it, for
 * that once: most packets come soon, and none of these pays for a system call more.
 */
#define NAP (20 * CLOCK_MILLISECOND)

static int set_nap(int channel, int64_t nanoseconds)
{
    int64_t nap = nanoseconds / 1000 + 1; /* in microseconds; 0 is without end */
    const struct timeval time = {nap / 1000000, nap % 1000000};
    return setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) < 0 ? -errno : 0;
}

int packet_prepare(int channel)
{
    return set_nap(channel, NAP);
}

/* Sleeps for LEFT at most, and not for long. */
static ssize_t receive_within(int channel, struct msghdr *message, int64_t left)
{
    if (left >= NAP)
        return recvmsg(channel, message, MSG_CMSG_CLOEXEC);
    if (left <= 0)
        return recvmsg(channel, message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    set_nap(channel, left);
    ssize_t got = recvmsg(channel, message, MSG_CMSG_CLOEXEC);
    int error = errno;
    set_nap(channel, NAP);
    errno = error;
    return got;
}

/*
 * Receives when something comes. It sleeps in the receiving itself: to be woken by poll() first
 * would cost each packet more. Returns the length, or an error.
 */
static ssize_t receive(int channel, struct msghdr *message, const struct timespec *deadline)
{
    for (;;) {
        int64_t left = deadline ? clock_left(deadline) : NAP;
        ssize_t got = receive_within(channel, message, left);
        if (got >= 0)
            return got;
        if (errno == EAGAIN && left <= 0)
            return -ETIMEDOUT;
        if (errno != EAGAIN && errno != EINTR)
            return -EPIPE;
    }
}

int packet_receive(int channel, void *bytes, size_t length, int fds[PACKET_FDS_MAX],
                   size_t *fd_count, const struct timespec *deadline)
{
    union {
        char bytes[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec vector = {bytes, length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (fds) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
    }
    ssize_t got = receive(channel, &message, deadline);
    if (got < 0)
        return (int)got;
    /* There are no more than PACKET_FDS_MAX: MSG_CTRUNC closes others. */
    size_t count = fds ? rights_take(&message, fds, PACKET_FDS_MAX) : 0;
    if (got != (ssize_t)length || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        while (count > 0)
            close(fds[--count]);
        return -EPIPE;
    }
    if (fd_count)
        *fd_count = count;
    return 0;
}

int packets_send(int channel, const char *bytes, size_t length, const struct timespec *deadline)
{
    int status = 0;
    while (length > 0 && status == 0) {
        size_t piece = length < PACKET_MAX ? length : PACKET_MAX;
        status = packet_send(channel, bytes, piece, NULL, 0, deadline);
        bytes += piece;
        length -= piece;
    }
    return status;
}

/* Leaves out what there is no memory for, so that what follows is in its place. */
static int skip_pieces(int channel, size_t length, const struct timespec *deadline)
{
    char byte = 0;
    int status = 0;
    for (size_t at = 0; at < length && status == 0; at += PACKET_MAX) {
        size_t piece = length - at < PACKET_MAX ? length - at : PACKET_MAX;
        status = wait_for(channel, POLLIN, deadline);
        if (status == 0 &&
            recv(channel, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) != (ssize_t)piece)
            status = -EPIPE;
    }
    return status < 0 ? status : -ENOMEM;
}

int packets_receive(int channel, size_t length, char **result, size_t room,
                    const struct timespec *deadline)
{
    for (size_t at = 0; at < length;) {
        size_t piece = length - at < PACKET_MAX ? length - at : PACKET_MAX;
        if (at + piece > room) {
            room = length < 2 * room + PACKETS_FIRST ? length : 2 * room + PACKETS_FIRST;
            char *larger = realloc(*result, room);
            if (!larger)
                return skip_pieces(channel, length - at, deadline);
            *result = larger;
        }
        int status = packet_receive(channel, *result + at, piece, NULL, NULL, deadline);
        if (status < 0)
            return status;
        at += piece;
    }
    return 0;
}

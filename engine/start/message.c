/* SPDX-License-Identifier: MIT */
#include "start/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int message_open(int sockets[2], struct probe_error *error)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return error_set(error, errno, "cannot make a pair of sockets: %s", strerror(errno));
    return 0;
}

bool message_send(int to, const struct message *message)
{
    return send(to, message, sizeof(*message), MSG_NOSIGNAL) == (ssize_t)sizeof(*message);
}

bool message_receive(int from, struct message *message)
{
    ssize_t got = -1;
    do {
        got = recv(from, message, sizeof(*message), 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(*message);
}

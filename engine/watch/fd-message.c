/* SPDX-License-Identifier: MIT */
#include "watch/fd-message.h"

#include "shared/rights.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control {
    char bytes[CMSG_SPACE(FD_MESSAGE_MAX * sizeof(int))];
    struct cmsghdr align;
};

void fd_message_close(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

int fd_message_send(int socket, const void *bytes, size_t length, const int *fds, size_t count)
{
    union control control = {{0}};
    struct iovec vector = {(void *)bytes, length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (count > FD_MESSAGE_MAX)
        return -E2BIG;
    rights_put(&message, control.bytes, fds, count);
    for (;;) {
        if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length)
            return 0;
        if (errno != EINTR)
            return -errno;
    }
}

int fd_message_receive(int socket, void *bytes, size_t length, int *fds, size_t *count)
{
    union control control;
    struct iovec vector = {bytes, length};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    ssize_t got = -1;
    do {
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? -EAGAIN : -EPIPE;
    size_t room = *count;
    *count = rights_take(&message, fds, room);
    if (got == (ssize_t)length && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && *count <= room)
        return 0;
    fd_message_close(fds, *count < room ? *count : room);
    *count = 0;
    return -EPIPE;
}

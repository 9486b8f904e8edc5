/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that go along with a message over a socket (SCM_RIGHTS, unix(7)).
 *
 *   union { char bytes[CMSG_SPACE(N * sizeof(int))]; struct cmsghdr align; } control;
 *   struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
 *   rights_put(&message, control.bytes, fds, count);
 */
#ifndef SHARED_RIGHTS_H
#define SHARED_RIGHTS_H

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Puts COUNT descriptors into MESSAGE. CONTROL is zeros, and must live as long as it. */
static inline void rights_put(struct msghdr *message, void *control, const int *fds, size_t count)
{
    if (count == 0)
        return;
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
}

/* Takes those that came with MESSAGE, ROOM at most; closes the others. Returns how many came. */
static inline size_t rights_take(struct msghdr *message, int *fds, size_t room)
{
    size_t count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++, count++) {
            int fd = -1;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            if (count < room)
                fds[count] = fd;
            else
                close(fd);
        }
    }
    return count;
}

#endif
